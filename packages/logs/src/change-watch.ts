import { type FSWatcher, watch } from 'node:fs';
import { basename, dirname } from 'node:path';

/** Notices writes to and replacement of a file. Changes between two `next` calls are not missed. */
export class ChangeWatch implements Disposable {
  readonly #watcher: FSWatcher | undefined;
  #changed = false;
  #wake: (() => void) | undefined;

  constructor(path: string) {
    const name = basename(path);
    try {
      this.#watcher = watch(dirname(path), (_, changed) => {
        if (changed === null || changed === name) this.wake();
      });
      this.#watcher.on('error', () => undefined);
    } catch {
      // no inotify watch left: the timer in `next` still looks
    }
  }

  wake(): void {
    this.#changed = true;
    this.#wake?.();
  }

  /** Resolves at a change since the last call, or after `ms`. */
  async next(ms: number): Promise<void> {
    if (!this.#changed)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    this.#changed = false;
    this.#wake = undefined;
  }

  [Symbol.dispose](): void {
    this.#watcher?.close();
  }
}
