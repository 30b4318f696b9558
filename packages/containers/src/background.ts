import type { Logger } from '@berth/base';
import type { BackgroundTasks } from './deps.ts';

/** Tracks work that outlives the call that began it; failures are logged, `settled` waits for all of it. */
export function createBackgroundTasks(logger: Logger, stopping: AbortSignal): BackgroundTasks {
  const running = new Set<Promise<void>>();
  return {
    stopping,
    run(what, work) {
      const task = work()
        .catch((error: unknown) => logger.error(`background task failed: ${what}`, { error }))
        .finally(() => running.delete(task));
      running.add(task);
    },
    async settled() {
      while (running.size > 0) await Promise.all(running);
    },
  };
}
