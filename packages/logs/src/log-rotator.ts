import { stat } from 'node:fs/promises';
import { conflict, isKind, type Logger, silentLogger } from '@berth/base';
import { compressRotated } from './compress-log.ts';
import { type LogLimits, rotateLog } from './rotate.ts';

const MIN_MS = 100;
const MAX_MS = 2000;

interface Compressible {
  readonly path: string;
  /** Rotated files may be there that are not compressed. */
  pending: boolean;
}

interface Watched extends Compressible {
  readonly limits: LogLimits;
  readonly reopen: () => Promise<void>;
  size: number;
  timer: NodeJS.Timeout | undefined;
}

export interface LogRotator extends Disposable {
  /** Keeps a log within its limits until the result is disposed. Throws `conflict` when it is kept already. */
  add(path: string, limits: LogLimits, reopen: () => Promise<void>): Disposable;
  /** Compresses what an earlier daemon left of a log that nobody writes: in the background, one log after the other. */
  compressLeft(path: string): void;
  /** Ends what goes on behind a log that is to be removed: a compression. Resolves when nothing touches its files. */
  forget(path: string): Promise<void>;
}

class Rotator implements LogRotator {
  readonly #logger: Logger;
  readonly #watched = new Map<string, Watched>();
  readonly #compressing = new Map<string, { readonly stop: AbortController; readonly done: Promise<void> }>();

  #left = Promise.resolve();
  #disposed = false;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  add(path: string, limits: LogLimits, reopen: () => Promise<void>): Disposable {
    if (this.#watched.has(path)) throw conflict(`the log ${path} is being rotated already`);
    const watched: Watched = { path, limits, reopen, size: 0, pending: limits.compress === true, timer: undefined };
    this.#watched.set(path, watched);
    this.#schedule(watched, MAX_MS);
    return { [Symbol.dispose]: () => this.#remove(watched) };
  }

  #remove(watched: Watched): void {
    clearTimeout(watched.timer);
    if (this.#watched.get(watched.path) !== watched) return;
    this.#watched.delete(watched.path);
    if (watched.pending) this.#compress(watched);
  }

  #schedule(watched: Watched, ms: number): void {
    watched.timer = setTimeout(() => void this.#check(watched, ms), ms);
    watched.timer.unref();
  }

  async #check(watched: Watched, elapsed: number): Promise<void> {
    let next = MAX_MS;
    try {
      if (await rotateLog(watched.path, watched.limits, watched.reopen)) {
        watched.size = 0;
        watched.pending = watched.limits.compress === true;
      }
      if (watched.pending) this.#compress(watched);
      next = await this.#delay(watched, elapsed);
    } catch (error) {
      if (!isKind(error, 'notFound', 'conflict'))
        this.#logger.warn('a log was not rotated', { path: watched.path, error });
    }
    if (this.#watched.get(watched.path) === watched) this.#schedule(watched, next);
  }

  async forget(path: string): Promise<void> {
    const compressing = this.#compressing.get(path);
    compressing?.stop.abort();
    await compressing?.done;
  }

  compressLeft(path: string): void {
    this.#left = this.#left.then(async () => {
      if (this.#disposed || this.#watched.has(path)) return;
      this.#compress({ path, pending: true });
      await this.#compressing.get(path)?.done;
    });
  }

  /** In the background, one file after the other. */
  #compress(watched: Compressible): void {
    const { path } = watched;
    if (this.#compressing.has(path)) return;
    const stop = new AbortController();
    const done = this.#compressAll(watched, stop.signal).finally(() => this.#compressing.delete(path));
    this.#compressing.set(path, { stop, done });
  }

  async #compressAll(watched: Compressible, signal: AbortSignal): Promise<void> {
    watched.pending = false;
    try {
      if (!(await compressRotated(watched.path, { signal }))) watched.pending = true;
    } catch (error) {
      if (!isKind(error, 'cancelled', 'notFound'))
        this.#logger.warn('a rotated log was not compressed', { path: watched.path, error });
    }
  }

  /** Looks again about when, at its present rate, the file will be full. */
  async #delay(watched: Watched, elapsed: number): Promise<number> {
    const { size } = await stat(watched.path);
    const rate = (size - watched.size) / elapsed;
    watched.size = size;
    if (rate <= 0) return MAX_MS;
    return Math.min(MAX_MS, Math.max(MIN_MS, (watched.limits.maxSize - size) / rate));
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    for (const watched of [...this.#watched.values()]) this.#remove(watched);
    for (const { stop } of this.#compressing.values()) stop.abort();
  }
}

/** Watches log files' sizes: one `stat` a log every two seconds, more often the nearer it is to its limit. */
export function createLogRotator(logger: Logger = silentLogger): LogRotator {
  return new Rotator(logger);
}
