import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../harness/index.ts';
import { berthOnly } from './engines.ts';

const sh = (line: string): readonly string[] => ['sh', '-c', line];

berthOnly('the daemon killed under its containers', (under) => {
  const ok = (...args: readonly string[]): Promise<string> => under.berth.ok(args);

  test('kill -9 and start: running ones run on, log on, are attachable; ended ones have their code', async () => {
    const { berth } = under;
    await ok(
      'run',
      '-d',
      '--name',
      'on',
      '--network',
      'none',
      'busybox',
      ...sh('i=0; while :; do i=$((i+1)); echo $i; sleep 0.1; done'),
    );
    await ok('run', '-d', '--name', 'ends', '--network', 'none', 'busybox', ...sh('sleep 1; echo over; exit 9'));
    await ok('run', '-d', '--name', 'gone', '--rm', '--network', 'none', 'busybox', 'sleep', '1');
    await ok(
      'run',
      '-d',
      '--name',
      'back',
      '--restart',
      'always',
      '--network',
      'none',
      'busybox',
      ...sh('sleep 1; exit 4'),
    );
    await ok('run', '-d', '--name', 'paused', '--network', 'none', 'busybox', 'sleep', '60');
    await ok('pause', 'paused');
    await ok('create', '--name', 'never', '--network', 'none', 'busybox', 'true');
    const pid = await ok('inspect', '-f', '{{.State.Pid}}', 'on');
    await berth.kill9();
    await new Promise((resolve) => setTimeout(resolve, 1500));
    await berth.restart();
    const state = (name: string): Promise<string> => ok('inspect', '-f', '{{.State.Status}} {{.State.ExitCode}}', name);
    assert.equal(await ok('inspect', '-f', '{{.State.Status}} {{.State.Pid}}', 'on'), `running ${pid}`);
    assert.equal(await state('ends'), 'exited 9');
    assert.equal(await ok('logs', 'ends'), 'over');
    assert.equal(await state('never'), 'created 0');
    assert.equal(await state('paused'), 'paused 0');
    await ok('unpause', 'paused');
    assert.equal(await ok('exec', 'paused', 'echo', 'alive'), 'alive');
    await eventually('--rm acts late', async () => (await berth.docker(['inspect', 'gone'])).code === 1);
    await eventually('the policy acts', async () => (await state('back')).startsWith('running'));
    const numbers = (await ok('logs', 'on')).split('\n').map(Number);
    assert.ok(numbers.length > 12 && numbers.every((n, i) => n === i + 1), 'no line is missing');
    const tail = berth.spawn(['attach', '--no-stdin', '--sig-proxy=false', 'on']);
    await new Promise((resolve) => tail.stdout.once('data', resolve));
    tail.kill('SIGKILL');
    await ok('rm', '-f', 'on', 'ends', 'back', 'paused', 'never');
  });

  test('SIGTERM stops containers; unless-stopped comes back, one stopped by hand does not', async () => {
    const { berth } = under;
    const line = 'trap "exit 0" TERM; while :; do sleep 0.05; done';
    await ok(
      'run',
      '-d',
      '--name',
      'keeps',
      '--restart',
      'unless-stopped',
      '--network',
      'none',
      'busybox',
      ...sh(line),
    );
    await ok(
      'run',
      '-d',
      '--name',
      'rests',
      '--restart',
      'unless-stopped',
      '--network',
      'none',
      'busybox',
      ...sh(line),
    );
    await ok('run', '-d', '--name', 'plain', '--network', 'none', 'busybox', ...sh(line));
    await ok('stop', 'rests');
    assert.equal(await berth.stop(), 0);
    await berth.restart();
    await eventually('it is back', async () => (await ok('ps', '--format', '{{.Names}}')) === 'keeps');
    assert.equal(await ok('inspect', '-f', '{{.State.Status}} {{.State.ExitCode}}', 'plain'), 'exited 0');
    await ok('rm', '-f', 'keeps', 'rests', 'plain');
  });

  test('events of before are remembered', async () => {
    const since = Date.now() / 1000;
    await ok('create', '--name', 'noted', '--network', 'none', 'busybox', 'true');
    await under.berth.kill9();
    await under.berth.restart();
    const events = await ok(
      'events',
      '--since',
      since.toFixed(3),
      '--until',
      (Date.now() / 1000).toFixed(3),
      '--format',
      '{{.Action}} {{.Actor.Attributes.name}}',
    );
    assert.match(events, /^create noted$/m);
    await ok('rm', 'noted');
  });
});
