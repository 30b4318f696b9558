import type { CallOptions } from '@berth/base';
import type { LogStream } from '../line-format.ts';

/** One line of output, or a piece of 16 KiB of a longer one. */
export interface LogMessage {
  /** Nanoseconds since the epoch. */
  readonly time: bigint;
  readonly stream: LogStream;
  /** Without its line feed. */
  readonly line: Buffer;
  /** Present on the pieces of a line that was cut. */
  readonly partial?: { readonly id: string; readonly ordinal: number; readonly last: boolean };
}

/** How long to wait between attempts, and how many failed ones make a batch be given up. */
export interface RetryPolicy {
  readonly firstMs: number;
  readonly factor: number;
  readonly maxMs: number;
  readonly attempts: number;
}

/**
 * Where one container's messages go. It connects by itself when there is something to send, and again after it was cut
 * off. `send` resolves once the other side (with acknowledgements) or the kernel has every message; after it failed the
 * same messages are offered again, so a receiver may see some of them twice.
 *
 * Errors: `unavailable` (not there, broken, too slow to acknowledge), `cancelled`.
 */
export interface LogSink extends Disposable {
  /** Tries to connect, for those that fail a container's start when nobody listens. */
  connect(options?: CallOptions): Promise<void>;
  send(messages: readonly LogMessage[], options?: CallOptions): Promise<void>;
  readonly retry: RetryPolicy;
  /** Most bytes of lines in one `send`. */
  readonly batchBytes: number;
}

export const DEFAULT_RETRY: RetryPolicy = { firstMs: 100, factor: 2, maxMs: 5000, attempts: Number.POSITIVE_INFINITY };
export const DEFAULT_BATCH = 64 << 10;
