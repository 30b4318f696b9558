import { type CallOptions, dataLoss, throwIfAborted, tooLarge } from '@berth/base';
import type { Descriptor } from './descriptor.ts';
import { createDigester, digestAlgorithm } from './digest.ts';
import type { ByteStream } from './target.ts';

/** A stream of bytes in memory, in one chunk (none when empty). */
export async function* streamOf(bytes: Uint8Array): ByteStream {
  if (bytes.byteLength > 0) yield bytes;
}

/** Reads a whole stream into memory; `tooLarge` as soon as it exceeds `limit` bytes. */
export async function readAll(body: ByteStream, limit: number, options: CallOptions = {}): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    throwIfAborted(options.signal);
    size += chunk.byteLength;
    if (size > limit) throw tooLarge(`more than ${limit} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

/** Passes a stream on and throws `dataLoss` at its end, or at the first byte too many, when it is not what was promised. */
export async function* verifyStream(
  body: ByteStream,
  expected: Pick<Descriptor, 'digest' | 'size'>,
  options: CallOptions = {},
): ByteStream {
  const digester = createDigester(digestAlgorithm(expected.digest));
  for await (const chunk of body) {
    throwIfAborted(options.signal);
    digester.update(chunk);
    if (digester.size > expected.size)
      throw dataLoss(`${expected.digest} has more than the ${expected.size} bytes promised`);
    yield chunk;
  }
  if (digester.size !== expected.size)
    throw dataLoss(`${expected.digest} ended after ${digester.size} of ${expected.size} bytes`);
  const actual = digester.digest();
  if (actual !== expected.digest) throw dataLoss(`content has digest ${actual}, expected ${expected.digest}`);
}
