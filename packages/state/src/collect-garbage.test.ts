import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { collectGarbage } from './collect-garbage.ts';
import type { Collectable, NodeRef } from './collectable.ts';
import { type Leases, openLeases } from './leases.ts';
import { openState } from './state.ts';

const KIND = 'thing';
const ref = (key: string): NodeRef => ({ kind: KIND, key });

/** A heap of nodes that remembers the order in which they went. */
const heap = (nodes: Record<string, readonly string[]>, roots: Set<string>) => {
  const alive = new Map(Object.entries(nodes));
  const gone: string[] = [];
  const collectable: Collectable = {
    kind: KIND,
    list: () => [...alive.keys()],
    roots: () => [...roots].map(ref),
    references: async (key) => (alive.get(key) ?? []).map(ref),
    remove: async (key) => {
      alive.delete(key);
      gone.push(key);
      await turn();
      return 10;
    },
    size: () => 10,
  };
  return { alive, gone, collectable };
};

const withLeases = async (work: (leases: Leases) => Promise<void>): Promise<void> => {
  using state = openState(':memory:');
  await work(openLeases(state));
};

test('what no root and no lease reaches is removed, referrers first', () =>
  withLeases(async (leases) => {
    const { alive, gone, collectable } = heap(
      { image: ['manifest'], manifest: ['layer'], layer: [], c: ['b'], b: ['a'], a: [], leased: ['below'], below: [] },
      new Set(['image']),
    );
    using lease = leases.create('test');
    lease.add(ref('leased'));
    const dry = await collectGarbage([collectable], { leases, dryRun: true });
    assert.equal(gone.length, 0);
    assert.equal(dry.bytes, 30);
    const result = await collectGarbage([collectable], { leases });
    assert.deepEqual(gone, ['c', 'b', 'a']);
    assert.deepEqual(result, { removed: dry.removed, bytes: 30, failed: [] });
    assert.deepEqual([...alive.keys()], ['image', 'manifest', 'layer', 'leased', 'below']);
  }));

test('an object leased, used and let go during the collection survives it', () =>
  withLeases(async (leases) => {
    const roots = new Set<string>();
    const { alive, collectable } = heap({ a: [], b: ['c'], c: [], d: [] }, roots);
    const stop = leases.watch(() => undefined);
    let first = true;
    const remove: Collectable['remove'] = async (key) => {
      if (first) {
        first = false;
        const others = ['b', 'd'].filter((other) => other !== key);
        await leases.withLease('pull', async (lease) => {
          for (const other of others) lease.add(ref(other));
          for (const other of others) roots.add(other);
          await turn();
        });
        alive.set('new', []);
      }
      return collectable.remove(key);
    };
    await collectGarbage([{ ...collectable, remove }], { leases });
    stop[Symbol.dispose]();
    assert.equal(leases.list().length, 0);
    for (const root of roots) assert.ok(alive.has(root), root);
    assert.equal(alive.has('c'), roots.has('b'));
    assert.ok(alive.has('new'), 'what came later is no candidate');
  }));

test('a root that appears without a lease is seen before the next removal', () =>
  withLeases(async (leases) => {
    const roots = new Set<string>();
    const { alive, collectable } = heap({ a: [], b: [], c: [] }, roots);
    const remove: Collectable['remove'] = async (key) => {
      if (roots.size === 0) for (const other of ['a', 'b', 'c']) if (other !== key) roots.add(other);
      return collectable.remove(key);
    };
    const { removed } = await collectGarbage([{ ...collectable, remove }], { leases });
    assert.equal(removed.length, 1);
    assert.deepEqual([...alive.keys()].sort(), [...roots].sort());
  }));

test('a node that cannot be removed is reported and does not stop the others', () =>
  withLeases(async (leases) => {
    const { alive, collectable } = heap({ a: [], b: [], c: [] }, new Set());
    const remove: Collectable['remove'] = (key) =>
      key === 'b' ? Promise.reject(new Error('busy')) : collectable.remove(key);
    const { removed, failed } = await collectGarbage([{ ...collectable, remove }], { leases });
    assert.equal(removed.length, 2);
    assert.deepEqual(
      failed.map(({ node }) => node.key),
      ['b'],
    );
    assert.deepEqual([...alive.keys()], ['b']);
  }));

