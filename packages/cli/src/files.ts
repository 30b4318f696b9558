import { createReadStream, createWriteStream, openSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Context } from './context.ts';
import { ExitError } from './failure.ts';

/** Writes a stream to a file, which appears only when it is whole, or to stdout when that is no terminal. */
export async function writeOutput(context: Context, source: Readable, path: string | undefined): Promise<void> {
  if (path === undefined) {
    await pipeline(source, context.stdout, { end: false });
    return;
  }
  const partial = `${path}.${process.pid}.partial`;
  try {
    await pipeline(source, createWriteStream(partial));
    await rename(partial, path);
  } finally {
    await rm(partial, { force: true });
  }
}

/** Refuses to write bytes to a terminal, before anything is asked of the daemon. */
export function refuseTerminal(context: Context, path: string | undefined): void {
  if (path === undefined && context.stdout.isTTY) {
    throw new ExitError(1, 'cowardly refusing to save to a terminal. Use the -o flag or redirect');
  }
}

/** The file's bytes, or those of stdin. */
export function readInput(context: Context, path: string | undefined): Readable {
  if (path === undefined || path === '-') return context.stdin;
  try {
    return createReadStream(path, { fd: openSync(path, 'r') });
  } catch (error) {
    const missing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    throw missing ? new ExitError(1, `open ${path}: no such file or directory`) : error;
  }
}
