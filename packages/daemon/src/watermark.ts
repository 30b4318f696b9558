import { statfs } from 'node:fs/promises';
import { type CallOptions, type Clock, type Logger, messageOf } from '@berth/base';
import type { EvictedImage, ImageService } from '@berth/images';
import type { WatermarkSettings } from './config.ts';

/** Milliseconds between two looks at the disk. */
const INTERVAL_MS = 60_000;

export interface Watermark extends AsyncDisposable {
  /** What would go if the disk had to be brought down to the lower mark now; with `remove`, what went. */
  run(options: CallOptions & { readonly remove: boolean }): Promise<readonly EvictedImage[]>;
}

/**
 * Removes images that nothing uses, longest unused first, when the data root's file system is fuller than the upper mark,
 * until it is down to the lower one. Without settings it only ever acts when told to.
 */
export function createWatermark(parts: {
  readonly settings: WatermarkSettings | undefined;
  readonly dataRoot: string;
  readonly images: Pick<ImageService, 'evict'>;
  readonly clock: Clock;
  readonly logger: Logger;
}): Watermark {
  const { settings, images, clock, logger } = parts;
  const abort = new AbortController();
  let running: Promise<unknown> = Promise.resolve();

  const above = async (percent: number): Promise<number> => {
    const { blocks, bavail, bfree, bsize } = await statfs(parts.dataRoot);
    // as df counts: what only root may use is neither used nor free
    const total = blocks - bfree + bavail;
    return Math.ceil((total - bavail - (total * percent) / 100) * bsize);
  };
  const evict = async (bytes: number, dryRun: boolean, signal?: AbortSignal): Promise<readonly EvictedImage[]> =>
    await images.evict({
      bytes,
      dryRun,
      unusedSince: new Date(clock.now().getTime() - (settings?.minAgeMs ?? 0)),
      ...(signal ? { signal } : {}),
    });

  const look = async (): Promise<void> => {
    try {
      if (!settings || (await above(settings.high)) <= 0) return;
      const gone = await evict(await above(settings.low), false, abort.signal);
      for (const { id, names, bytes, usedAt } of gone)
        logger.info('removed an image to make room', { id, names, bytes, lastUsed: usedAt.toISOString() });
      if (gone.length === 0) logger.warn('the disk is fuller than the mark and there is no unused image to remove');
    } catch (error) {
      if (!abort.signal.aborted) logger.warn('could not make room', { problem: messageOf(error) });
    }
  };
  const timer = settings
    ? setInterval(() => {
        running = running.then(look);
      }, INTERVAL_MS).unref()
    : undefined;

  return {
    async run({ remove, signal }) {
      const bytes = settings ? await above(settings.low) : Number.POSITIVE_INFINITY;
      return await evict(bytes, !remove, signal);
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      abort.abort();
      await running;
    },
  };
}
