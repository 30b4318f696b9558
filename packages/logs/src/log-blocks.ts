import { type CallOptions, throwIfAborted } from '@berth/base';
import { ChangeWatch } from './change-watch.ts';
import type { LogStream } from './line-format.ts';
import { LogCursor } from './log-cursor.ts';
import { findTail } from './tail-position.ts';

const POLL_MS = 1000;
const NANOS_IN_MS = 1_000_000n;

export interface BlockOptions extends CallOptions {
  readonly path: string;
  readonly tail: number | undefined;
  readonly streams: ReadonlySet<LogStream>;
  readonly follow: boolean;
  readonly stopped: Promise<unknown> | undefined;
  /** Nanoseconds since the epoch: following ends then. */
  readonly until: bigint | undefined;
}

/**
 * The bytes of a log in whole lines, oldest first, across its rotated files and, following, across rotations that
 * happen meanwhile. Throws `cancelled`.
 */
export async function* readLogBlocks(options: BlockOptions): AsyncGenerator<Buffer> {
  const { path, tail, streams, signal } = options;
  throwIfAborted(signal);
  using watch = options.follow ? new ChangeWatch(path) : undefined;
  await using cursor = await LogCursor.open(path, async (logs) =>
    tail === undefined ? { file: 0, offset: 0 } : await findTail(logs, tail, streams),
  );
  const wake = (): void => watch?.wake();
  signal?.addEventListener('abort', wake);
  const until = options.until === undefined ? undefined : Number(options.until / NANOS_IN_MS);
  let stopped = options.stopped === undefined ? undefined : false;
  const stop = (): void => {
    stopped = true;
    wake();
  };
  options.stopped?.then(stop, stop);
  try {
    for (;;) {
      const left = until === undefined ? POLL_MS : until - Date.now();
      const last = stopped || left < 0;
      do {
        for (let block = await cursor.next(); block !== undefined; block = await cursor.next()) {
          yield block;
          throwIfAborted(signal);
        }
      } while (options.follow && (await cursor.advance()));
      if (watch === undefined || last) return;
      // what stopped while we read may have written until then: look once more
      if (!stopped) await watch.next(Math.min(POLL_MS, left + 1));
      throwIfAborted(signal);
    }
  } finally {
    signal?.removeEventListener('abort', wake);
  }
}
