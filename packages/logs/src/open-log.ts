import { type FileHandle, open, stat } from 'node:fs/promises';
import { isKind } from '@berth/base';
import { logFiles } from './log-files.ts';

/** An open log file. Renaming it does not matter any more. */
export interface OpenLog extends AsyncDisposable {
  readonly handle: FileHandle;
  readonly inode: bigint;
}

const openFile = async (path: string): Promise<OpenLog | undefined> => {
  try {
    const handle = await open(path, 'r');
    const { ino } = await handle.stat({ bigint: true });
    return { handle, inode: ino, [Symbol.asyncDispose]: () => handle.close() };
  } catch (error) {
    if (isKind(error, 'notFound')) return undefined;
    throw error;
  }
};

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
    if (opened.some((other) => other.inode === log.inode)) await log[Symbol.asyncDispose]();
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

/** The files that came after `last`, oldest first; when `last` is gone, all there are. */
export async function openNewer(path: string, last: bigint): Promise<OpenLog[]> {
  const all = await openAll(path);
  const at = all.findIndex((log) => log.inode === last);
  const old = all.splice(0, at + 1);
  for (const log of old) await log[Symbol.asyncDispose]();
  return all;
}
