import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { cancelled, tooLarge } from '@berth/base';
import type { BodyLimits } from './body.ts';

const nextChunk = (stream: Duplex, ms: number): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const settle = (done: () => void): void => {
      clearTimeout(timer);
      stream.off('data', onData).off('close', onEnd).off('end', onEnd);
      done();
    };
    const onData = (chunk: Buffer): void => {
      stream.pause();
      settle(() => resolve(chunk));
    };
    const onEnd = (): void => settle(() => reject(cancelled('the client closed the connection')));
    const timer = setTimeout(onEnd, ms);
    stream.on('data', onData).on('close', onEnd).on('end', onEnd).resume();
  });

/**
 * The body of an upgrade request, where node did not parse it (before Node 24.10 everything after the head is left to
 * the upgrade listener), and the bytes that come after it. No body when node parses it itself.
 */
export async function earlyBody(
  request: IncomingMessage,
  stream: Duplex,
  head: Buffer,
  limits: BodyLimits,
): Promise<readonly [body: Uint8Array | undefined, rest: Buffer]> {
  const size = Number(request.headers['content-length'] ?? 0);
  const parsed = size === 0 || !request.complete || request.readableLength > 0;
  if (parsed) return [undefined, head];
  if (!(size <= limits.bodyBytes)) throw tooLarge(`request body is larger than ${limits.bodyBytes} bytes`);
  let seen = head;
  while (seen.byteLength < size) seen = Buffer.concat([seen, await nextChunk(stream, limits.bodyMs)]);
  return [seen.subarray(0, size), seen.subarray(size)];
}