test('a fired signal stops the collection', () =>
  withLeases(async (leases) => {
    const { collectable } = heap({ a: [] }, new Set());
    await assert.rejects(collectGarbage([collectable], { leases, signal: AbortSignal.abort() }), { kind: 'cancelled' });
  }));

test('any graph: the reachable stay, the rest goes, nobody before its referrers (cycles aside)', async () => {
  const graph = fc.array(fc.array(fc.nat(14), { maxLength: 4 }), { minLength: 1, maxLength: 15 });
  await fc.assert(
    fc.asyncProperty(graph, fc.array(fc.nat(14), { maxLength: 4 }), (edges, rootNumbers) =>
      withLeases(async (leases) => {
        // edges only point to lower numbers: no cycles
        const nodes = Object.fromEntries(edges.map((to, i) => [`n${i}`, to.filter((t) => t < i).map((t) => `n${t}`)]));
        const roots = new Set(rootNumbers.filter((n) => n < edges.length).map((n) => `n${n}`));
        const reachable = new Set(roots);
        for (const key of reachable) for (const to of nodes[key] ?? []) reachable.add(to);
        const { alive, gone, collectable } = heap(nodes, roots);
        await collectGarbage([collectable], { leases });
        assert.deepEqual([...alive.keys()].sort(), [...reachable].sort());
        for (const [index, key] of gone.entries())
          for (const to of nodes[key] ?? []) assert.ok(!gone.slice(0, index).includes(to), `${to} went before ${key}`);
      }),
    ),
    { numRuns: 60 },
  );
});

test('among some nodes only those and what they refer to are removed', () =>
  withLeases(async (leases) => {
    const nodes = { a: ['shared', 'own'], b: ['shared'], own: ['below'], below: [], shared: [], stray: [] };
    const { alive, collectable } = heap(nodes, new Set(['b']));
    const { removed } = await collectGarbage([collectable], { leases, among: [ref('a'), ref('never was')] });
    assert.deepEqual(
      removed.map(({ key }) => key),
      ['a', 'own', 'below'],
    );
    assert.deepEqual([...alive.keys()], ['b', 'shared', 'stray']);
  }));

test('what depends on a dead node goes with it, and before it', () =>
  withLeases(async (leases) => {
    const nodes = { a: [], 'on a': ['a'], 'on that': ['on a'], b: [], 'on b': ['b'], root: ['on b'] };
    const { alive, gone, collectable } = heap(nodes, new Set(['root']));
    const dependents = (key: string): readonly string[] =>
      Object.entries(nodes).flatMap(([name, to]) => (to.some((each) => each === key) ? [name] : []));
    const { removed, failed } = await collectGarbage([{ ...collectable, dependents }], {
      leases,
      among: [ref('a'), ref('b')],
    });
    assert.deepEqual([removed.length, failed], [3, []]);
    assert.deepEqual(gone, ['on that', 'on a', 'a']);
    assert.deepEqual([...alive.keys()], ['b', 'on b', 'root']);
  }));

test('roots are asked again only when something was written', () =>
  withLeases(async (leases) => {
    const roots = new Set(['z']);
    const { alive, collectable } = heap({ a: [], b: [], c: [], z: [] }, roots);
    let version = 0;
    let asked = 0;
    const counting: Collectable = {
      ...collectable,
      roots: () => {
        asked++;
        return collectable.roots();
      },
      remove: async (key) => {
        version++;
        const freed = await collectable.remove(key);
        if (alive.size === 2) {
          // somebody else's write: what it makes live must be spared
          version++;
          roots.add([...alive.keys()].find((each) => each !== 'z') ?? '');
        }
        return freed;
      },
    };
    await collectGarbage([counting], { leases, version: () => version });
    assert.equal(alive.size, 2);
    assert.ok(asked <= 4, `asked ${asked} times`);
  }));
