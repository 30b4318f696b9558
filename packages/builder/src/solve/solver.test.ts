import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { type Vertex, vertex } from '../graph/vertex.ts';
import type { CacheKey } from './build-op.ts';
import { combineKey, inputParts } from './cache-key.ts';
import { type Outcome, type SolveCache, Solver } from './solver.ts';

interface Fake {
  readonly name: string;
  readonly fails?: boolean;
}

class MemoryCache implements SolveCache<string> {
  readonly results = new Map<string, string>();
  readonly parts = new Map<string, Readonly<Record<string, string>>>();
  find = async (key: CacheKey) => this.results.get(key.digest);
  async save(key: CacheKey, digest: string, _name: string, result: string): Promise<void> {
    this.results.set(key.digest, result);
    this.parts.set(digest, key.parts);
  }
  lastParts = (digest: string) => this.parts.get(digest);
}

const node = (name: string, ...inputs: Vertex<Fake>[]): Vertex<Fake> => vertex({ name }, inputs, name);

function solve(
  root: Vertex<Fake>,
  cache: MemoryCache,
  options: { content?: string; noCache?: boolean; concurrency?: number } = {},
) {
  const ran: string[] = [];
  const outcomes = new Map<string, Outcome>();
  let busy = 0;
  const seen = { most: 0 };
  const solver = new Solver<Fake, string>({
    signal: undefined,
    cache,
    noCache: options.noCache ?? false,
    concurrency: options.concurrency ?? 8,
    opFor: ({ op }) => ({
      cacheKey: async (inputs) =>
        combineKey({ definition: op.name, content: options.content ?? '', ...inputParts(inputs.map((i) => i.key)) }),
      async run(inputs) {
        busy++;
        seen.most = Math.max(seen.most, busy);
        await setTimeout(5);
        busy--;
        if (op.fails) throw new Error(`${op.name} failed`);
        ran.push(op.name);
        return `${op.name}(${inputs.join(',')})`;
      },
    }),
    progress: () => ({ running: () => undefined, output: () => undefined, removed: () => undefined }),
    onOutcome: (at, outcome) => outcomes.set(at.name, outcome),
    onFailure: (_at, error) => error,
  });
  return solver.solve(root).then((result) => ({ result, ran, outcomes, most: seen.most }));
}

const diamond = (): Vertex<Fake> => {
  const base = node('base');
  return node('top', node('left', base), node('right', base));
};

test('each vertex runs once, independent ones at the same time', async () => {
  const { result, ran, most } = await solve(diamond(), new MemoryCache());
  assert.equal(result, 'top(left(base()),right(base()))');
  assert.deepEqual([...ran].sort(), ['base', 'left', 'right', 'top']);
  assert.equal(most, 2);
  assert.equal((await solve(diamond(), new MemoryCache(), { concurrency: 1 })).most, 1);
});

test('a vertex in the cache needs none of its inputs', async () => {
  const cache = new MemoryCache();
  await solve(diamond(), cache);
  const again = await solve(diamond(), cache);
  assert.deepEqual(again.ran, []);
  assert.equal(again.outcomes.get('top')?.state, 'cached');
  assert.equal(again.outcomes.get('base')?.state, 'skipped');
  assert.equal(again.outcomes.size, 4);
});

test('a miss is explained', async () => {
  const cache = new MemoryCache();
  await solve(node('a'), cache, { content: '1' });
  const changed = await solve(node('a'), cache, { content: '2' });
  assert.equal(changed.outcomes.get('a')?.explanation.reason, 'the files it copies changed');
  const fresh = await solve(node('b'), cache);
  assert.equal(fresh.outcomes.get('b')?.explanation.reason, 'this step was never built');
  cache.results.clear();
  const gone = await solve(node('a'), cache, { content: '2' });
  assert.equal(gone.outcomes.get('a')?.explanation.reason, 'its result is no longer stored');
});

test('no cache: looked up never, stored always', async () => {
  const cache = new MemoryCache();
  await solve(node('a'), cache);
  assert.deepEqual((await solve(node('a'), cache, { noCache: true })).ran, ['a']);
  assert.equal(cache.results.size, 1);
});

test('a failure reaches the caller and stores nothing', async () => {
  const cache = new MemoryCache();
  const bad = vertex<Fake>({ name: 'bad', fails: true }, [node('a')], 'bad');
  await assert.rejects(solve(node('top', bad), cache), /bad failed/);
  assert.equal(cache.results.size, 1);
});
