import { kindOf } from '@berth/base';
import type { Container } from './container.ts';
import type { ContainerDeps } from './deps.ts';
import { emitContainer } from './events.ts';
import { startContainer } from './start.ts';

const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 60_000;
/** A run this long counts as a success: the back-off begins anew. */
const STABLE_RUN_MS = 10_000;

/** Whether the policy brings the container back after this exit. */
export function shouldRestart(container: Container, exitCode: number): boolean {
  const policy = container.record.host.restartPolicy;
  switch (policy?.name) {
    case 'always':
    case 'unless-stopped':
      return !container.state.stoppedByUser;
    case 'on-failure': {
      const limit = policy.maximumRetryCount ?? 0;
      return exitCode !== 0 && !container.state.stoppedByUser && (limit === 0 || container.state.restartCount < limit);
    }
    default:
      return false;
  }
}

/** Whether a daemon start (or the end of a host's reboot) starts the container. */
export function startsWithDaemon(container: Container): boolean {
  switch (container.record.host.restartPolicy?.name) {
    case 'always':
      return !container.is('created');
    case 'unless-stopped':
      return !container.is('created') && !container.state.stoppedByUser;
    case 'on-failure':
      return container.state.exitCode !== 0 && shouldRestart(container, container.state.exitCode);
    default:
      return false;
  }
}

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
      } else container.exitWaiters.notify({ exitCode: container.state.exitCode });
    }
  });
}

/** Gives up a scheduled restart; true when there was one. */
export function cancelRestart(deps: ContainerDeps, container: Container): boolean {
  if (!container.is('restarting')) return false;
  container.restartTimer?.abort();
  container.restartTimer = undefined;
  deps.store.setState(container, { status: 'exited', stoppedByUser: true });
  container.exitWaiters.notify({ exitCode: container.state.exitCode });
  emitContainer(deps, container, 'stop');
  return true;
}
