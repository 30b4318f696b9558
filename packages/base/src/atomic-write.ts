import { randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

export interface AtomicWriteOptions {
  /** File mode, default 0o644. */
  readonly mode?: number;
  /** Flush file and directory to the device before returning, default false. */
  readonly durable?: boolean;
}

/** Writes a whole file so that a reader, or a crash, sees either the old content or the new. */
export async function atomicWrite(
  path: string,
  data: string | Uint8Array,
  options: AtomicWriteOptions = {},
): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    await using file = await open(temporary, 'wx', options.mode ?? 0o644);
    await file.writeFile(data);
    if (options.durable) await file.sync();
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await rename(temporary, path);
  if (options.durable) {
    await using directory = await open(dirname(path), 'r');
    await directory.sync();
  }
}
