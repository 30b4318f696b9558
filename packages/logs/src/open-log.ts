import { type FileHandle, open, stat } from 'node:fs/promises';
import { isKind } from '@berth/base';
import { identityOf } from './file-identity.ts';
import { GzipLog } from './gzip-log.ts';
import { readMembers } from './gzip-members.ts';
import { COMPRESSED, logFiles } from './log-files.ts';

/** An open log file. Renaming it, or compressing it, does not matter any more. */
export interface OpenLog extends AsyncDisposable {
  /** Of the file as it was written, also when this is its compressed successor. */
  readonly identity: bigint;
  /** Of this very file. */
  readonly inode: bigint;
  /** Bytes read into `buffer` from `at`; offsets and sizes are those before compression. Throws `dataLoss`. */
  read(buffer: Buffer, at: number, length: number, position: number): Promise<number>;
  size(): Promise<number>;
}

const openFile = async (path: string): Promise<OpenLog | undefined> => {
  try {
    const handle = await open(path, 'r');
    return await opened(handle, path.endsWith(COMPRESSED));
  } catch (error) {
    if (isKind(error, 'notFound')) return undefined;
    throw error;
  }
};

async function opened(handle: FileHandle, compressed: boolean): Promise<OpenLog> {
  try {
    const found = await handle.stat({ bigint: true });
    const own = { inode: found.ino, [Symbol.asyncDispose]: () => handle.close() };
    if (compressed) return { ...own, ...(await compressedLog(handle, identityOf(found))) };
    return {
      ...own,
      identity: identityOf(found),
      read: async (buffer, at, length, position) => (await handle.read(buffer, at, length, position)).bytesRead,
      size: async () => (await handle.stat()).size,
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function compressedLog(
  handle: FileHandle,
  fallback: bigint,
): Promise<Pick<OpenLog, 'identity' | 'read' | 'size'>> {
  const index = await readMembers(handle);
  const log = new GzipLog(handle, index);
  return {
    identity: index.identity ?? fallback,
    read: (buffer, at, length, position) => log.read(buffer, at, length, position),
    size: async () => log.size,
  };
}

const ATTEMPTS = 20;

/** Opens all files of a log, oldest first; none is missing between the first and the last, whatever is rotated meanwhile. */
export async function openAll(path: string): Promise<OpenLog[]> {
  for (let attempt = 1; ; attempt++) {
    const opened = await openNames(path);
    if (attempt === ATTEMPTS || (await isWhole(path, opened))) return opened;
    for (const log of opened) await log[Symbol.asyncDispose]();
  }
}

/** A rotation meanwhile moves names: a file may turn up twice (left out the second time), or not at all. */
async function openNames(path: string): Promise<OpenLog[]> {
  const opened: OpenLog[] = [];
  for (const file of logFiles(path)) {
    const log = await openFile(file);
    if (log === undefined) continue;
    if (opened.some((other) => other.inode === log.inode || other.identity === log.identity))
      await log[Symbol.asyncDispose]();
    else opened.push(log);
  }
  return opened;
}

/** Whether every file there is has been opened. One more rotation while this looks shows as a file that has not. */
async function isWhole(path: string, opened: readonly OpenLog[]): Promise<boolean> {
  for (const file of logFiles(path)) {
    const found = await stat(file, { bigint: true }).catch(() => undefined);
    if (found !== undefined && !opened.some(({ inode }) => inode === found.ino)) return false;
  }
  return true;
}

/** The files that came after the one of identity `last`, oldest first; when it is gone, all there are. */
export async function openNewer(path: string, last: bigint): Promise<OpenLog[]> {
  const all = await openAll(path);
  const at = all.findIndex((log) => log.identity === last);
  const old = all.splice(0, at + 1);
  for (const log of old) await log[Symbol.asyncDispose]();
  return all;
}
