import { createHash } from 'node:crypto';
import type { ByteStream } from '@berth/oci';

export interface Digested {
  readonly stream: ByteStream;
  /** Digest (`sha256:...`) and length of what has passed; final once the stream has ended. */
  result(): { readonly digest: string; readonly size: number };
}

/** Passes a stream on unchanged and hashes it: put one before and one after `compress` for both digests of a layer. */
export function digesting(source: ByteStream): Digested {
  const hash = createHash('sha256');
  let size = 0;
  async function* pass(): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      hash.update(chunk);
      size += chunk.length;
      yield chunk;
    }
  }
  return { stream: pass(), result: () => ({ digest: `sha256:${hash.copy().digest('hex')}`, size }) };
}
