import { type CallOptions, throwIfAborted } from './abort.ts';

/** Mutual exclusion per key, first come first served. */
export class KeyedLock {
  readonly #tails = new Map<string, Promise<void>>();

  /** Waits for the key and holds it until disposed: `using _ = await lock.acquire(id)`. Throws `cancelled`. */
  async acquire(key: string, options: CallOptions = {}): Promise<Disposable> {
    const before = this.#tails.get(key);
    const { promise: held, resolve: release } = Promise.withResolvers<void>();
    const tail = (before ?? Promise.resolve()).then(() => held);
    this.#tails.set(key, tail);
    const free = (): void => {
      release();
      if (this.#tails.get(key) === tail) this.#tails.delete(key);
    };
    await before;
    try {
      throwIfAborted(options.signal);
    } catch (error) {
      free();
      throw error;
    }
    return { [Symbol.dispose]: free };
  }

  async run<T>(key: string, work: () => Promise<T>, options: CallOptions = {}): Promise<T> {
    using _held = await this.acquire(key, options);
    return await work();
  }

  isHeld(key: string): boolean {
    return this.#tails.has(key);
  }
}
