import { rm } from 'node:fs/promises';
import { logFiles } from './log-files.ts';

/** Removes a log with its rotated files. */
export async function removeLog(path: string): Promise<void> {
  for (const file of logFiles(path)) await rm(file, { force: true });
  await rm(`${path}.tmp`, { force: true });
}
