import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openLeases } from './leases.ts';
import { openState } from './state.ts';

test('a lease names objects until it ends, whatever way', async () => {
  using state = openState(':memory:');
  const leases = openLeases(state);
  await assert.rejects(
    leases.withLease('pull', async (lease) => {
      lease.add({ kind: 'blob', key: 'a' });
      lease.add({ kind: 'blob', key: 'a' });
      assert.deepEqual(
        [...leases.refs()].map((node) => ({ ...node })),
        [{ kind: 'blob', key: 'a' }],
      );
      assert.deepEqual(
        leases.list().map(({ purpose, refs }) => ({ purpose, refs })),
        [{ purpose: 'pull', refs: 1 }],
      );
      throw new Error('failed');
    }),
    /failed/,
  );
  assert.deepEqual([...leases.refs()], []);
  assert.equal(state.get<{ n: number }>('SELECT count(*) AS n FROM lease_refs')?.n, 0);
});

test('leases of a process that is gone and expired ones are dropped at start', () => {
  using state = openState(':memory:');
  let now = new Date(1_000);
  const clock = { now: () => now };
  const leases = openLeases(state, { clock });
  leases.create('of the dead').add({ kind: 'blob', key: 'a' });
  leases.create('kept', { expiresAt: new Date(5_000) }).add({ kind: 'blob', key: 'b' });
  leases.create('short', { expiresAt: new Date(2_000) }).add({ kind: 'blob', key: 'c' });
  now = new Date(3_000);
  const after = openLeases(state, { clock });
  assert.deepEqual(
    after.list().map((lease) => lease.purpose),
    ['kept'],
  );
  assert.deepEqual(
    [...after.refs()].map((node) => node.key),
    ['b'],
  );
  now = new Date(5_000);
  assert.equal(after.expire(), 1);
});
