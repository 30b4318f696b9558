import { renameSync, rmSync } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { isKind } from '@berth/base';
import { COMPRESSED, logFiles } from './log-files.ts';

export interface LogLimits {
  /** Bytes at which a file is closed and a new one begun. */
  readonly maxSize: number;
  /** Files kept, the one being written included. */
  readonly maxFiles: number;
  /** Whether all but the file being written are compressed. */
  readonly compress?: boolean;
}

/**
 * Bounded by default: 5 files of 100 MB. dockerd keeps everything, or 5 times 20 MB compressed with `local`; these
 * files carry 44 bytes of time and stream a line, and a million short lines should still be there in full.
 */
export const DEFAULT_LOG_LIMITS: LogLimits = { maxSize: 100_000_000, maxFiles: 5 };

const sizeOf = async (path: string): Promise<number | undefined> => {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (isKind(error, 'notFound')) return undefined;
    throw error;
  }
};

/**
 * Rotates a log that has reached its size: `log.1` becomes `log.2` and so on, `log` becomes `log.1`, and `reopen`
 * must make the writer begin a new `log`. The writer appends to the renamed file until then, so no line is lost; when
 * `reopen` fails (the container has just ended) the log simply ends with `log.1`. A rotation that was cut off there, by
 * the end of the daemon, is finished. True when it was rotated.
 */
export async function rotateLog(path: string, limits: LogLimits, reopen: () => Promise<void>): Promise<boolean> {
  const size = await sizeOf(path);
  if (size === undefined ? logFiles(path).length === 0 : size < limits.maxSize) return false;
  if (size !== undefined) shift(path, Math.max(1, limits.maxFiles - 1));
  await reopen();
  if (limits.maxFiles < 2) await rm(`${path}.1`, { force: true });
  return true;
}

/** In one go: a compression that comes to its end finds the names before or after, never between. */
function shift(path: string, keep: number): void {
  for (const file of logFiles(path).slice(0, -1)) {
    const compressed = file.endsWith(COMPRESSED) ? COMPRESSED : '';
    const number = Number.parseInt(file.slice(path.length + 1), 10);
    // what a compression that was cut off left beside it
    if (compressed === '') rmSync(`${file}${COMPRESSED}`, { force: true });
    if (number >= keep) rmSync(file, { force: true });
    else renameSync(file, `${path}.${number + 1}${compressed}`);
  }
  renameSync(path, `${path}.1`);
}
