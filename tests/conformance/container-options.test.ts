import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { busyboxTar, eventually, run, TEST_TMP } from '../harness/index.ts';
import { berthOnly, conformance, type Engine } from './engines.ts';

const sh = (line: string): readonly string[] => ['sh', '-c', line];

/** What a container with these flags sees. */
async function inside(engine: Engine, flags: readonly string[], line: string): Promise<string> {
  return await engine.ok(['run', '--rm', '--network', 'none', ...flags, 'busybox', ...sh(line)]);
}

/** Why a container with these flags does not come to be, in one line. */
async function refusal(engine: Engine, flags: readonly string[]): Promise<string> {
  const ran = await engine.docker(['run', '--rm', '--network', 'none', ...flags, 'busybox', 'true']);
  assert.notEqual(ran.code, 0, flags.join(' '));
  return ran.stderr;
}

interface Health {
  readonly Status: string;
  readonly FailingStreak: number;
  readonly Log: readonly unknown[];
}

const SHM = "grep ' /dev/shm ' /proc/mounts | cut -d' ' -f1-4";

conformance('container options, seen from inside', (under) => {
  test('--ipc private, none and host', async () => {
    const { engine } = under;
    const host = (await run('readlink', ['/proc/self/ns/ipc'])).stdout.trim();
    const ns = 'readlink /proc/self/ns/ipc; ';
    const [own, mount] = (await inside(engine, ['--shm-size', '1m'], ns + SHM)).split('\n');
    assert.notEqual(own, host);
    assert.equal(mount, 'shm /dev/shm tmpfs rw,nosuid,nodev,noexec,relatime,size=1024k');
    assert.equal(await inside(engine, ['--ipc', 'none'], `${SHM}; ls -d /dev/shm 2>&1 | grep -c No`), '1');
    assert.equal(await inside(engine, ['--ipc', 'host'], 'readlink /proc/self/ns/ipc'), host);
  });

  test('--ipc shareable: another container joins its queues and its memory, which outlives it there', async () => {
    const { engine } = under;
    await engine.ok([
      'run',
      '-d',
      '--name',
      'donor',
      '--network',
      'none',
      '--ipc',
      'shareable',
      '--shm-size',
      '2m',
      'busybox',
      ...sh('echo given >/dev/shm/a; exec sleep 1000'),
    ]); // prettier-ignore
    await engine.ok([
      'run',
      '-d',
      '--name',
      'joined',
      '--network',
      'none',
      '--ipc',
      'container:donor',
      'busybox',
      'sleep',
      '1000',
    ]); // prettier-ignore
    const ns = async (name: string): Promise<string> =>
      await engine.ok(['exec', name, 'readlink', '/proc/self/ns/ipc']);
    assert.equal(await ns('joined'), await ns('donor'));
    const mount = await engine.ok(['exec', 'joined', ...sh(`cat /dev/shm/a; ${SHM}`)]);
    assert.equal(mount, 'given\nshm /dev/shm tmpfs rw,nosuid,nodev,noexec,relatime,size=2048k');
    await engine.ok(['rm', '-f', 'donor']);
    assert.equal(await engine.ok(['exec', 'joined', 'cat', '/dev/shm/a']), 'given');
    await engine.ok(['rm', '-f', 'joined']);
  });

  test('--ipc container: only of one that shares and runs', async () => {
    const { engine } = under;
    await engine.ok(['run', '-d', '--name', 'private', '--network', 'none', 'busybox', 'sleep', '1000']);
    assert.match(await refusal(engine, ['--ipc', 'container:private']), /non-shareable IPC/);
    await engine.ok(['rm', '-f', 'private']);
    assert.match(await refusal(engine, ['--ipc', 'container:nobody']), /No such container: nobody/);
    await engine.ok(['create', '--name', 'still', '--network', 'none', '--ipc', 'shareable', 'busybox', 'true']);
    assert.match(await refusal(engine, ['--ipc', 'container:still']), /not running|non running/);
    await engine.ok(['rm', 'still']);
  });

  test('block I/O: what the kernel can is set, what it can not is dropped with a warning', async () => {
    const { engine } = under;
    const flags = ['--device-read-bps', '/dev/null:1mb', '--device-write-iops', '/dev/null:7', '--blkio-weight', '100'];
    const ran = await engine.docker(['run', '--rm', '--network', 'none', ...flags, 'busybox', 'true']);
    assert.ok(ran.code === 0 || /blkio|io\.max|No such device/.test(ran.stderr), ran.stderr);
    const weightless = /does not support Block I\/O weight or the cgroup is not mounted. Weight discarded/;
    const has = (await run('sh', ['-c', 'ls /sys/fs/cgroup/blkio/blkio*.weight /sys/fs/cgroup/cgroup.controllers']))
      .stdout; // prettier-ignore
    if (has === '') assert.match(ran.stderr, weightless);
    assert.match(
      await refusal(engine, ['--device-read-bps', '/dev/nope:1mb']),
      /\/dev\/nope: no such file or directory/,
    );
  });

  test('block I/O limits of a device are those of its control group', async (t) => {
    const disk = readdirSync('/sys/block').find((name) => existsSync(`/dev/${name}`));
    if (disk === undefined) return t.skip('there is no block device here');
    const number = readFileSync(`/sys/block/${disk}/dev`, 'utf8').trim();
    const flags = ['read-bps', 'write-bps', 'read-iops', 'write-iops'].flatMap((what, at) => [
      `--device-${what}`,
      `/dev/${disk}:${1_000_000 + at}`,
    ]);
    const look = `cd /sys/fs/cgroup; for f in read_bps write_bps read_iops write_iops; do
      cat blkio/blkio.throttle.\${f}_device; done 2>/dev/null; cat io.max 2>/dev/null; :`;
    const seen = await inside(under.engine, flags, look);
    if (seen === '') return t.skip('this kernel has no limits of block I/O');
    const v2 = `${number} rbps=1000000 wbps=1000001 riops=1000002 wiops=1000003`;
    const v1 = [0, 1, 2, 3].map((at) => `${number} ${1_000_000 + at}`).join('\n');
    assert.equal(seen, seen.includes('rbps') ? v2 : v1);
  });

  test('--oom-kill-disable is what the control group says, where it can', async (t) => {
    const look = 'cat /sys/fs/cgroup/memory/memory.oom_control 2>/dev/null; :';
    const flags = ['--memory', '32m', '--oom-kill-disable'];
    if ((await inside(under.engine, flags, look)) === '')
      return t.skip('control groups of version 2 have no such thing');
    assert.match(await inside(under.engine, flags, look), /^oom_kill_disable 1$/m);
    assert.match(await inside(under.engine, ['--memory', '32m'], look), /^oom_kill_disable 0$/m);
  });

  test('probes that fail in the start period do not count', async () => {
    const { engine } = under;
    // Current ones have an interval of its own for that time, 5 seconds unless told otherwise.
    const frequent = engine.name === 'berthd' ? ['--health-start-interval', '100ms'] : [];
    const health = ['--health-cmd', 'false', '--health-interval', '150ms', '--health-retries', '1', ...frequent];
    const start = async (name: string, period: string): Promise<void> =>
      void (await engine.ok([
        ...['run', '-d', '--name', name, '--network', 'none', ...health],
        ...['--health-start-period', period, 'busybox', 'sleep', '1000'],
      ]));
    const state = async (name: string): Promise<Health> =>
      JSON.parse(await engine.ok(['inspect', '-f', '{{json .State.Health}}', name])) as Health;
    await start('starting', '1h');
    await eventually('some probes', async () => (await state('starting')).Log.length >= 3);
    assert.deepEqual([(await state('starting')).Status, (await state('starting')).FailingStreak], ['starting', 0]);
    await start('over', '1ms');
    await eventually('the verdict', async () => (await state('over')).Status === 'unhealthy');
    await engine.ok(['rm', '-f', 'starting', 'over']);
  });

  test('what the engine or the host refuses, it refuses in the same words', async () => {
    const { engine } = under;
    for (const [flags, message] of [
      [['--gpus', 'all'], /could not select device driver "" with capabilities: \[\[gpu\]\]/],
      [['--cpus', '9999'], /ange of CPUs is from 0.01 to \d+.00, as there are only \d+ CPUs available/],
      [['--cpuset-mems', '99'], /Requested memory nodes are not available - requested 99, available: /],
      [['--cpuset-cpus', '999'], /Requested CPUs are not available - requested 999, available: /],
      [['--tmpfs', '/x:foo=1'], /nvalid tmpfs option \["foo" "1"\]/],
      [['--memory', '5m'], /Minimum memory limit allowed is 6MB/],
      [['--oom-score-adj', '1001'], /1001, range for oom score adj is \[-1000, 1000\]/],
      [
        ['--ipc', 'host', '--sysctl', 'kernel.msgmax=1'],
        /sysctl "kernel.msgmax" is not allowed in the hosts ipc namespace/,
      ], // prettier-ignore
      [['--ulimit', 'nofile=2000000000:2000000000'], /error setting rlimit type 7: operation not permitted/],
      [['--isolation', 'hyperv'], /linux only supports 'default'/],
      [['-v', '/tmp:/x:shared', '--memory', '1m'], /Minimum memory limit allowed is 6MB/],
      [['--mount', 'type=bind,src=/no/such,dst=/x'], /bind source path does not exist: \/no\/such/],
      [['--mount', 'type=tmpfs,src=/x,dst=/x'], /cannot|must not be specified/],
      [
        ['--device', '/dev/nope'],
        /error gathering device information while adding custom device "\/dev\/nope": no such file or directory/,
      ], // prettier-ignore
    ] as const)
      assert.match(await refusal(engine, flags), message);
  });

  test('tmpfs: size, mode and options of both flags', async () => {
    const { engine } = under;
    const seen = await inside(
      engine,
      ['--mount', 'type=tmpfs,dst=/m,tmpfs-size=1m,tmpfs-mode=1770', '--tmpfs', '/t:size=64k,mode=700,exec'],
      "grep -E ' /(m|t) ' /proc/mounts | cut -d' ' -f2,4 | sort; stat -c %a /m /t",
    );
    assert.equal(
      seen,
      '/m rw,nosuid,nodev,noexec,relatime,size=1024k,mode=1770\n/t rw,nosuid,nodev,relatime,size=64k,mode=700\n1770\n700',
    );
  });

  test('processes, devices and kernel parameters', async () => {
    const { engine } = under;
    const flags = [
      ...['--sysctl', 'kernel.msgmax=1234', '--oom-score-adj', '300', '--ulimit', 'core=0:0', '--pids-limit', '77'],
      ...['--device', '/dev/zero:/dev/nil:r', '--device-cgroup-rule', 'c 42:7 rw', '--domainname', 'd.example'],
      ...['--hostname', 'h', '--add-host', 'there:192.0.2.9', '--cgroup-parent', `/berthoptions${process.pid}`],
    ];
    const lines = [
      'cat /proc/sys/kernel/msgmax /proc/self/oom_score_adj',
      'ulimit -c',
      'cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null',
      'stat -c %t:%T /dev/nil',
      'cat /proc/sys/kernel/domainname; grep there /etc/hosts',
      `grep -c berthoptions${process.pid} /proc/self/cgroup | sed 's/[1-9].*/in/'`,
    ];
    const out = await inside(engine, flags, lines.join('; '));
    await run('sh', [
      '-c',
      `rmdir /sys/fs/cgroup/*/berthoptions${process.pid} /sys/fs/cgroup/berthoptions${process.pid}`,
    ]); // prettier-ignore
    assert.equal(out, '1234\n300\n0\n77\n1:5\nd.example\n192.0.2.9\tthere\nin');
  });

  test('seccomp and privileges', async () => {
    const { engine } = under;
    const status = "grep -E '^(Seccomp|NoNewPrivs):' /proc/self/status | tr -d '\\t\\n'";
    assert.equal(await inside(engine, [], status), 'NoNewPrivs:0Seccomp:2');
    assert.equal(await inside(engine, ['--security-opt', 'seccomp=unconfined'], status), 'NoNewPrivs:0Seccomp:0');
    assert.equal(await inside(engine, ['--security-opt', 'no-new-privileges'], status), 'NoNewPrivs:1Seccomp:2');
  });
});

