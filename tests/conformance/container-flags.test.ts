/** Flags of docker's container commands that no other test gives, each by what it does. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { tempDirectory } from '../harness/index.ts';
import { berthOnly, conformance } from './engines.ts';

/** Flags, what runs in the container, what it prints; or, for a refusal, what the CLI says on standard error. */
type Probe = readonly [flags: readonly string[], line: string, printed: RegExp];

const CPU = '/sys/fs/cgroup/cpu';
const MEMORY = '/sys/fs/cgroup/memory/memory';
const SEEN: readonly Probe[] = [
  [
    ['--cpu-period', '50000', '--cpu-quota', '25000'],
    `cat ${CPU}/cpu.cfs_period_us ${CPU}/cpu.cfs_quota_us`,
    /^50000\n25000$/,
  ],
  [['--cpu-shares', '512'], `cat ${CPU}/cpu.shares`, /^512$/],
  [['-m', '64m', '--memory-reservation', '32m'], `cat ${MEMORY}.soft_limit_in_bytes`, /^33554432$/],
  [['-m', '64m', '--memory-swappiness', '0'], 'echo ok', /^ok$/],
  [['--cgroupns', 'host'], 'grep -c cpu /proc/self/cgroup', /^[1-9]/],
  [['--cgroupns', 'private'], 'grep cpu,\\|:cpu: /proc/self/cgroup | grep -c ":/$"; echo ok', /ok$/],
  [['--no-healthcheck'], 'echo ok', /^ok$/],
  [['--disable-content-trust'], 'echo ok', /^ok$/],
  [['--quiet', '--pull', 'never'], 'echo ok', /^ok$/],
  [['--stop-timeout', '7', '--stop-signal', 'USR1'], 'echo ok', /^ok$/],
  [['--userns', 'host'], 'echo ok', /^ok$/],
  [['-a', 'stderr'], 'echo out; echo err >&2', /^$/],
  [['-v', '/given'], 'grep -c " /given " /proc/mounts', /^1$/],
  [['--volume', '/dev/null:/given:ro'], 'ls -l /given | cut -c1', /^c$/],
  [['-e', 'A=1', '-e', 'HOME=/x'], 'echo $A $HOME', /^1 \/x$/],
  [['--kernel-memory', '64m'], 'echo ok', /^ok$/],
  [['--blkio-weight', '500'], 'echo ok', /^ok$/],
];

const REFUSED: readonly (readonly [readonly string[], RegExp])[] = [
  [['--cpu-rt-runtime', '1000', '--cpu-rt-period', '500'], /(cpu real-time|CPU real-time|cpu-rt)/i],
  [['--memory-swappiness', '101'], /invalid value: 101. Valid memory swappiness range is 0-100/],
  [['-m', '1m'], /[Mm]inimum memory limit/],
  [
    ['--memory-reservation', '64m', '-m', '32m'],
    /[Mm]inimum memory limit can not be less than memory reservation limit/,
  ],
  [['--cgroupns', 'nonsense'], /invalid cgroup( namespace)? mode/i],
  [['--userns', 'nonsense'], /invalid USER mode|--userns: invalid/i],
  [['--isolation', 'hyperv'], /[Ii]nvalid isolation/],
  [['--stop-signal', 'NONSENSE'], /[Ii]nvalid signal: NONSENSE/],
  [['--health-interval', '1us', '--health-cmd', 'true'], /Interval in Healthcheck cannot be less than 1ms/],
  [['--volume', 'a:b:c:d'], /invalid volume specification/],
  [
    ['--ip', '10.1.2.3'],
    /user specified IP address is supported on user defined networks only|conflicting options|invalid config for network|--network-alias|not supported|user configured subnets/i,
  ],
];

