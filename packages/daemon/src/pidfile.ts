import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { conflict } from '@berth/base';

/**
 * Writes this process's ID to `path`; the file is removed on disposal. What a killed daemon left is replaced;
 * `conflict` when the process it names is a daemon that still runs.
 */
export function claimPidfile(path: string): Disposable {
  const file = resolve(path);
  const other = Number(readOr(file, '').trim());
  if (Number.isInteger(other) && other > 0 && other !== process.pid && isDaemon(other))
    throw conflict(`process with PID ${other} is still running: ensure berthd is not running or delete ${file}`);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, String(process.pid));
  return {
    [Symbol.dispose]() {
      if (readOr(file, '').trim() === String(process.pid)) rmSync(file, { force: true });
    },
  };
}

/** A killed daemon's number may long be somebody else's. */
const isDaemon = (pid: number): boolean => /berthd|packages\/daemon\//.test(readOr(`/proc/${pid}/cmdline`, ''));

function readOr(path: string, fallback: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return fallback;
  }
}
