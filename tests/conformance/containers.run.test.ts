import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { eventually, onTerminal, requireTool, run, start, TEST_TMP } from '../harness/index.ts';
import { berthOnly, conformance } from './engines.ts';

interface Case {
  readonly flags: readonly string[];
  readonly command: readonly string[];
  readonly stdout?: string | RegExp;
  readonly stderr?: RegExp;
  readonly code?: number;
}

const sh = (line: string): readonly string[] => ['sh', '-c', line];

/** What a flag does, seen from inside the container. All run with `--rm --network none`. */
const CASES: Readonly<Record<string, Case>> = {
  'exit code of the program': {
    flags: [],
    command: sh('echo out; echo err >&2; exit 7'),
    stdout: 'out\n',
    stderr: /^err\n$/,
    code: 7,
  },
  'a child killed by a signal': { flags: [], command: sh('sh -c "kill -9 \\$\\$"; exit $?'), code: 137 },
  'no such command': {
    flags: [],
    command: ['nosuch'],
    stderr: /exec: "nosuch": executable file not found in \$PATH/,
    code: 127,
  },
  'not executable': {
    flags: [],
    command: ['/etc/passwd'],
    stderr: /exec: "\/etc\/passwd": permission denied/,
    code: 126,
  },
  'a directory': { flags: [], command: ['/tmp'], stderr: /permission denied|is a directory/, code: 126 },
  '--workdir made': { flags: ['-w', '/a/b/c'], command: ['pwd'], stdout: '/a/b/c\n' },
  '--workdir that is a file': {
    flags: ['-w', '/etc/passwd'],
    command: ['true'],
    stderr: /Cannot mkdir: \/etc\/passwd is not a directory/,
    code: 125,
  },
  '--env': { flags: ['-e', 'A=1', '-e', 'B=', '-e', 'HOME=/x'], command: sh('echo "$A-$B-$HOME"'), stdout: '1--/x\n' },
  '--env of the host': {
    flags: ['-e', 'BERTH_GIVEN', '-e', 'BERTH_UNSET'],
    command: sh('echo "$BERTH_GIVEN-${BERTH_UNSET-unset}"'),
    stdout: 'yes-unset\n',
  },
  '--user by name': {
    flags: ['-u', 'nobody'],
    command: ['id'],
    stdout: 'uid=65534(nobody) gid=65534(nogroup) groups=65534(nogroup)\n',
  },
  '--user by number': { flags: ['-u', '1234:5678'], command: ['id'], stdout: 'uid=1234 gid=5678 groups=5678\n' },
  '--group-add': {
    flags: ['-u', '0:nogroup', '--group-add', '55'],
    command: ['id', '-G'],
    stdout: /^(65534 55|55 65534)\n$/,
  },
  '--user unknown': {
    flags: ['-u', 'nosuch'],
    command: ['true'],
    stderr: /unable to find user nosuch: no matching entries in passwd file/,
    code: 125,
  },
  '--hostname': { flags: ['--hostname', 'foo'], command: sh('hostname; cat /etc/hostname'), stdout: 'foo\nfoo\n' },
  '--entrypoint': { flags: ['--entrypoint', '/bin/echo'], command: ['hi', 'there'], stdout: 'hi there\n' },
  '--read-only': {
    flags: ['--read-only'],
    command: sh('touch /x 2>/dev/null || echo no; echo x 2>/dev/null > /etc/hosts || echo no'),
    stdout: 'no\nno\n',
  },
  '--read-only and --tmpfs': {
    flags: ['--read-only', '--tmpfs', '/srv:size=1m,mode=700'],
    command: sh('touch /srv/x && df -k /srv | tail -1 | tr -s " " | cut -d" " -f2; stat -c %a /srv'),
    stdout: '1024\n700\n',
  },
  '--tmpfs defaults': {
    flags: ['--tmpfs', '/foo'],
    command: sh('stat -c %a /foo; grep " /foo " /proc/mounts | cut -d" " -f4'),
    stdout: /^1777\nrw,nosuid,nodev,noexec,relatime/,
  },
  '--cap-drop': { flags: ['--cap-drop', 'CHOWN'], command: sh('chown 1 /tmp 2>/dev/null || echo no'), stdout: 'no\n' },
  '--cap-drop ALL --cap-add': {
    flags: ['--cap-drop', 'ALL', '--cap-add', 'NET_ADMIN'],
    command: ['grep', 'CapEff', '/proc/self/status'],
    stdout: 'CapEff:\t0000000000001000\n',
  },
  '--cap-add unknown': {
    flags: ['--cap-add', 'bogus'],
    command: ['true'],
    stderr: /invalid CapAdd: unknown capability: "CAP_BOGUS"/,
    code: 125,
  },
  'default capabilities': {
    flags: [],
    command: ['grep', '-E', 'Cap(Eff|Bnd|Amb)|Seccomp:|NoNewPrivs', '/proc/self/status'],
    stdout:
      'CapEff:\t00000000a80425fb\nCapBnd:\t00000000a80425fb\nCapAmb:\t0000000000000000\nNoNewPrivs:\t0\nSeccomp:\t2\n',
  },
  '--security-opt no-new-privileges': {
    flags: ['--security-opt', 'no-new-privileges'],
    command: ['grep', 'NoNewPrivs', '/proc/self/status'],
    stdout: 'NoNewPrivs:\t1\n',
  },
  '--memory, --cpus, --pids-limit': {
    flags: ['--memory', '64m', '--cpus', '0.5', '--pids-limit', '20'],
    command: sh(
      'cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes memory.max cpu/cpu.cfs_quota_us cpu.max pids/pids.max pids.max 2>/dev/null; true',
    ),
    stdout: /^67108864\n50000( 100000)?\n20\n$/,
  },
  '--memory too small': {
    flags: ['--memory', '4m'],
    command: ['true'],
    stderr: /Minimum memory limit allowed is 6MB/,
    code: 125,
  },
  '--cpuset-cpus not there': {
    flags: ['--cpuset-cpus', '999'],
    command: ['true'],
    stderr: /Requested CPUs are not available - requested 999, available: 0/,
    code: 125,
  },
  '--ulimit': { flags: ['--ulimit', 'nofile=100:200'], command: sh('ulimit -n; ulimit -Hn'), stdout: '100\n200\n' },
  '--shm-size': {
    flags: ['--shm-size', '8m'],
    command: sh('df -k /dev/shm | tail -1 | tr -s " " | cut -d" " -f2'),
    stdout: '8192\n',
  },
  '--sysctl': {
    flags: ['--sysctl', 'kernel.shmmax=12345'],
    command: ['cat', '/proc/sys/kernel/shmmax'],
    stdout: '12345\n',
  },
  '--oom-score-adj': {
    flags: ['--oom-score-adj', '500'],
    command: ['cat', '/proc/self/oom_score_adj'],
    stdout: '500\n',
  },
  '--device': {
    flags: ['--device', '/dev/null:/dev/nil:r'],
    command: sh('test -c /dev/nil && cat /dev/nil && echo ok'),
    stdout: 'ok\n',
  },
  '--device not there': {
    flags: ['--device', '/dev/nosuch'],
    command: ['true'],
    stderr: /error gathering device information while adding custom device "\/dev\/nosuch": no such file or directory/,
    code: 127,
  },
  '--add-host, --dns, --dns-search, --dns-option': {
    flags: ['--add-host', 'foo:1.2.3.4', '--dns', '9.9.9.9', '--dns-search', 'a.b', '--dns-option', 'ndots:3'],
    command: sh('grep foo /etc/hosts; sort /etc/resolv.conf'),
    stdout: /^1\.2\.3\.4\s+foo\n(#.*\n)*nameserver 9\.9\.9\.9\noptions ndots:3\nsearch a\.b\n/,
  },
  '--network none': { flags: [], command: ['ls', '/sys/class/net'], stdout: 'lo\n' },
  '--pid host': {
    flags: ['--pid', 'host'],
    command: sh('test $$ -ne 1 && test -d /proc/2 && echo ok'),
    stdout: 'ok\n',
  },
  '--uts host and --hostname': {
    flags: ['--uts', 'host'],
    command: sh('test -n "$(hostname)" && echo ok'),
    stdout: 'ok\n',
  },
  '--ipc bogus': { flags: ['--ipc', 'bogus'], command: ['true'], stderr: /nvalid IPC mode: bogus/, code: 125 },
  '--mount tmpfs': {
    flags: ['--mount', 'type=tmpfs,dst=/x,tmpfs-size=1m,tmpfs-mode=700'],
    command: sh('stat -c %a /x; df -k /x | tail -1 | tr -s " " | cut -d" " -f2'),
    stdout: '700\n1024\n',
  },
  '--mount bind not there': {
    flags: ['--mount', 'type=bind,src=/nosuch-source,dst=/x'],
    command: ['true'],
    stderr: /bind source path does not exist: \/nosuch-source/,
    code: 125,
  },
  'volume with a relative target': {
    flags: ['-v', '/tmp:relative'],
    command: ['true'],
    stderr: /invalid mount path: 'relative' mount path must be absolute/,
    code: 125,
  },
  'volume with an unknown mode': {
    flags: ['-v', '/tmp:/x:zz'],
    command: ['true'],
    stderr: /invalid mode: zz/,
    code: 125,
  },
  '--log-driver none': { flags: ['--log-driver', 'none'], command: ['echo', 'hi'], stdout: 'hi\n' },
  '--log-driver unknown': { flags: ['--log-driver', 'nosuch'], command: ['true'], stderr: /nosuch/, code: 125 },
  '--runtime unknown': { flags: ['--runtime', 'nosuch'], command: ['true'], stderr: /runtime .*nosuch/, code: 125 },
  '--network unknown': {
    flags: ['--network', 'nosuchnet'],
    command: ['true'],
    stderr: /network nosuchnet not found/,
    code: 125,
  },
  '--network container: unknown': {
    flags: ['--network', 'container:nosuch'],
    command: ['true'],
    stderr: /No such container: nosuch/,
    code: 125,
  },
  '--name invalid': {
    flags: ['--name', 'a b'],
    command: ['true'],
    stderr: /Invalid container name \(a b\), only \[a-zA-Z0-9\]\[a-zA-Z0-9_\.-\] are allowed/,
    code: 125,
  },
  '--stop-signal unknown': {
    flags: ['--stop-signal', 'BOGUS'],
    command: ['true'],
    stderr: /nvalid signal: BOGUS/,
    code: 125,
  },
  '--gpus': {
    flags: ['--gpus', 'all'],
    command: ['true'],
    stderr: /could not select device driver "" with capabilities: \[\[gpu\]\]/,
    code: 125,
  },
  '--health-interval too short': {
    flags: ['--health-cmd', 'true', '--health-interval', '1us'],
    command: ['true'],
    stderr: /Interval in Healthcheck cannot be less than 1ms/,
    code: 125,
  },
  '/etc/mtab is there': { flags: [], command: ['readlink', '/etc/mtab'], stdout: '/proc/mounts\n' },
}; // prettier-ignore

conformance('docker run', (under) => {
  describe('flags', { concurrency: 3 }, () => {
    for (const [name, given] of Object.entries(CASES))
      test(name, async () => {
        const ran = await under.engine.docker(
          ['run', '--rm', ...network(given), ...given.flags, 'busybox', ...given.command],
          {
            env: { BERTH_GIVEN: 'yes' },
          },
        );
        const said = `${ran.stdout}\n${ran.stderr}`;
        assert.equal(ran.code, given.code ?? 0, said);
        if (typeof given.stdout === 'string') assert.equal(ran.stdout, given.stdout, said);
        else if (given.stdout) assert.match(ran.stdout, given.stdout, said);
        if (given.stderr) assert.match(ran.stderr, given.stderr);
      });
  });

  test('a failed run --rm leaves no container', async () => {
    assert.equal(await under.engine.ok(['ps', '-aq']), '');
  });

  test('bind mounts: read-write, read-only, a file, a missing source is made', async () => {
    const directory = mkdtempSync(join(TEST_TMP, 'berth-test-bind-'));
    try {
      writeFileSync(join(directory, 'file'), 'content\n');
      const line = 'cat /f; echo no 2>/dev/null >/ro/x || echo refused; echo new > /rw/made; ls /new';
      const binds = [`${directory}:/rw`, `${directory}:/ro:ro`, `${directory}/file:/f:ro`, `${directory}/missing:/new`];
      const flags = binds.flatMap((bind) => ['-v', bind]);
      const out = await under.engine.ok(['run', '--rm', '--network', 'none', ...flags, 'busybox', ...sh(line)]);
      assert.equal(out, 'content\nrefused');
      assert.equal((await run('ls', [directory])).stdout, 'file\nmade\nmissing\n');
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });

  test('named volumes keep data, begin with the image’s, and are shared', async () => {
    const { engine } = under;
    const inside = (line: string): Promise<string> =>
      engine.ok(['run', '--rm', '--network', 'none', '-v', 'data:/etc', 'busybox', ...sh(line)]);
    assert.match(await inside('echo kept > /etc/kept; grep -c root /etc/passwd'), /^1/);
    assert.equal(await inside('cat /etc/kept'), 'kept');
    assert.equal(
      await engine.ok(['run', '--rm', '--network', 'none', '-v', 'data:/data:ro', 'busybox', 'cat', '/data/kept']),
      'kept',
    );
    await engine.ok(['volume', 'rm', 'data']);
  });

  test('--volumes-from, and anonymous volumes go with rm -v', async () => {
    const { engine } = under;
    await engine.ok(['create', '--name', 'source', '--network', 'none', '-v', '/anon', 'busybox', 'true']);
    await engine.ok([
      'run',
      '--rm',
      '--network',
      'none',
      '--volumes-from',
      'source',
      'busybox',
      ...sh('echo hi > /anon/x'),
    ]);
    const again = ['run', '--rm', '--network', 'none', '--volumes-from', 'source:ro', 'busybox', 'cat', '/anon/x'];
    assert.equal(await engine.ok(again), 'hi');
    await engine.ok(['rm', '-v', 'source']);
    assert.equal(await engine.ok(['volume', 'ls', '-q']), '');
  });

  test('--cidfile, --label, --label-file through inspect', async () => {
    const { engine } = under;
    const directory = mkdtempSync(join(TEST_TMP, 'berth-test-cid-'));
    try {
      const flags = ['--cidfile', join(directory, 'id'), '--label', 'a=b', '--label', 'c'];
      const id = await engine.ok(['create', '--network', 'none', ...flags, 'busybox', 'true']);
      assert.equal((await run('cat', [join(directory, 'id')])).stdout, id);
      assert.equal(await engine.ok(['inspect', '-f', '{{json .Config.Labels}}', id]), '{"a":"b","c":""}');
      await engine.ok(['rm', id]);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });

  test('--tty: a terminal inside, output as a terminal makes it', async () => {
    const ran = await under.engine.docker([
      'run',
      '--rm',
      '-t',
      '--network',
      'none',
      'busybox',
      ...sh('tty; echo $TERM'),
    ]);
    assert.equal(ran.code, 0, ran.stderr);
    assert.equal(ran.stdout, '/dev/pts/0\r\nxterm\r\n');
  });

  test('--interactive --tty on a terminal takes its size', async () => {
    const env = { DOCKER_HOST: `unix://${under.engine.socket}` };
    const words = onTerminal('sh', [
      '-c',
      'stty rows 33 cols 77; "$0" run --rm -it --network none busybox sh -c \'until stty size | grep 33.77; do sleep 0.05; done; exit 5\'',
      requireTool('docker'),
    ]);
    const ran = await run(...words, { env });
    assert.match(ran.stdout, /33 77/);
    assert.equal(ran.code, 5, ran.stdout);
  });

  test('--interactive passes standard input and its end', async () => {
    const input = Buffer.alloc(3_000_000, 'berth 0123456789\n');
    const ran = await under.engine.docker(['run', '--rm', '-i', '--network', 'none', 'busybox', 'sha256sum'], {
      input,
    });
    assert.equal(ran.stdout, `${createHash('sha256').update(input).digest('hex')}  -\n`);
  });

  test('without --interactive standard input is empty', async () => {
    const ran = await under.engine.docker(['run', '--rm', '--network', 'none', 'busybox', 'cat'], { input: 'lost' });
    assert.deepEqual([ran.stdout, ran.code], ['', 0]);
  });

  test('--network host and --network container:', async () => {
    const { engine } = under;
    await engine.ok([
      'run',
      '-d',
      '--name',
      'first',
      '--network',
      'none',
      '--hostname',
      'one',
      'busybox',
      'sleep',
      '60',
    ]);
    const netns = (network: string): Promise<string> =>
      engine.ok(['run', '--rm', '--network', network, 'busybox', 'readlink', '/proc/self/ns/net']);
    assert.equal(await netns('container:first'), await engine.ok(['exec', 'first', 'readlink', '/proc/self/ns/net']));
    assert.notEqual(await netns('host'), await netns('none'));
    await engine.ok(['rm', '-f', 'first']);
  });

  test('--sig-proxy: the CLI’s SIGTERM reaches the program', async () => {
    const line = 'trap "echo caught; exit 9" TERM; echo ready; while :; do sleep 0.05; done';
    const child = under.engine.spawn(['run', '--rm', '--network', 'none', 'busybox', ...sh(line)]);
    let out = '';
    child.stdout.on('data', (chunk: Buffer) => {
      if (!out.includes('ready') && chunk.includes('ready')) child.kill('SIGTERM');
      out += chunk;
    });
    const code = await new Promise((resolve) => child.once('close', resolve));
    assert.deepEqual([out, code], ['ready\ncaught\n', 9]);
  });

  test('^C on the terminal of an attached run ends it', async () => {
    const env = { DOCKER_HOST: `unix://${under.engine.socket}` };
    const [program, words] = onTerminal(requireTool('docker'), [
      'run',
      '--rm',
      '-it',
      '--network',
      'none',
      'busybox',
      ...sh('trap "exit 130" INT; echo ready; while :; do sleep 0.05; done'),
    ]);
    const child = start(program, words, { env });
    child.stdout.on('data', (chunk: Buffer) => chunk.includes('ready') && child.stdin.write('\x03'));
    const code = await new Promise((resolve) => child.once('close', resolve));
    assert.equal(code, 130);
  });
});

function network({ flags }: Case): readonly string[] {
  return flags.includes('--network') ? [] : ['--network', 'none'];
}

berthOnly('docker run, where dockerd 20.10 differs or can not here', (under) => {
  test('--init puts an init in front and reaps', async () => {
    const out = await under.berth.ok([
      'run',
      '--rm',
      '--init',
      '--network',
      'none',
      'busybox',
      ...sh('cat /proc/1/comm'),
    ]);
    assert.equal(out, 'docker-init');
  });

  test('--ipc host; what is not there yet says so', async () => {
    const { berth } = under;
    const refusal = async (...flags: readonly string[]): Promise<string> =>
      (await berth.docker(['create', '--network', 'none', ...flags, 'busybox', 'true'])).stderr;
    const netns = ['run', '--rm', '--network', 'none', '--ipc', 'host', 'busybox', 'readlink', '/proc/self/ns/ipc'];
    assert.equal(await berth.ok(netns), (await run('readlink', ['/proc/self/ns/ipc'])).stdout.trim());
    assert.match(await refusal('--log-driver', 'splunk'), /no log driver named 'splunk' is registered/);
    assert.match(await refusal('--storage-opt', 'size=1g'), /--storage-opt is supported only for/);
    assert.match(await refusal('--isolation', 'hyperv'), /invalid isolation/);
  });

  test('out of memory: said by inspect and by an event', async () => {
    const { berth } = under;
    const flags = ['--name', 'hungry', '--network', 'none', '--memory', '20m', '--memory-swap', '20m'];
    await berth.docker(['run', ...flags, 'busybox', 'tail', '/dev/zero']);
    assert.equal(await berth.ok(['inspect', '-f', '{{.State.OOMKilled}} {{.State.ExitCode}}', 'hungry']), 'true 137');
    await berth.ok(['rm', 'hungry']);
  });

  test('--annotation, --platform of another machine', async () => {
    const { berth } = under;
    const id = await berth.ok(['create', '--annotation', 'x=y', '--network', 'none', 'busybox', 'true']);
    assert.equal(await berth.ok(['inspect', '-f', '{{json .HostConfig.Annotations}}', id]), '{"x":"y"}');
    await berth.ok(['rm', id]);
  });

  test('--publish: the port answers on the host, a second container is refused it', async () => {
    const { berth } = under;
    const line = 'while :; do printf "HTTP/1.0 200 OK\\r\\n\\r\\nhello" | nc -l -p 80 -w 1; done';
    await berth.ok(['run', '-d', '--name', 'web', '-p', '127.0.0.1::80', 'busybox', ...sh(line)]);
    const port = (await berth.ok(['port', 'web', '80/tcp'])).split(':')[1];
    const hello = async (): Promise<boolean> => {
      const answer = await fetch(`http://127.0.0.1:${port}/`, { signal: AbortSignal.timeout(2000) });
      return (await answer.text()) === 'hello';
    };
    assert.ok(await eventually('the page is served', hello));
    const second = await berth.docker(['run', '--rm', '-p', `127.0.0.1:${port}:80`, 'busybox', 'true']);
    assert.equal(second.code, 125);
    assert.match(second.stderr, /port is already allocated|address already in use/);
    const shown = JSON.parse(await berth.ok(['inspect', '-f', '{{json .NetworkSettings.Ports}}', 'web']));
    assert.deepEqual(shown, { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: port }] });
    await berth.ok(['rm', '-f', 'web']);
  });

  test('--network bridge and user-defined: addresses and names', async () => {
    const { berth } = under;
    await berth.ok(['network', 'create', '--subnet', '10.213.7.0/24', 'mine']);
    await berth.ok([
      'run',
      '-d',
      '--name',
      'server',
      '--network',
      'mine',
      '--network-alias',
      'other',
      '--ip',
      '10.213.7.9',
      'busybox',
      'sleep',
      '60',
    ]);
    const line =
      'ping -c2 -W5 server && ping -c2 -W5 other >/dev/null && echo both || (nslookup server; ip addr; cat /proc/net/arp)';
    // What it says instead explains a failure.
    assert.match(await berth.ok(['run', '--rm', '--network', 'mine', 'busybox', ...sh(line)]), /^both$/m);
    assert.equal(
      await berth.ok(['inspect', '-f', '{{.NetworkSettings.Networks.mine.IPAddress}}', 'server']),
      '10.213.7.9',
    );
    const inUse = await berth.docker(['network', 'rm', 'mine']);
    assert.equal(inUse.code, 1);
    assert.match(inUse.stderr, /network mine .*has active endpoints/);
    await berth.ok(['network', 'connect', 'bridge', 'server']);
    assert.equal(await berth.ok(['exec', 'server', ...sh('ls /sys/class/net')]), 'eth0\neth1\nlo');
    await berth.ok(['network', 'disconnect', 'bridge', 'server']);
    assert.equal(await berth.ok(['exec', 'server', ...sh('ls /sys/class/net')]), 'eth0\nlo');
    await berth.ok(['rm', '-f', 'server']);
    await berth.ok(['network', 'rm', 'mine']);
  });

  test('50 containers at once by 8 clients, all with their own output and code', async () => {
    const { berth } = under;
    const numbers = Array.from({ length: 50 }, (_, i) => i);
    const worker = async (): Promise<void> => {
      for (let i = numbers.shift(); i !== undefined; i = numbers.shift()) {
        const ran = await berth.docker([
          'run',
          '--rm',
          '--network',
          i % 2 ? 'none' : 'bridge',
          'busybox',
          ...sh(`echo ${i}; exit ${i}`),
        ]);
        assert.deepEqual([ran.stdout, ran.code], [`${i}\n`, i], ran.stderr);
      }
    };
    await Promise.all(Array.from({ length: 8 }, worker));
    assert.equal(await berth.ok(['ps', '-aq']), '');
  });
});
