import { anySignal, type CallOptions } from '@berth/base';
import type { ByteStream } from '@berth/oci';

/** How a big blob is fetched over several connections at once. */
export interface ParallelRanges {
  /** 1 is one connection. */
  readonly connections: number;
  /** Bytes asked for at once; `connections` of these are held in memory. */
  readonly partBytes: number;
  /** Smaller blobs go over one connection. */
  readonly minBytes: number;
}

/**
 * One by default: over loopback, and wherever the processor or the wire is what limits, more connections only cost
 * memory. They help where the server or the delay limits what one connection gets.
 */
export const DEFAULT_PARALLEL: ParallelRanges = {
  connections: 1,
  partBytes: 8 * 1024 * 1024,
  minBytes: 32 * 1024 * 1024,
};

/** Opens the bytes `[start, end)`. */
export type OpenPart = (start: number, end: number, options: CallOptions) => Promise<ByteStream>;

const collect = async (part: Promise<ByteStream>): Promise<readonly Uint8Array[]> => {
  const chunks: Uint8Array[] = [];
  for await (const chunk of await part) chunks.push(chunk);
  return chunks;
};

/** The bytes `[start, end)` in order, of which the next parts are on their way while one is read. */
export async function* inParallel(
  start: number,
  end: number,
  open: OpenPart,
  { connections, partBytes }: ParallelRanges,
  options: CallOptions,
): ByteStream {
  const controller = new AbortController();
  const signal = anySignal(options.signal, controller.signal);
  const parts: Promise<readonly Uint8Array[]>[] = [];
  let next = start;
  const launch = (): void => {
    if (next >= end) return;
    const from = next;
    next = Math.min(end, from + partBytes);
    const part = collect(open(from, next, { signal }));
    // Its failure is met when its turn comes, or not at all.
    part.catch(() => undefined);
    parts.push(part);
  };
  try {
    for (let count = 0; count < connections; count++) launch();
    for (let part = parts.shift(); part !== undefined; part = parts.shift()) {
      const chunks = await part;
      launch();
      yield* chunks;
    }
  } finally {
    controller.abort();
    await Promise.allSettled(parts);
  }
}
