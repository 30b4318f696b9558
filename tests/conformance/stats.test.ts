import assert from 'node:assert/strict';
import { request } from 'node:http';
import { test } from 'node:test';
import { conformance } from './engines.ts';

interface Cpu {
  readonly cpu_usage: { readonly total_usage: number };
  readonly system_cpu_usage?: number;
  readonly online_cpus?: number;
}

type Stats = Readonly<Record<string, unknown>> & {
  readonly read: string;
  readonly preread: string;
  readonly cpu_stats: Cpu;
  readonly precpu_stats: Cpu;
  readonly memory_stats: { readonly stats?: Readonly<Record<string, number>>; readonly limit?: number };
  readonly blkio_stats: Readonly<Record<string, readonly object[] | null>>;
};

const NEVER = '0001-01-01T00:00:00Z';

/** The first readings of a stream. */
function readings(socketPath: string, path: string, count: number): Promise<readonly Stats[]> {
  const { promise, resolve, reject } = Promise.withResolvers<readonly Stats[]>();
  const asked = request({ socketPath, path }, (answer) => {
    let text = '';
    answer.on('error', () => undefined);
    answer.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      const lines = text.split('\n');
      if (lines.length <= count) return;
      asked.destroy();
      resolve(lines.slice(0, count).map((line) => JSON.parse(line) as Stats));
    });
  });
  asked.on('error', reject).end();
  return promise;
}

conformance('stats', (under) => {
  test('a reading with the one before it, a single one, a stream; of what does not run', async () => {
    const { engine } = under;
    const once = async (name: string, query: string): Promise<Stats> =>
      (await engine.api('GET', `/v1.41/containers/${name}/stats?${query}`)).json() as Stats;
    const box = ['--network', 'none', '-m', '64m', '--pids-limit', '50', 'busybox', 'sleep', '1000'];
    await engine.ok(['run', '-d', '--name', 'measured', ...box]);
    await engine.ok(['create', '--name', 'idle', ...box]);

    const whole = await once('measured', 'stream=false');
    const { stats = {}, limit } = whole.memory_stats;
    assert.equal(limit, 64 << 20);
    assert.deepEqual((whole['pids_stats'] as { limit?: number }).limit, 50);
    assert.equal(Object.keys(stats).length, 'anon' in stats ? 31 : 32);
    assert.equal(whole['name'], '/measured');
    assert.notEqual(whole.preread, NEVER);
    assert.ok((whole.cpu_stats.system_cpu_usage ?? 0) > (whole.precpu_stats.system_cpu_usage ?? 0));
    assert.ok((whole.cpu_stats.online_cpus ?? 0) >= 1);
    assert.ok(whole.cpu_stats.cpu_usage.total_usage >= whole.precpu_stats.cpu_usage.total_usage);
    assert.deepEqual(whole.blkio_stats['io_merged_recursive'], 'anon' in stats ? null : []);
    assert.ok(!('networks' in whole));

    const single = await once('measured', 'stream=false&one-shot=true');
    assert.equal(single.preread, NEVER);
    assert.equal(single.precpu_stats.system_cpu_usage, undefined);
    assert.ok((single.cpu_stats.online_cpus ?? 0) >= 1 && single['name'] === '/measured');
    assert.deepEqual(Object.keys(single.memory_stats.stats ?? {}), Object.keys(stats));

    const both = await engine.api('GET', '/v1.41/containers/measured/stats?stream=true&one-shot=true');
    assert.equal(both.status, 400);
    assert.deepEqual(both.json(), { message: 'cannot have stream=true and one-shot=true' });

    const [first, second] = await readings(engine.socket, '/v1.41/containers/measured/stats', 2);
    assert.equal(first?.preread, NEVER);
    assert.equal(second?.preread, first?.read);
    assert.deepEqual(second?.precpu_stats, first?.cpu_stats);

    const idle = await once('idle', 'stream=false');
    assert.deepEqual([idle.read, idle['name'], idle.memory_stats], [NEVER, '/idle', {}]);
    assert.equal(idle.blkio_stats['io_service_bytes_recursive'], null);
  });

  test('the interfaces of the host are not the container’s', async () => {
    const { engine } = under;
    await engine.ok(['run', '-d', '--name', 'hosted', '--network', 'host', 'busybox', 'sleep', '1000']);
    const answer = await engine.api('GET', '/v1.41/containers/hosted/stats?stream=false&one-shot=true');
    assert.ok(!('networks' in (answer.json() as Stats)));
  });
});
