import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../harness/index.ts';
import { berthOnly } from './engines.ts';

const LABEL = ['--label', 'berth.restart-unhealthy=true'];
const CHECK = ['--health-interval', '100ms', '--health-retries', '1', '--health-timeout', '10s'];

berthOnly('containers that are not healthy', (under) => {
  const ok = (...args: readonly string[]): Promise<string> => under.engine.ok(args);
  const start = async (name: string, check: string, ...flags: readonly string[]): Promise<void> => {
    await ok(
      'run',
      '-d',
      '--name',
      name,
      '--network',
      'none',
      '--stop-signal',
      'KILL',
      ...CHECK,
      '--health-cmd',
      check,
      ...flags,
      'busybox',
      'sleep',
      '1000',
    ); // prettier-ignore
  };
  const state = (name: string): Promise<string> =>
    ok('inspect', '-f', '{{.State.Health.Status}} {{.RestartCount}}', name); // prettier-ignore
  const events = async (
    name: string,
    seconds: number,
  ): Promise<
    readonly {
      readonly Action: string;
      readonly timeNano: number;
      readonly Actor: { readonly Attributes: Readonly<Record<string, string>> };
    }[]
  > => {
    const now = Math.floor(Date.now() / 1000);
    const text = await ok(
      'events',
      '--since',
      String(now - seconds),
      '--until',
      String(now + 1),
      '--filter',
      `container=${name}`,
      '--format',
      '{{json .}}',
    ); // prettier-ignore
    return text.split('\n').map((line) => JSON.parse(line));
  };

  test('with the label it is restarted, and said so', async () => {
    await start('sick', 'test ! -e /dev/shm/sick', ...LABEL);
    await eventually('it is healthy', async () => (await state('sick')) === 'healthy 0');
    await ok('exec', 'sick', 'touch', '/dev/shm/sick');
    await eventually('it is healthy again after a restart', async () => (await state('sick')) === 'healthy 1');
    const seen = (await events('sick', 60)).map(({ Action }) => Action).filter((action) => !action.startsWith('exec_'));
    const from = seen.indexOf('health_status: unhealthy');
    assert.deepEqual(seen.slice(from, from + 7), [
      'health_status: unhealthy',
      'kill',
      'die',
      'stop',
      'start',
      'restart',
      'health_status: healthy',
    ]); // prettier-ignore
    const restart = (await events('sick', 60)).find(({ Action }) => Action === 'restart');
    assert.equal(restart?.Actor.Attributes['reason'], 'unhealthy');
    await ok('rm', '-f', 'sick');
  });

  test('one that never is waits longer each time, and stays down once it is stopped', async () => {
    await start('hopeless', 'false', ...LABEL);
    await eventually('four restarts', async () => (await state('hopeless')) >= 'starting 4');
    await ok('stop', 'hopeless');
    const times = (await events('hopeless', 60))
      .filter(({ Action }) => Action === 'start')
      .map(({ timeNano }) => timeNano / 1e6); // prettier-ignore
    const gaps = times.slice(1).map((time, at) => time - (times[at] ?? 0));
    // After the first, which comes at once, each has its delay on top of the time that a probe and a restart take.
    for (const [at, gap] of gaps.slice(1, 4).entries()) assert.ok(gap > 100 * 2 ** at, `${gaps}`);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    assert.equal(await ok('inspect', '-f', '{{.State.Status}}', 'hopeless'), 'exited');
    await ok('rm', 'hopeless');
  });

  test('without the label it is left alone; a killed daemon does not forget one that has it', async () => {
    await start('left', 'false');
    await start('kept', 'test ! -e /dev/shm/sick', ...LABEL);
    await eventually('it is unhealthy', async () => (await state('left')) === 'unhealthy 0');
    await eventually('it is healthy', async () => (await state('kept')) === 'healthy 0');
    await under.berth.kill9();
    await under.berth.restart();
    await ok('exec', 'kept', 'touch', '/dev/shm/sick');
    await eventually('it is healthy again after a restart', async () => (await state('kept')) === 'healthy 1');
    assert.equal(await state('left'), 'unhealthy 0');
    await ok('rm', '-f', 'left', 'kept');
  });
});
