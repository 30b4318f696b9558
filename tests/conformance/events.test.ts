import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../harness/index.ts';
import { conformance } from './engines.ts';

interface Event {
  readonly Type: string;
  readonly Action: string;
  readonly Actor: { readonly ID: string; readonly Attributes: Readonly<Record<string, string>> };
  readonly time: number;
  readonly timeNano: number;
  readonly status?: string;
  readonly id?: string;
  readonly from?: string;
  readonly scope?: string;
}

conformance('docker events', (under) => {
  const now = async (): Promise<number> => Date.now() / 1000;
  const past = async (since: number, filters: object): Promise<readonly Event[]> => {
    const query = `since=${since.toFixed(3)}&until=${((await now()) + 0.05).toFixed(3)}&filters=${encodeURIComponent(JSON.stringify(filters))}`;
    const answer = await under.engine.api('GET', `/v1.41/events?${query}`);
    assert.equal(answer.status, 200, answer.body.toString());
    return answer.body
      .toString()
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Event);
  };

  test('a container’s life in order, with its attributes', async () => {
    const { engine } = under;
    const since = await now();
    await engine
      .ok(['run', '--name', 'ev', '--label', 'team=x', '--network', 'none', 'busybox', 'sh', '-c', 'exit 3'])
      .catch(() => undefined);
    await engine.ok(['rename', 'ev', 'ev2']);
    await engine.ok(['rm', 'ev2']);
    const events = await past(since, { type: ['container'] });
    assert.deepEqual(
      events.map((e) => e.Action),
      ['create', 'attach', 'start', 'die', 'rename', 'destroy'],
    );
    const die = events.find((e) => e.Action === 'die');
    const { execDuration: _late, ...attributes } = die?.Actor.Attributes ?? {};
    assert.deepEqual(attributes, { exitCode: '3', image: 'busybox', name: 'ev', team: 'x' });
    assert.deepEqual(events.at(-2)?.Actor.Attributes, { image: 'busybox', name: 'ev2', oldName: '/ev', team: 'x' });
    assert.deepEqual([die?.status, die?.id, die?.from, die?.scope], ['die', die?.Actor.ID, 'busybox', 'local']);
    assert.ok(Math.floor((die?.timeNano ?? 0) / 1e9) === die?.time);
  });

  test('exec, pause, kill, stop, volumes', async () => {
    const { engine } = under;
    const since = await now();
    await engine.ok(['run', '-d', '--name', 'busy', '--network', 'none', '-v', 'evol:/v', 'busybox', 'sleep', '60']);
    await engine.ok(['exec', 'busy', 'true']);
    await engine.ok(['pause', 'busy']);
    await engine.ok(['unpause', 'busy']);
    await engine.ok(['stop', '-t', '0', 'busy']);
    await engine.ok(['rm', 'busy']);
    await engine.ok(['volume', 'rm', 'evol']);
    const actions = (await past(since, { container: ['busy'] })).map((e) => e.Action.trim());
    for (const wanted of [
      'create',
      'start',
      'exec_create: true',
      'exec_start: true',
      'exec_die',
      'pause',
      'unpause',
      'kill',
      'die',
      'stop',
      'destroy',
    ])
      assert.ok(actions.includes(wanted), `${wanted} in ${actions.join(', ')}`);
    const volume = (await past(since, { type: ['volume'] })).map((e) => e.Action);
    for (const wanted of ['create', 'mount', 'unmount', 'destroy'])
      assert.ok(volume.includes(wanted), `${wanted} in ${volume.join(', ')}`);
    assert.deepEqual(
      (await past(since, { event: ['pause'] })).map((e) => e.Action),
      ['pause'],
    );
    assert.deepEqual(await past(since, { label: ['nosuch'] }), []);
  });

  test('live events arrive at once, and the stream ends at --until', async () => {
    const { engine } = under;
    const child = engine.spawn([
      'events',
      '--filter',
      'type=container',
      '--format',
      '{{.Action}} {{.Actor.Attributes.name}}',
    ]);
    let out = '';
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk;
    });
    await new Promise((resolve) => setTimeout(resolve, 500));
    await engine.ok(['create', '--name', 'live', '--network', 'none', 'busybox', 'true']);
    await eventually('create', () => out.includes('create live'), 3000);
    await engine.ok(['rm', 'live']);
    await eventually('destroy', () => out.includes('destroy live'), 3000);
    child.kill('SIGTERM');
    const ended = await engine.docker(['events', '--until', '1s'], { timeoutMs: 8000 });
    assert.ok(!ended.timedOut);
  });

  test('refused: until before since, broken filters', async () => {
    const { engine } = under;
    for (const query of ['since=200&until=100', 'filters=%7Bbroken']) {
      const { status, body } = await engine.api('GET', `/events?${query}`);
      assert.ok(status === 400 || (engine.name === 'dockerd' && status === 500), `${query}: ${status} ${body}`);
    }
  });
});
