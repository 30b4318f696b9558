import { readdirSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** What the names of compressed files end with. */
export const COMPRESSED = '.gz';

const ROTATED = /^([1-9]\d{0,5})(\.gz)?$/;

/**
 * The rotated files of a log and itself, oldest first: `log.3.gz`, `log.2`, `log.1`, `log`. Only those that exist. A
 * file that is there both compressed and not is the latter: its compression was cut off.
 */
export function logFiles(path: string): readonly string[] {
  const name = basename(path);
  const names = namesBeside(path);
  const numbers = new Map<number, string>();
  for (const found of names) {
    if (!found.startsWith(`${name}.`)) continue;
    const [, digits, compressed] = ROTATED.exec(found.slice(name.length + 1)) ?? [];
    if (digits === undefined || (compressed !== undefined && numbers.has(Number(digits)))) continue;
    numbers.set(Number(digits), found);
  }
  const rotated = [...numbers].sort(([a], [b]) => b - a).map(([, found]) => join(dirname(path), found));
  return names.includes(name) ? [...rotated, path] : rotated;
}

function namesBeside(path: string): readonly string[] {
  try {
    return readdirSync(dirname(path));
  } catch {
    return [];
  }
}

/** Bytes of a log on disk with its rotated files. */
export function logSize(path: string): number {
  return logFiles(path).reduce((sum, file) => sum + (statSync(file, { throwIfNoEntry: false })?.size ?? 0), 0);
}
