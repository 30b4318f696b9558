import { rm } from 'node:fs/promises';
import { COMPRESSED, logFiles } from './log-files.ts';

/** Removes a log with its rotated files. */
export async function removeLog(path: string): Promise<void> {
  for (const file of logFiles(path)) {
    await rm(file, { force: true });
    await rm(`${file}${COMPRESSED}`, { force: true });
  }
  for (const unfinished of ['.tmp', '.gz.tmp']) await rm(`${path}${unfinished}`, { force: true });
}
