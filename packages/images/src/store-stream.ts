import { type CallOptions, randomId } from '@berth/base';
import { type ByteStream, createDigester, type Descriptor, type Digest } from '@berth/oci';
import type { ImageContext } from './context.ts';
import { blobRef, type Lease } from './lease.ts';

/** Refs of blobs whose digest is not known yet. */
export const STREAM_PREFIX = 'stream/';

/**
 * Stores bytes whose digest is not known before their end. Nothing stays when the stream fails. The blob is leased
 * before it exists.
 */
export async function storeStream(
  context: ImageContext,
  lease: Lease,
  source: ByteStream,
  mediaType: string,
  options: CallOptions = {},
): Promise<Descriptor> {
  await using ingest = await context.content.ingest(STREAM_PREFIX + randomId(), undefined, options);
  try {
    for await (const chunk of source) await ingest.write(chunk);
    const descriptor = { mediaType, digest: await ingest.digest(), size: ingest.offset };
    lease.add([blobRef(descriptor.digest)]);
    await ingest.commit(descriptor);
    return descriptor;
  } catch (error) {
    await ingest.abort();
    throw error;
  }
}

/** Passes a stream on and learns its digest and size. */
export class Hashing {
  readonly #digester = createDigester();

  async *pass(source: ByteStream): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      this.#digester.update(chunk);
      yield chunk;
    }
  }

  get digest(): Digest {
    return this.#digester.digest();
  }

  get size(): number {
    return this.#digester.size;
  }
}
