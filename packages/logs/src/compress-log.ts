import { renameSync, rmSync, statSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { type CallOptions, throwIfAborted } from '@berth/base';
import { identityOf } from './file-identity.ts';
import { gzipMember } from './gzip-members.ts';
import { COMPRESSED, logFiles } from './log-files.ts';

const CHUNK = 1 << 20;

/**
 * Compresses the rotated files of a log that are not yet, oldest first. Nothing is done while the log itself is not
 * there: until it is, the writer goes on with the newest rotated file. False in that case.
 *
 * A file is compressed beside its name, and takes the place of the other only when it is on disk: killed at any moment,
 * the one or the other is whole, and where both are there the uncompressed one counts. Throws `cancelled`.
 */
export async function compressRotated(path: string, options: CallOptions = {}): Promise<boolean> {
  for (;;) {
    throwIfAborted(options.signal);
    const files = logFiles(path);
    if (files.at(-1) !== path) return false;
    const file = files.find((found) => found !== path && !found.endsWith(COMPRESSED));
    if (file === undefined) return true;
    await compressFile(path, file, options);
  }
}

async function compressFile(path: string, file: string, { signal }: CallOptions): Promise<void> {
  const temporary = `${path}.gz.tmp`;
  await using source = await open(file, 'r');
  const identity = identityOf(await source.stat({ bigint: true }));
  throwIfAborted(signal);
  try {
    const size = await pack(source, temporary, identity, signal);
    throwIfAborted(signal);
    publish(path, temporary, identity, size);
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** Returns the bytes read. */
async function pack(
  source: FileHandle,
  temporary: string,
  identity: bigint,
  signal: AbortSignal | undefined,
): Promise<number> {
  await using target = await open(temporary, 'w', 0o640);
  const buffer = Buffer.allocUnsafe(CHUNK);
  for (let size = 0; ; ) {
    throwIfAborted(signal);
    const { bytesRead } = await source.read(buffer, 0, CHUNK, size);
    if (bytesRead === 0) {
      await target.sync();
      return size;
    }
    await target.appendFile(await gzipMember(buffer.subarray(0, bytesRead), identity));
    size += bytesRead;
  }
}

/** In one go, so that no rotation comes between. The file may have been renamed, or removed, since it was opened. */
function publish(path: string, temporary: string, identity: bigint, size: number): void {
  for (const file of logFiles(path)) {
    if (file === path || file.endsWith(COMPRESSED)) continue;
    const found = statSync(file, { bigint: true, throwIfNoEntry: false });
    if (found === undefined || identityOf(found) !== identity || Number(found.size) !== size) continue;
    renameSync(temporary, `${file}${COMPRESSED}`);
    rmSync(file);
  }
}
