import type { Logger } from '@berth/base';

/** Work nobody waits for, yet which a shutdown must see finished. */
export interface Background {
  /** The promise may be ignored: it resolves when the work is over, and never rejects. */
  run(what: string, work: () => Promise<void>): Promise<void>;
  /** Waits until nothing runs, including what running work starts. */
  drain(): Promise<void>;
}

export function createBackground(logger: Logger): Background {
  const running = new Set<Promise<void>>();
  return {
    run(what, work) {
      const job = Promise.resolve()
        .then(work)
        .catch((error: unknown) => logger.warn(`${what} failed`, { error }))
        .finally(() => running.delete(job));
      running.add(job);
      return job;
    },
    async drain() {
      while (running.size > 0) await Promise.all(running);
    },
  };
}
