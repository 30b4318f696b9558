import { type CallOptions, throwIfAborted } from '@berth/base';

/** At most `limit` holders at once, first come first served. */
export class Limiter {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(limit: number) {
    this.#free = Math.max(1, limit);
  }

  /** True when a holder would have to wait now. */
  get busy(): boolean {
    return this.#free === 0;
  }

  async acquire(options: CallOptions = {}): Promise<Disposable> {
    const { signal } = options;
    throwIfAborted(signal);
    if (this.#free > 0) this.#free--;
    else await this.#wait(signal);
    let held = true;
    return {
      [Symbol.dispose]: () => {
        if (!held) return;
        held = false;
        const next = this.#waiting.shift();
        if (next) next();
        else this.#free++;
      },
    };
  }

  #wait(signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const onAbort = (): void => {
      this.#waiting.splice(this.#waiting.indexOf(granted), 1);
      try {
        throwIfAborted(signal);
      } catch (error) {
        reject(error);
      }
    };
    const granted = (): void => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    };
    this.#waiting.push(granted);
    signal?.addEventListener('abort', onAbort, { once: true });
    return promise;
  }
}
