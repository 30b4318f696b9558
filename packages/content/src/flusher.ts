import { open } from 'node:fs/promises';
import { dirname } from 'node:path';

export interface Flusher {
  /** Brings a file and its directory entry to the device in the background, then calls `done`. */
  add(path: string, done: () => void): void;
  /** Resolves when nothing is left to do. */
  idle(): Promise<void>;
}

/** One flush at a time. A failed flush calls nothing: what it was for stays not known to be durable. */
export function createFlusher(onError: (path: string, error: unknown) => void): Flusher {
  let tail: Promise<void> = Promise.resolve();
  return {
    add(path, done) {
      tail = tail.then(() => flush(path)).then(done, (error: unknown) => onError(path, error));
    },
    idle: () => tail,
  };
}

async function flush(path: string): Promise<void> {
  {
    await using file = await open(path, 'r');
    await file.datasync();
  }
  await using directory = await open(dirname(path), 'r');
  await directory.sync();
}
