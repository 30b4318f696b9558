import { tooLarge } from '@berth/base';
import type { ByteStream } from '@berth/oci';

const LIMIT = 4 * 1024 * 1024;

export async function readAll(stream: ByteStream): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.length;
    if (size > LIMIT) throw tooLarge(`a manifest or configuration is larger than ${LIMIT} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
