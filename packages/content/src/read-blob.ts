import { type FileHandle, open } from 'node:fs/promises';
import { type CallOptions, dataLoss, errnoOf, invalid, notFound, throwIfAborted } from '@berth/base';
import type { ByteRange, ByteStream } from '@berth/oci';

const CHUNK_SIZE = 512 << 10;

/** Absolute start and end of a range within `size` bytes; `invalid` when it does not lie within them. */
export function resolveRange(
  size: number,
  range: ByteRange | undefined,
): { readonly start: number; readonly end: number } {
  const start = range?.start ?? 0;
  const end = range?.end ?? size;
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || end > size || start > end)
    throw invalid(`range ${start}-${end} is not within ${size} bytes`);
  return { start, end };
}

/**
 * Streams bytes `start` to `end` of a blob's file. The file is opened when the first chunk is asked for, so that a
 * stream nobody reads holds nothing; one chunk is read ahead while the consumer works on the one before.
 */
export async function* readBlob(
  digest: string,
  path: string,
  { start, end }: { readonly start: number; readonly end: number },
  options: CallOptions = {},
): ByteStream & AsyncGenerator<Uint8Array, void, undefined> {
  throwIfAborted(options.signal);
  if (start === end) return;
  await using file = await openBlob(digest, path);
  let position = start;
  let ahead = readChunk(file, position, end);
  try {
    while (position < end) {
      const chunk = await ahead;
      if (chunk.length === 0) throw dataLoss(`blob ${digest} ends at byte ${position}, before its recorded size`);
      position += chunk.length;
      throwIfAborted(options.signal);
      if (position < end) ahead = readChunk(file, position, end);
      yield chunk;
      throwIfAborted(options.signal);
    }
  } finally {
    await ahead.catch(() => undefined);
  }
}

async function openBlob(digest: string, path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') throw notFound(`blob ${digest} not found`, { cause: error });
    throw error;
  }
}

async function readChunk(file: FileHandle, position: number, end: number): Promise<Uint8Array> {
  const length = Math.min(CHUNK_SIZE, end - position);
  const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}
