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

/** One flush at a time. A failed flush calls nothing: what it was for stays not known to be durable. */
export function createFlusher(onError: (path: string, error: unknown) => void): Flusher {
  let waiting: Entry[] = [];
  let timer: NodeJS.Timeout | undefined;
  let tail: Promise<void> = Promise.resolve();
  const flushOne = ({ path, done }: Entry): Promise<void> =>
    flush(path)
      .then(done)
      .catch((error: unknown) => onError(path, error));
  const begin = (): void => {
    clearTimeout(timer);
    for (const entry of waiting) tail = tail.then(() => flushOne(entry));
    waiting = [];
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

async function flush(path: string): Promise<void> {
  {
    await using file = await open(path, 'r');
    await file.datasync();
  }
  await using directory = await open(dirname(path), 'r');
  await directory.sync();
}
