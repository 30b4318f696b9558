import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../harness/index.ts';
import { conformance } from './engines.ts';

const sh = (line: string): readonly string[] => ['sh', '-c', line];
const UNTIL_TERM = 'trap "echo bye; exit 3" TERM; echo up; while :; do sleep 0.05; done';

conformance('container lifecycle', (under) => {
  const ok = (...args: readonly string[]): Promise<string> => under.engine.ok(args);
  const fails = async (...args: readonly string[]): Promise<string> => {
    const ran = await under.engine.docker(args);
    assert.notEqual(ran.code, 0, `${args.join(' ')} should have failed`);
    return ran.stderr;
  };
  const state = (name: string): Promise<string> => ok('inspect', '-f', '{{.State.Status}} {{.State.ExitCode}}', name);
  const status = (method: string, path: string): Promise<number> =>
    under.engine.api(method, path).then((a) => a.status);

  test('create, start, stop, start again: file changes and settings stay', async () => {
    await ok(
      'create',
      '--name',
      'life',
      '--network',
      'none',
      '-e',
      'X=1',
      'busybox',
      ...sh(`echo run >> /runs; ${UNTIL_TERM}`),
    );
    assert.equal(await state('life'), 'created 0');
    assert.equal(await ok('start', 'life'), 'life');
    assert.equal(await status('POST', '/containers/life/start'), 304);
    await eventually('up', async () => (await ok('logs', 'life')) === 'up');
    await ok('stop', 'life');
    assert.equal(await state('life'), 'exited 3');
    assert.equal(await status('POST', '/containers/life/stop'), 304);
    assert.equal(await ok('logs', 'life'), 'up\nbye');
    await ok('restart', 'life');
    assert.match(await state('life'), /^running/);
    assert.equal(await ok('exec', 'life', ...sh('wc -l < /runs; echo $X')), '2\n1');
  });

  test('stop: SIGKILL after the timeout; --stop-signal; --stop-timeout', async () => {
    await ok(
      'run',
      '-d',
      '--name',
      'deaf',
      '--network',
      'none',
      'busybox',
      ...sh('trap "" TERM; sleep 60 & wait; sleep 60'),
    );
    const began = performance.now();
    await ok('stop', '-t', '1', 'deaf');
    assert.ok(performance.now() - began > 900);
    assert.equal(await state('deaf'), 'exited 137');
    await ok(
      'run',
      '-d',
      '--name',
      'usr',
      '--network',
      'none',
      '--stop-signal',
      'USR1',
      'busybox',
      ...sh('trap "exit 5" USR1; while :; do sleep 0.05; done'),
    );
    await new Promise((resolve) => setTimeout(resolve, 200));
    await ok('stop', 'usr');
    assert.equal(await state('usr'), 'exited 5');
    await ok('rm', 'usr', 'deaf');
  });

  test('kill: any signal, unknown ones refused', async () => {
    assert.match(await fails('kill', '-s', 'BOGUS', 'life'), /nvalid signal: BOGUS/);
    await ok('kill', '-s', '15', 'life');
    await eventually('exit', async () => (await state('life')) === 'exited 3');
    assert.match(await fails('kill', 'life'), /cannot kill container: life: container [0-9a-f]{64} is not running/i);
    await ok('start', 'life');
    await ok('kill', 'life');
    assert.equal(await state('life'), 'exited 137');
  });

  test('wait, before and after the end, and for several', async () => {
    await ok('run', '-d', '--name', 'short', '--network', 'none', 'busybox', ...sh('sleep 0.4; exit 11'));
    assert.equal(await ok('wait', 'short', 'life'), '11\n137');
    assert.equal(await ok('wait', 'short'), '11');
    // dockerd 20.10 answers before it looks at the condition.
    if (under.engine.name === 'berthd')
      assert.equal(await status('POST', '/containers/short/wait?condition=bogus'), 400);
  });

  test('pause and unpause', async () => {
    await ok('start', 'life');
    await ok('pause', 'life');
    assert.match(await ok('ps', '--format', '{{.Status}}'), /\(Paused\)$/);
    assert.match(await fails('pause', 'life'), /Container [0-9a-f]{64} is already paused/);
    assert.match(await fails('exec', 'life', 'true'), /is paused, unpause the container before exec/);
    assert.match(await fails('start', 'life'), /cannot start a paused container, try unpause instead/i);
    await ok('unpause', 'life');
    assert.match(await fails('unpause', 'life'), /Container [0-9a-f]{64} is not paused/);
    await ok('pause', 'life');
    await ok('stop', '-t', '2', 'life');
    assert.match(await state('life'), /^exited/);
  });

  test('rename: the new name counts, the old one is free', async () => {
    await ok('rename', 'life', 'renamed');
    assert.match(await fails('inspect', 'life'), /No such (object|container): life/i);
    assert.equal(await ok('inspect', '-f', '{{.Name}}', 'renamed'), '/renamed');
    assert.match(
      await fails('rename', 'renamed', 'renamed'),
      /Renaming a container with the same name as its current name/,
    );
    assert.match(
      await fails('rename', 'renamed', 'a b'),
      /Error when allocating new name: Invalid container name \(\/a b\)/,
    );
    assert.match(
      await fails('rename', 'renamed', 'short'),
      /Conflict\. The container name "\/short" is already in use by container "[0-9a-f]{64}"/,
    );
    assert.match(
      await fails('create', '--name', 'short', 'busybox', 'true'),
      /You have to remove \(or rename\) that container to be able to reuse that name/,
    );
  });

  test('rm: running ones only with -f, unknown ones never', async () => {
    await ok('start', 'renamed');
    assert.match(
      await fails('rm', 'renamed'),
      /(running container|container is running).*before (attempting )?removal or force remove/i,
    );
    await ok('rm', '-f', 'renamed');
    assert.match(await fails('rm', 'renamed'), /No such container: renamed/);
    assert.equal(await status('DELETE', '/containers/renamed'), 404);
  });

  test('unknown names are 404 for every verb', async () => {
    for (const [method, path] of [
      ['GET', 'json'],
      ['GET', 'logs?stdout=1'],
      ['GET', 'top'],
      ['GET', 'changes'],
      ['GET', 'export'],
      ['GET', 'stats?stream=0'],
      ['POST', 'start'],
      ['POST', 'stop'],
      ['POST', 'restart'],
      ['POST', 'kill'],
      ['POST', 'pause'],
      ['POST', 'unpause'],
      ['POST', 'rename?name=x'],
      ['POST', 'wait'],
      ['POST', 'resize?h=1&w=1'],
      ['POST', 'attach?stream=1'],
    ] as const) {
      // prettier-ignore
      const answer = await under.engine.api(method, `/containers/nosuch/${path}`);
      assert.equal(answer.status, 404, `${method} ${path}`);
      assert.match(answer.body.toString(), /No such container: nosuch/);
    }
  });

  test('ps: columns and filters', async () => {
    await ok('run', '-d', '--name', 'one', '--label', 'a=b', '--network', 'none', 'busybox', ...sh('sleep 60; true'));
    await ok('create', '--name', 'two', '--label', 'a=c', '--network', 'none', '-v', 'stuff:/stuff', 'busybox', 'true');
    assert.equal(
      await ok('ps', '--no-trunc', '--format', '{{.Names}} {{.Image}} {{.State}} {{.Command}}'),
      'one busybox running "sh -c \'sleep 60; true\'"',
    );
    const names = async (...filters: readonly string[]): Promise<string> =>
      (await ok('ps', '-a', '--format', '{{.Names}}', ...filters.flatMap((f) => ['--filter', f]))).replaceAll(
        '\n',
        ' ',
      );
    assert.equal(await names('label=a'), 'two one');
    assert.equal(await names('label=a=b'), 'one');
    assert.equal(await names('status=created'), 'two');
    assert.equal(await names('status=created', 'status=running'), 'two one');
    assert.equal(await names('exited=11'), 'short');
    assert.equal(await names('name=^on'), 'one');
    assert.equal(await names('volume=stuff'), 'two');
    assert.equal(await names('ancestor=busybox', 'label=a=b'), 'one');
    assert.equal(await names('since=one'), 'two');
    assert.equal(await names('before=one'), 'short');
    assert.equal(await names('network=none', 'health=none', 'name=two'), 'two');
    for (const bad of ['status=bogus', 'bogus=1', 'exited=abc', 'health=bogus', 'is-task=bogus', 'publish=bogus'])
      assert.match(await fails('ps', '--filter', bad), /invalid|Unrecognised/i, bad);
    assert.equal(await ok('ps', '-n', '1', '-q'), (await ok('inspect', '-f', '{{.Id}}', 'two')).slice(0, 12));
  });

  test('top, stats, update', async () => {
    assert.match(await ok('top', 'one', '-o', 'pid,args'), /^PID\s+COMMAND\n\d+\s+sh -c sleep 60; true/);
    const stats = (await under.engine.api('GET', '/v1.41/containers/one/stats?stream=false')).json() as Record<
      string,
      Record<string, number>
    >;
    assert.ok((stats['memory_stats']?.['usage'] ?? 0) > 0 && (stats['pids_stats']?.['current'] ?? 0) >= 1);
    assert.match(await ok('stats', '--no-stream', '--format', '{{.Name}} {{.PIDs}}', 'one'), /^one [12]$/);
    await ok('update', '--memory', '64m', '--memory-swap', '64m', '--restart', 'always', 'one');
    assert.equal(
      await ok('inspect', '-f', '{{.HostConfig.Memory}} {{.HostConfig.RestartPolicy.Name}}', 'one'),
      '67108864 always',
    );
    assert.equal(await ok('exec', 'one', 'cat', '/sys/fs/cgroup/memory/memory.limit_in_bytes'), '67108864');
    assert.match(await fails('update', '--memory', '1m', 'one'), /Minimum memory limit allowed is 6MB/);
    assert.match(await fails('top', 'two'), /ontainer [0-9a-f]{64} is not running/);
    await ok('rm', '-f', 'one', 'two', 'short');
    await ok('volume', 'rm', 'stuff');
  });

  test('restart policies: on-failure counts, always comes back, a user’s stop ends it', async () => {
    await ok('run', '-d', '--name', 'tries', '--restart', 'on-failure:2', '--network', 'none', 'busybox', 'false');
    await ok(
      'run',
      '-d',
      '--name',
      'always',
      '--restart',
      'always',
      '--network',
      'none',
      'busybox',
      ...sh('sleep 0.2'),
    );
    await eventually(
      'two more tries',
      async () => (await ok('inspect', '-f', '{{.State.Status}} {{.RestartCount}}', 'tries')) === 'exited 2',
    );
    await eventually('it comes back', async () => Number(await ok('inspect', '-f', '{{.RestartCount}}', 'always')) > 0);
    await ok('stop', 'always');
    assert.match(await state('always'), /^exited/);
    await new Promise((resolve) => setTimeout(resolve, 500));
    assert.match(await state('always'), /^exited/);
    await ok('rm', 'always', 'tries');
  });

  test('health: starting, healthy, unhealthy, shown by ps and inspect', async () => {
    const flags = [
      '--network',
      'none',
      '--health-cmd',
      'echo checked; test -e /well',
      '--health-interval',
      '200ms',
      '--health-retries',
      '2',
    ];
    await ok('run', '-d', '--name', 'ill', ...flags, 'busybox', 'sleep', '60');
    const health = (): Promise<string> => ok('inspect', '-f', '{{.State.Health.Status}}', 'ill');
    assert.equal(await health(), 'starting');
    await eventually('unhealthy', async () => (await health()) === 'unhealthy');
    assert.equal(
      await ok('ps', '-q', '--no-trunc', '--filter', 'health=unhealthy'),
      await ok('inspect', '-f', '{{.Id}}', 'ill'),
    );
    assert.match(
      await ok(
        'inspect',
        '-f',
        '{{(index .State.Health.Log 0).ExitCode}} {{(index .State.Health.Log 0).Output}}',
        'ill',
      ),
      /^1 checked/,
    );
    await ok('exec', 'ill', 'touch', '/well');
    await eventually('healthy', async () => (await health()) === 'healthy');
    assert.match(await ok('ps', '--format', '{{.Status}}'), /\(healthy\)$/);
    await ok('rm', '-f', 'ill');
  });

  test('volumes and networks: list, create, inspect, remove', async () => {
    assert.equal(await ok('volume', 'create', '--label', 'a=b', 'vol'), 'vol');
    assert.equal(await ok('volume', 'create', 'vol'), 'vol');
    assert.equal(await ok('volume', 'ls', '-q', '--filter', 'label=a=b'), 'vol');
    assert.match(
      await ok('volume', 'inspect', '-f', '{{.Name}} {{.Driver}} {{.Scope}} {{.Mountpoint}}', 'vol'),
      /^vol local local \/.*\/vol\/_data$/,
    );
    await ok('create', '--name', 'user', '--network', 'none', '-v', 'vol:/v', 'busybox', 'true');
    assert.match(await fails('volume', 'rm', 'vol'), /volume is in use - \[[0-9a-f]{64}\]/);
    await ok('rm', 'user');
    await ok('volume', 'rm', 'vol');
    assert.match(await fails('volume', 'rm', 'vol'), /no such volume/i);
    assert.match(await fails('volume', 'create', 'a b'), /includes invalid characters for a local volume name/);
    assert.equal(await ok('network', 'inspect', '-f', '{{.Name}} {{.Driver}} {{.Scope}}', 'none'), 'none null local');
    assert.match(await fails('network', 'rm', 'none'), /none is a pre-defined network and cannot be removed/);
    assert.match(await fails('network', 'inspect', 'nosuch'), /network nosuch not found/i);
  });

  test('prune removes what does not run', async () => {
    await ok('create', '--name', 'gone', '--network', 'none', 'busybox', 'true');
    await ok('run', '-d', '--name', 'stays', '--network', 'none', 'busybox', 'sleep', '60');
    assert.match(await ok('container', 'prune', '-f'), /^Deleted Containers:\n[0-9a-f]{64}\n\nTotal reclaimed space: /);
    assert.equal(await ok('ps', '-a', '--format', '{{.Names}}'), 'stays');
    await ok('rm', '-f', 'stays');
  });

  test('start, stop, kill, pause and rm of one container all at once never hang', async () => {
    for (let round = 0; round < 3; round++) {
      await ok('run', '-d', '--name', 'race', '--network', 'none', 'busybox', 'sleep', '60');
      const verbs = ['stop?t=0', 'start', 'kill', 'restart?t=0', 'pause', 'unpause', 'start', 'stop?t=1', 'kill'];
      const answers = await Promise.all(
        verbs.map((verb) => under.engine.api('POST', `/containers/race/${verb}`, { timeoutMs: 25_000 })),
      );
      for (const { status: code } of answers) assert.ok([204, 304, 404, 409, 500].includes(code), String(code));
      await Promise.all(
        [1, 2, 3].map(() => under.engine.api('DELETE', '/containers/race?force=1', { timeoutMs: 25_000 })),
      );
      assert.equal(await status('GET', '/containers/race/json'), 404);
    }
  });
});
