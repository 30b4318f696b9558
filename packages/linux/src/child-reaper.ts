import { isMainThread } from 'node:worker_threads';
import { libc } from './libc.ts';
import { memoize } from './memoize.ts';

const WNOHANG = 1;
/** Worker threads are not told of signals. */
const POLL_MS = 2;
/** Longest delay a timer takes: it only keeps the process alive. */
const FOREVER_MS = 0x7fffffff;

export interface ChildWatch {
  /** The status as waitpid(2) gives it; resolves once. */
  readonly ended: Promise<number>;
  isRunning(): boolean;
  /** Stop keeping this process alive. */
  unref(): void;
}

/**
 * Collects the exit status of this thread's children that libuv does not know of. libuv asks for its own by number,
 * so neither takes the other's.
 */
export class ChildReaper {
  readonly #running = new Map<number, (status: number) => void>();
  readonly #holding = new Set<number>();
  #listening = false;
  #hold: NodeJS.Timeout | undefined;

  add(pid: number): ChildWatch {
    const { promise, resolve } = Promise.withResolvers<number>();
    this.#running.set(pid, resolve);
    this.#holding.add(pid);
    this.#listen();
    this.#update();
    return {
      ended: promise,
      isRunning: () => this.#running.get(pid) === resolve,
      unref: () => {
        if (this.#running.get(pid) === resolve) this.#holding.delete(pid);
        this.#update();
      },
    };
  }

  #listen(): void {
    if (!isMainThread || this.#listening) return;
    this.#listening = true;
    process.on('SIGCHLD', () => this.#collect());
    // it may have ended before the handler was there
    setImmediate(() => this.#collect());
  }

  #collect(): void {
    const status = new Int32Array(1);
    for (const [pid, resolve] of this.#running) {
      if (libc().waitpid(pid, status, WNOHANG) === 0) continue;
      this.#running.delete(pid);
      this.#holding.delete(pid);
      resolve(status[0] ?? 0);
    }
    this.#update();
  }

  #update(): void {
    const wanted = isMainThread ? this.#holding.size > 0 : this.#running.size > 0;
    if (wanted) this.#hold ??= setInterval(() => this.#collect(), isMainThread ? FOREVER_MS : POLL_MS);
    else {
      clearInterval(this.#hold);
      this.#hold = undefined;
    }
  }
}

/** One for each thread. */
export const reaper: () => ChildReaper = memoize(() => new ChildReaper());
