import assert from 'node:assert/strict';
import { statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { mock, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { createLogger, createSystemClock } from '@berth/base';
import type { EvictOptions } from '@berth/images';
import { createWatermark } from './watermark.ts';

const MINUTE = 60_000;
const now = new Date('2026-01-02T00:00:00Z');

/** A watermark whose images are never there, with what was asked of them. */
function watching(settings: Parameters<typeof createWatermark>[0]['settings']) {
  const asked: EvictOptions[] = [];
  const images = {
    evict: async (options: EvictOptions) => {
      asked.push(options);
      return [];
    },
  };
  const clock = { ...createSystemClock(), now: () => now };
  const logger = createLogger({ level: 'error' });
  return { asked, watermark: createWatermark({ settings, dataRoot: tmpdir(), images, clock, logger }) };
}

/** A minute passes, and then as long as the real look at the disk takes. */
async function aMinute(until: () => boolean = () => false): Promise<void> {
  mock.timers.tick(MINUTE);
  for (let turns = 0; turns < 10_000 && !until(); turns++)
    if (turns % 100 === 0) await statfs(tmpdir());
    else await turn();
}

test('it looks at the disk every minute, and only removes above the upper mark, down to the lower', async () => {
  const { blocks, bavail, bfree } = await statfs(tmpdir());
  const full = 100 * (1 - bavail / (blocks - bfree + bavail));
  mock.timers.enable({ apis: ['setInterval'] });
  try {
    const quiet = watching({ high: Math.min(99.9, full + 5), low: Math.min(99, full + 2), minAgeMs: 0 });
    const off = watching(undefined);
    const busy = watching({ high: full / 2, low: full / 4, minAgeMs: 3_600_000 });
    await aMinute(() => busy.asked.length > 0);
    assert.deepEqual([quiet.asked.length, off.asked.length, busy.asked.length], [0, 0, 1]);
    const [first] = busy.asked;
    assert.equal(first?.dryRun, false);
    assert.equal(first?.unusedSince?.getTime(), now.getTime() - 3_600_000);
    assert.ok((first?.bytes ?? 0) > 0);
    await aMinute(() => busy.asked.length > 1);
    assert.equal(busy.asked.length, 2);
    await busy.watermark[Symbol.asyncDispose]();
    await aMinute();
    assert.equal(busy.asked.length, 2, 'no more after its end');
    await off.watermark.run({ remove: false });
    assert.deepEqual([off.asked[0]?.bytes, off.asked[0]?.dryRun], [Number.POSITIVE_INFINITY, true]);
    await quiet.watermark[Symbol.asyncDispose]();
    await off.watermark[Symbol.asyncDispose]();
  } finally {
    mock.timers.reset();
  }
});
