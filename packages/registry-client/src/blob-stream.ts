import { type CallOptions, dataLoss, type Logger, sleep, throwIfAborted } from '@berth/base';
import type { ByteRange, ByteStream, Descriptor } from '@berth/oci';
import { connectionFailure } from './failures.ts';
import type { TransferLimits } from './options.ts';
import { headerOf, type TransportResponse } from './transport.ts';

/** Asks for the bytes from `start` on; the answer is 200 or 206. */
export type OpenAt = (start: number) => Promise<TransportResponse>;

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

/**
 * A blob's bytes, whatever happens to the connection: when it breaks, the rest is asked for from the byte reached, as
 * long as that makes progress. Never yields more than was asked for.
 */
export async function* blobStream(
  first: TransportResponse,
  descriptor: Descriptor,
  open: OpenAt,
  options: CallOptions & { readonly range?: ByteRange; readonly limits: TransferLimits; readonly logger: Logger },
): ByteStream {
  const { limits, logger, signal } = options;
  const end = Math.min(options.range?.end ?? descriptor.size, descriptor.size);
  let at = options.range?.start ?? 0;
  let response: TransportResponse | undefined = first;
  let fruitless = 0;
  try {
    for (;;) {
      const before = at;
      try {
        response ??= await open(at);
        checkLength(response, descriptor);
        let position = firstByte(response);
        if (position > at) throw dataLoss(`registry skipped bytes of ${descriptor.digest}`);
        for await (const piece of response.body) {
          throwIfAborted(signal);
          const chunk = piece as Uint8Array;
          const from = Math.max(0, at - position);
          position += chunk.byteLength;
          if (from >= chunk.byteLength) continue;
          if (position > descriptor.size)
            throw dataLoss(`registry sends more than the ${descriptor.size} bytes of ${descriptor.digest}`);
          const wanted = chunk.subarray(from, chunk.byteLength - Math.max(0, position - end));
          at += wanted.byteLength;
          if (wanted.byteLength > 0) yield wanted;
          if (at >= end && end < descriptor.size) return;
        }
        if (at >= end) return;
        throw connectionFailure(
          'GET',
          new URL('registry:///blob'),
          Object.assign(new Error(), { code: 'ECONNRESET' }),
          signal,
        );
      } catch (error) {
        const failure = connectionFailure('GET', new URL(`registry:///${descriptor.digest}`), error, signal);
        fruitless = at > before ? 0 : fruitless + 1;
        if (failure.details['transient'] !== true || fruitless >= limits.attempts) throw failure;
        logger.debug('blob transfer broke, continuing', { digest: descriptor.digest, at, error });
        response?.body.destroy();
        response = undefined;
        await sleep(Math.min(limits.maxBackoffMs, limits.backoffMs * 2 ** fruitless), { signal });
      }
    }
  } finally {
    response?.body.on('error', () => undefined).destroy();
  }
}
