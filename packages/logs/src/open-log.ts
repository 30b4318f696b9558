import { type FileHandle, open } from 'node:fs/promises';
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

/**
 * Opens all files of a log, oldest first. A rotation meanwhile moves names, so a file may turn up twice (left out the
 * second time) or its successor too late (found by {@link openNewer}).
 */
export async function openAll(path: string): Promise<OpenLog[]> {
  const opened: OpenLog[] = [];
  for (const file of logFiles(path)) {
    const log = await openFile(file);
    if (log === undefined) continue;
    if (opened.some((other) => other.inode === log.inode)) await log[Symbol.asyncDispose]();
    else opened.push(log);
  }
  return opened;
}

/** The files that came after `last`, oldest first; when `last` is gone, all there are. */
export async function openNewer(path: string, last: bigint): Promise<OpenLog[]> {
  const all = await openAll(path);
  const at = all.findIndex((log) => log.inode === last);
  const old = all.splice(0, at + 1);
  for (const log of old) await log[Symbol.asyncDispose]();
  return all;
}
