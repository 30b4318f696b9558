import { dataLoss, isKind, type Logger, sleep, throwIfAborted } from '@berth/base';
import type { ByteStream, Descriptor, FetchOptions } from '@berth/oci';
import { connectionFailure } from './failures.ts';
import type { TransferLimits } from './options.ts';
import { paced } from './paced.ts';
import { backoffMs, isPassing } from './retry.ts';
import { headerOf, type TransportResponse } from './transport.ts';

/** Asks for the bytes from `start` on; the answer is 200 or 206. */
export type OpenAt = (start: number) => Promise<TransportResponse>;

/** Where a blob may come from. */
export interface BlobSource {
  readonly open: OpenAt;
  /** Turns to the next place that may have the blob; false when there is none. */
  readonly giveUp: (error: unknown) => boolean;
}

const firstByte = (response: TransportResponse): number => {
  if (response.statusCode !== 206) return 0;
  const found = /^bytes (\d+)-\d+\/(?:\d+|\*)$/.exec(headerOf(response, 'content-range') ?? '');
  return found === null ? 0 : Number(found[1]);
};

const checkLength = (response: TransportResponse, descriptor: Descriptor): void => {
  const text = headerOf(response, 'content-length');
  if (response.statusCode !== 200 || text === undefined || headerOf(response, 'content-encoding') !== undefined) return;
  if (Number(text) !== descriptor.size)
    throw dataLoss(`registry announces ${text} bytes for ${descriptor.digest}, expected ${descriptor.size}`);
};

/** Gives back the memory of a chunk that has a buffer to itself; one it shares with others is left to the collector. */
const free = ({ buffer, byteLength }: Uint8Array): void => {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0);
};

/**
 * A blob's bytes, whatever happens to the connection: when it breaks, the rest is asked for from the byte reached, as
 * long as that makes progress, then from the next source. Never yields more than was asked for.
 */
export async function* blobStream(
  first: TransportResponse,
  descriptor: Descriptor,
  source: BlobSource,
  options: FetchOptions & { readonly limits: TransferLimits; readonly logger: Logger },
): ByteStream {
  const { limits, logger, signal } = options;
  const url = new URL(`registry:///${descriptor.digest}`);
  const end = Math.min(options.range?.end ?? descriptor.size, descriptor.size);
  let at = options.range?.start ?? 0;
  let response: TransportResponse | undefined = first;
  let fruitless = 0;
  try {
    for (;;) {
      const before = at;
      try {
        response ??= await source.open(at);
        checkLength(response, descriptor);
        let position = firstByte(response);
        if (position > at) throw dataLoss(`registry skipped bytes of ${descriptor.digest}`);
        for await (const chunk of paced(response.body, limits)) {
          throwIfAborted(signal);
          const from = Math.max(0, at - position);
          position += chunk.byteLength;
          if (from >= chunk.byteLength) continue;
          if (position > descriptor.size)
            throw dataLoss(`registry sends more than the ${descriptor.size} bytes of ${descriptor.digest}`);
          const wanted = chunk.subarray(from, chunk.byteLength - Math.max(0, position - end));
          at += wanted.byteLength;
          if (wanted.byteLength > 0) yield wanted;
          if (options.transient) free(chunk);
          if (at >= end && end < descriptor.size) return;
        }
        if (at >= end) return;
        throw connectionFailure('GET', url, Object.assign(new Error(), { code: 'ECONNRESET' }), signal);
      } catch (error) {
        const failure = connectionFailure('GET', url, error, signal);
        // A sender that is too slow makes progress for ever.
        fruitless = at > before && failure.details['slow'] !== true ? 0 : fruitless + 1;
        response?.body.on('error', () => undefined).destroy();
        response = undefined;
        if (!isPassing(failure) || fruitless >= limits.attempts) {
          if (isKind(failure, 'cancelled', 'deadline') || !source.giveUp(failure)) throw failure;
          fruitless = 0;
          continue;
        }
        logger.debug('blob transfer broke, continuing', { digest: descriptor.digest, at, error });
        await sleep(backoffMs(fruitless, limits), { signal });
      }
    }
  } finally {
    response?.body.on('error', () => undefined).destroy();
  }
}
