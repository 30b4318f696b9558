import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Clock, createSystemClock, type EngineEvent, silentLogger } from '@berth/base';
import { openState } from '@berth/state';
import { createEventLog } from './event-log.ts';

const actions = (events: Iterable<EngineEvent>): readonly string[] => [...events].map(({ action }) => action);

test('events reach listeners at once and history later, also after a restart; the oldest are dropped', () => {
  const directory = mkdtempSync(join(process.env['BERTH_TEST_TMP'] ?? '/dev/shm', 'berth-test-events-'));
  let now = 0n;
  const clock: Clock = { ...createSystemClock(), nowNano: () => now };
  const open = (): Disposable & { readonly log: ReturnType<typeof createEventLog> } => {
    const state = openState(join(directory, 'berth.db'));
    return {
      log: createEventLog({ state, clock, logger: silentLogger }),
      [Symbol.dispose]: () => state[Symbol.dispose](),
    };
  };
  try {
    {
      using opened = open();
      const heard: EngineEvent[] = [];
      opened.log.subscribe(() => {
        throw new Error('a bad listener');
      });
      opened.log.subscribe((event) => heard.push(event));
      for (now of [10n, 20n, 30n]) opened.log.emit('container', `at${now}`, 'id', { image: 'x' });
      assert.deepEqual(actions(heard), ['at10', 'at20', 'at30']);
      assert.deepEqual(actions(opened.log.history(15n, 25n)), ['at20']);
    }
    using again = open();
    const [first] = again.log.history(0n, 100n);
    assert.deepEqual(first, {
      type: 'container',
      action: 'at10',
      actor: { id: 'id', attributes: { image: 'x' } },
      timeNano: 10n,
    });
    for (now = 100n; now < 5100n; now++) again.log.emit('image', `n${now}`, 'id');
    const kept = actions(again.log.history(0n, 10_000n));
    assert.ok(kept.length >= 4096 && kept.length <= 4096 + 256, `${kept.length} kept`);
    assert.equal(kept.at(-1), 'n5099');
  } finally {
    rmSync(directory, { recursive: true });
  }
});
