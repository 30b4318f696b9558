import { createHash, type Hash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { type CallOptions, throwIfAborted } from '@berth/base';
import type { Digest } from '@berth/oci';

const READ_SIZE = 1 << 20;

/** Feeds the first `length` bytes of a file (all of it by default) to a hash; returns how many there were. */
export async function feedHash(
  hash: Hash,
  path: string,
  options: CallOptions & { readonly length?: number } = {},
): Promise<number> {
  await using file = await open(path, 'r');
  const limit = options.length ?? Number.POSITIVE_INFINITY;
  let reading = Buffer.allocUnsafe(READ_SIZE);
  let hashing = Buffer.allocUnsafe(READ_SIZE);
  let position = 0;
  let next = file.read(reading, 0, Math.min(READ_SIZE, limit), 0);
  for (;;) {
    const { bytesRead } = await next;
    if (bytesRead === 0) return position;
    position += bytesRead;
    [reading, hashing] = [hashing, reading];
    // the next read runs on the thread pool while this thread hashes
    next = file.read(reading, 0, Math.min(READ_SIZE, limit - position), position);
    hash.update(hashing.subarray(0, bytesRead));
    if (options.signal?.aborted) {
      await next;
      throwIfAborted(options.signal);
    }
  }
}

/** Digest and size of a file's content. */
export async function hashFile(
  path: string,
  algorithm: string,
  options: CallOptions = {},
): Promise<{ readonly digest: Digest; readonly size: number }> {
  const hash = createHash(algorithm);
  const size = await feedHash(hash, path, options);
  return { digest: `${algorithm}:${hash.digest('hex')}` as Digest, size };
}
