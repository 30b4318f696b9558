import { kindOf } from '@berth/base';
import type { Container } from './container.ts';
import type { ContainerDeps } from './deps.ts';
import { shouldRestart } from './restart-policy.ts';
import { startContainer } from './start.ts';

const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 60_000;
/** A run this long counts as a success: the back-off begins anew. */
const STABLE_RUN_MS = 10_000;

/** Schedules the next run: 100 ms, doubled after each short run, at most a minute. */
export function restartAfterBackoff(deps: ContainerDeps, container: Container): void {
  const { startedAt, finishedAt } = container.state;
  const ran = (finishedAt?.getTime() ?? 0) - (startedAt?.getTime() ?? 0);
  container.restartDelayMs =
    ran >= STABLE_RUN_MS || container.restartDelayMs === 0
      ? FIRST_DELAY_MS
      : Math.min(container.restartDelayMs * 2, LONGEST_DELAY_MS);
  const timer = new AbortController();
  container.restartTimer = timer;
  const signal = AbortSignal.any([timer.signal, deps.background.stopping]);
  deps.background.run(`restart ${container.id}`, async () => {
    try {
      await deps.clock.sleep(container.restartDelayMs, { signal });
    } catch (error) {
      if (kindOf(error) === 'cancelled') return;
      throw error;
    }
    using _held = await deps.lock.acquire(container.id);
    if (timer.signal.aborted || !container.is('restarting')) return;
    container.restartTimer = undefined;
    deps.store.setState(container, { restartCount: container.state.restartCount + 1 });
    try {
      await startContainer(deps, container);
    } catch (error) {
      deps.logger.warn('restart failed', { container: container.id, error });
      if (shouldRestart(container, container.state.exitCode)) {
        deps.store.setState(container, { status: 'restarting', finishedAt: deps.clock.now() });
        restartAfterBackoff(deps, container);
      } else container.tellEnded({ exitCode: container.state.exitCode });
    }
  });
}