berthOnly('container options that need a newer API', (under) => {
  test('an image is mounted read-only, whole or a part of it, and is in use', async () => {
    const { engine } = under;
    await engine.ok(['import', await busyboxTar(), 'tools']);
    await engine.ok([
      'create',
      '--name',
      'user',
      '--network',
      'none',
      '--mount',
      'type=image,src=tools,dst=/whole',
      '--mount',
      'type=image,src=tools,dst=/part/bin,image-subpath=bin',
      'busybox',
      ...sh('ls /part/bin/busybox /whole/bin/busybox; touch /whole/x /part/bin/x'),
    ]); // prettier-ignore
    assert.match((await engine.docker(['rmi', 'tools'])).stderr, /conflict.*(using|used)/i);
    for (let round = 0; round < 2; round++) {
      const ran = await engine.docker(['start', '-a', 'user']);
      assert.equal(ran.stdout, '/part/bin/busybox\n/whole/bin/busybox\n');
      assert.equal(ran.stderr.match(/Read-only file system/g)?.length, 2, ran.stderr);
    }
    const mounts = JSON.parse(await engine.ok(['inspect', '-f', '{{json .Mounts}}', 'user'])) as readonly {
      readonly Type: string;
      readonly RW: boolean;
    }[]; // prettier-ignore
    assert.deepEqual(
      mounts.map(({ Type, RW }) => [Type, RW]),
      [
        ['image', false],
        ['image', false],
      ],
    ); // prettier-ignore
    await engine.ok(['rm', 'user']);
    await engine.ok(['rmi', 'tools']);
    for (const [mount, message] of [
      ['src=nope,dst=/x', /No such image: nope/],
      ['src=busybox,dst=/x,image-subpath=../x', /subpath must be a relative path/],
    ] as const)
      assert.match(await refusal(engine, ['--pull', 'never', '--mount', `type=image,${mount}`]), message);
    assert.match(
      await refusal(engine, ['--mount', 'type=image,src=busybox,dst=/x,image-subpath=nope']),
      /no such file or directory/,
    ); // prettier-ignore
  });

  test('read-only binds: what is mounted below is so too, unless told', async () => {
    const { engine } = under;
    const directory = mkdtempSync(join(TEST_TMP, 'berth-test-rro-'));
    const sub = join(directory, 'sub');
    mkdirSync(sub);
    try {
      await run('mount', ['-t', 'tmpfs', '-o', 'nosuid,nodev,noexec', 'none', sub]);
      const writes = async (options: string, version?: string): Promise<string> => {
        const env = version === undefined ? {} : { DOCKER_API_VERSION: version };
        const flags = ['--mount', `type=bind,src=${directory},dst=/d,readonly${options}`];
        const line = 'for f in /d/x /d/sub/x; do touch $f 2>/dev/null && rm $f && echo $f; done; true';
        return await engine.ok(['run', '--rm', '--network', 'none', ...flags, 'busybox', ...sh(line)], { env });
      };
      assert.equal(await writes(''), '');
      assert.equal(await writes(',bind-recursive=writable'), '/d/sub/x');
      assert.equal(await writes(',bind-recursive=readonly,bind-propagation=rprivate'), '');
      assert.equal(await writes(',bind-recursive=disabled'), '');
      assert.equal(await writes('', '1.43'), '/d/sub/x');
      const guards = await inside(engine, ['-v', `${sub}:/guarded`], "grep ' /guarded ' /proc/mounts | cut -d' ' -f4");
      assert.match(guards, /^rw,nosuid,nodev,noexec,relatime/);
      assert.match(await refusal(engine, ['-v', `${sub}:/x:shared`]), /is mounted on .* but it is not a shared mount/);
    } finally {
      await run('umount', ['-l', sub]);
      rmSync(directory, { recursive: true, force: true });
    }
  });

  test('a daemon killed and started again: shared memory stays, staged mounts do not', async () => {
    const { engine, berth } = under;
    await engine.ok([
      'run',
      '-d',
      '--name',
      'donor',
      '--network',
      'none',
      '--ipc',
      'shareable',
      '--mount',
      'type=image,src=busybox,dst=/i',
      'busybox',
      ...sh('echo kept >/dev/shm/a; exec sleep 1000'),
    ]); // prettier-ignore
    await berth.kill9();
    await berth.restart();
    assert.equal(await inside(engine, ['--ipc', 'container:donor'], 'cat /dev/shm/a'), 'kept');
    assert.equal(await engine.ok(['exec', 'donor', 'ls', '/i/bin/busybox']), '/i/bin/busybox');
    await engine.ok(['rm', '-f', 'donor']);
    assert.equal((await run('grep', ['-c', `${berth.execRoot}/shared`, '/proc/mounts'])).stdout.trim(), '0');
  });
});
