import { readdirSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** The rotated files of a log and itself, oldest first: `log.2`, `log.1`, `log`. Only those that exist. */
export function logFiles(path: string): readonly string[] {
  const prefix = `${basename(path)}.`;
  let names: readonly string[];
  try {
    names = readdirSync(dirname(path));
  } catch {
    return [];
  }
  const numbers = names
    .filter((name) => name.startsWith(prefix) && /^[1-9]\d{0,5}$/.test(name.slice(prefix.length)))
    .map((name) => Number(name.slice(prefix.length)))
    .sort((a, b) => b - a);
  const rotated = numbers.map((number) => join(dirname(path), `${prefix}${number}`));
  return names.includes(basename(path)) ? [...rotated, path] : rotated;
}

/** Bytes of a log on disk with its rotated files. */
export function logSize(path: string): number {
  return logFiles(path).reduce((sum, file) => sum + (statSync(file, { throwIfNoEntry: false })?.size ?? 0), 0);
}
