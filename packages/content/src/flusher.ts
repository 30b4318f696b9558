import { open } from 'node:fs/promises';
import { dirname } from 'node:path';

export interface Flusher {
  /** Brings a file and its directory entry to the device in the background, then calls `done`. */
  add(path: string, done: () => void): void;
  /** Begins with what is waiting; resolves when nothing is left to do. */
  idle(): Promise<void>;
}

interface Entry {
  readonly path: string;
  readonly done: () => void;
}

/** Flushes begin after this much quiet, so that they do not compete with the pull whose blobs they are for. */
const QUIET_MS = 1000;

/** One flush at a time, one of the directory for all its files. A failed flush calls nothing: what it was for stays not known to be durable. */
export function createFlusher(onError: (path: string, error: unknown) => void): Flusher {
  let waiting: Entry[] = [];
  let timer: NodeJS.Timeout | undefined;
  let tail: Promise<void> = Promise.resolve();
  const flushAll = async (entries: readonly Entry[]): Promise<void> => {
    const flushed: Entry[] = [];
    for (const entry of entries) {
      try {
        await flushData(entry.path);
        flushed.push(entry);
      } catch (error) {
        onError(entry.path, error);
      }
    }
    const directories = Map.groupBy(flushed, ({ path }) => dirname(path));
    for (const [directory, those] of directories) {
      try {
        await flushDirectory(directory);
        for (const { done } of those) done();
      } catch (error) {
        onError(directory, error);
      }
    }
  };
  const begin = (): void => {
    clearTimeout(timer);
    const entries = waiting;
    waiting = [];
    if (entries.length > 0) tail = tail.then(() => flushAll(entries));
  };
  return {
    add(path, done) {
      waiting.push({ path, done });
      clearTimeout(timer);
      timer = setTimeout(begin, QUIET_MS).unref();
    },
    idle() {
      begin();
      return tail;
    },
  };
}

async function flushData(path: string): Promise<void> {
  await using file = await open(path, 'r');
  await file.datasync();
}

async function flushDirectory(path: string): Promise<void> {
  await using directory = await open(path, 'r');
  await directory.sync();
}