conformance('flags of docker run', (under) => {
  const run = (flags: readonly string[], line: string): ReturnType<typeof under.engine.docker> =>
    under.engine.docker(['run', '--rm', '--network', 'none', ...flags, 'busybox', 'sh', '-c', line]);

  test('as seen from inside', async () => {
    const wrong: string[] = [];
    for (const [flags, line, printed] of SEEN) {
      const ran = await run(flags, line);
      if (!printed.test(ran.stdout.trim())) wrong.push(`${flags.join(' ')}: ${ran.code} ${ran.stdout}${ran.stderr}`);
    }
    assert.deepEqual(wrong, []);
  });

  test('refused', async () => {
    const wrong: string[] = [];
    for (const [flags, said] of REFUSED) {
      const ran = await run(flags, 'true');
      if (ran.code === 0 || !said.test(ran.stderr)) wrong.push(`${flags.join(' ')}: ${ran.code} ${ran.stderr}`);
    }
    assert.deepEqual(wrong, []);
  });

  test('files of labels and of the environment', async () => {
    await using temp = await tempDirectory('flags');
    const [env, labels] = [join(temp.path, 'env'), join(temp.path, 'labels')];
    writeFileSync(env, '# no\nONE=1 2\nPASSED\nEMPTY=\n');
    writeFileSync(labels, 'a=b c\nbare\n');
    const create = [
      'create',
      '--name',
      'files',
      '--env-file',
      env,
      '--label-file',
      labels,
      '--network',
      'none',
      'busybox',
      'true',
    ];
    await under.engine.ok(create, { env: { PASSED: 'on' } });
    const shown = ['inspect', '-f', '{{json .Config.Env}} {{json .Config.Labels}}', 'files'];
    const [variables = '', found] = (await under.engine.ok(shown)).split(' {');
    assert.match(variables, /^\["ONE=1 2","PASSED=on","EMPTY="/);
    assert.equal(`{${found}`, '{"a":"b c"}');
    await under.engine.ok(['rm', 'files']);
  });

  test('subcommands', async () => {
    const { engine } = under;
    await using temp = await tempDirectory('flags');
    const box = [
      '--name',
      'box',
      '--network',
      'none',
      'busybox',
      'sh',
      '-c',
      'echo first; echo second >&2; exec sleep 1000',
    ];
    await engine.ok(['container', 'create', '-it', ...box]);
    await engine.ok(['container', 'start', 'box']);
    writeFileSync(join(temp.path, 'env'), 'GIVEN=1\n');
    const exec = ['--env-file', join(temp.path, 'env'), '-e', 'B=2', '-w', '/tmp', '-u', '1:1', 'box', 'sh', '-c'];
    assert.equal(
      await engine.ok(['container', 'exec', ...exec, 'echo $GIVEN $B; pwd; id -u; id -g']),
      '1 2\n/tmp\n1\n1',
    );
    await engine.ok(['container', 'exec', '-d', 'box', 'touch', '/detached']);
    assert.match(await engine.ok(['container', 'logs', '--timestamps', '--tail', '1', 'box']), /^\d{4}-.*Z second/);
    assert.equal(await engine.ok(['container', 'logs', '--since', '1h', '--until', '1h', 'box']), '');
    assert.match(
      await engine.ok(['container', 'ls', '-a', '-l', '-s', '--no-trunc', '--format', '{{.Size}}']),
      /virtual/,
    );
    assert.match(await engine.ok(['container', 'ls', '-n', '1', '-q']), /^[0-9a-f]{12}$/);
    assert.match(
      await engine.ok(['container', 'inspect', '-s', '-f', '{{.SizeRw}} {{.SizeRootFs}}', 'box']),
      /^\d+ \d+$/,
    );
    assert.match(
      await engine.ok(['container', 'stats', '--no-stream', '--no-trunc', '--format', '{{.ID}} {{.PIDs}}', 'box']),
      /^[0-9a-f]{64} \d+$/,
    );
    assert.match(await engine.ok(['container', 'top', 'box', '-eo', 'pid,args']), /sleep 1000/);
    await engine.ok([
      'container',
      'update',
      '--cpu-shares',
      '700',
      '--pids-limit',
      '50',
      '--restart',
      'on-failure:3',
      'box',
    ]);
    assert.equal(
      await engine.ok([
        'inspect',
        '-f',
        '{{.HostConfig.CpuShares}} {{.HostConfig.PidsLimit}} {{.HostConfig.RestartPolicy.Name}}',
        'box',
      ]),
      '700 50 on-failure',
    );
    await engine.ok([
      'container',
      'commit',
      '--pause=false',
      '-a',
      'me',
      '-m',
      'why',
      '-c',
      'ENV X=1',
      '-c',
      'CMD ["x"]',
      'box',
      'made:1',
    ]);
    assert.equal(
      await engine.ok(['inspect', '-f', '{{.Author}} {{.Comment}} {{.Config.Cmd}}', 'made:1']),
      'me why [x]',
    );
    await engine.ok(['container', 'cp', '-a', '-q', 'box:/detached', temp.path]);
    await engine.ok(['container', 'cp', '-L', join(temp.path, 'detached'), 'box:/tmp/back']);
    assert.match(await engine.ok(['container', 'diff', 'box']), /^A \/detached$/m);
    await engine.ok(['container', 'export', '-o', join(temp.path, 'x.tar'), 'box']);
    await engine.ok(['container', 'rename', 'box', 'renamed']);
    await engine.ok(['container', 'restart', '-t', '0', 'renamed']);
    await engine.ok(['container', 'pause', 'renamed']);
    await engine.ok(['container', 'unpause', 'renamed']);
    assert.equal(await engine.ok(['container', 'port', 'renamed']), '');
    await engine.ok(['container', 'kill', '-s', 'KILL', 'renamed']);
    assert.equal(await engine.ok(['container', 'wait', 'renamed']), '137');
    const checkpoint = await engine.docker(['container', 'start', '--checkpoint', 'none', 'renamed']);
    assert.notEqual(checkpoint.code, 0);
    assert.notEqual((await engine.docker(['container', 'rm', '--link', 'renamed'])).code, 0);
    await engine.ok(['container', 'rm', '-v', 'renamed']);
    assert.match(await engine.ok(['container', 'prune', '-f', '--filter', 'until=1s']), /Total reclaimed space/);
    await engine.ok(['image', 'rm', 'made:1']);
  });
});

berthOnly('flags of docker run that need a network', (under) => {
  test('--privileged, of run and of exec', async () => {
    const { engine } = under;
    const line = 'grep CapEff /proc/self/status';
    const all = await engine.ok(['run', '--rm', '--privileged', 'busybox', 'sh', '-c', line]);
    await engine.ok(['run', '-d', '--name', 'few', 'busybox', 'sleep', '1000']);
    assert.notEqual(await engine.ok(['exec', 'few', 'sh', '-c', line]), all);
    assert.equal(await engine.ok(['exec', '--privileged', 'few', 'sh', '-c', line]), all);
    await engine.ok(['rm', '-f', 'few']);
  });

  test('addresses, and all ports', async () => {
    const { engine } = under;
    await engine.ok([
      'network',
      'create',
      '--ipv6',
      '--subnet',
      '10.127.250.0/24',
      '--subnet',
      'fd00:be:47::/64',
      'six',
    ]);
    const flags = [
      '--network',
      'six',
      '--ip',
      '10.127.250.9',
      '--ip6',
      'fd00:be:47::9',
      '--link-local-ip',
      '169.254.8.8',
    ];
    const seen = await engine.ok(['run', '--rm', ...flags, 'busybox', 'ip', '-o', 'addr', 'show', 'eth0']);
    for (const address of ['10.127.250.9/24', 'fd00:be:47::9/64', '169.254.8.8/'])
      assert.ok(seen.includes(address), seen);
    await engine.ok(['run', '-d', '--name', 'plain', 'busybox', 'sleep', '1000']);
    await engine.ok(['network', 'connect', '--link-local-ip', '169.254.8.9', '--ip', '10.127.250.8', 'six', 'plain']);
    assert.match(await engine.ok(['exec', 'plain', 'ip', '-o', 'addr', 'show', 'eth1']), /169\.254\.8\.9\//);
    assert.equal(
      await engine.ok(['inspect', '-f', '{{.NetworkSettings.Networks.six.IPAMConfig.LinkLocalIPs}}', 'plain']),
      '[169.254.8.9]',
    );
    await engine.ok(['run', '-d', '--name', 'ports', '-P', '--expose', '80-81', 'busybox', 'sleep', '1000']);
    assert.equal(
      (await engine.ok(['port', 'ports'])).split('\n').filter((line) => /0\.0\.0\.0:\d+/.test(line)).length,
      2,
    );
    await engine.ok([
      'network',
      'create',
      '--config-only',
      '--subnet',
      '10.127.251.0/24',
      '--label',
      'x=y',
      'settings',
    ]);
    await engine.ok(['network', 'create', '--config-from', 'settings', 'fromit']);
    assert.equal(
      await engine.ok([
        'network',
        'inspect',
        '-f',
        '{{(index .IPAM.Config 0).Subnet}} {{.ConfigFrom.Network}}',
        'fromit',
      ]),
      '10.127.251.0/24 settings',
    );
    assert.match(
      (await engine.docker(['run', '--rm', '--network', 'settings', 'busybox', 'true'])).stderr,
      /configuration-only network/,
    );
    assert.match((await engine.docker(['network', 'rm', 'settings'])).stderr, /in use|is being used/i);
    await engine.ok(['rm', '-f', 'plain', 'ports']);
    await engine.ok(['network', 'rm', 'six', 'fromit', 'settings']);
  });
});
