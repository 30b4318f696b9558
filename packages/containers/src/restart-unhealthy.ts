import { isKind } from '@berth/base';
import type { Container } from './container.ts';
import type { ContainerDeps } from './deps.ts';
import { emitContainer } from './events.ts';
import { removeContainer } from './remove.ts';
import { startContainer } from './start.ts';
import { stopForRestart } from './stop.ts';

/** A container with this label set to `true` is restarted when its health check finds it unhealthy. */
export const RESTART_UNHEALTHY_LABEL = 'berth.restart-unhealthy';

const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 60_000;

/**
 * Called while a container is unhealthy: restarts it if its label asks for that, at once the first time and
 * later the longer it has not been healthy in between (100 ms, doubled each time, at most a minute). Whoever stops,
 * pauses or restarts it meanwhile, or a probe that succeeds, calls it off.
 */
export function restartUnhealthy(deps: ContainerDeps, container: Container, signal: AbortSignal): void {
  if (container.isRestartingUnhealthy || container.record.settings.labels[RESTART_UNHEALTHY_LABEL] !== 'true') return;
  container.isRestartingUnhealthy = true;
  const delayMs = container.unhealthyDelayMs;
  container.unhealthyDelayMs = delayMs === 0 ? FIRST_DELAY_MS : Math.min(2 * delayMs, LONGEST_DELAY_MS);
  deps.background.run(`restart unhealthy ${container.id}`, async () => {
    try {
      await deps.clock.sleep(delayMs, { signal });
      await restartNow(deps, container, signal);
    } catch (error) {
      if (!isKind(error, 'cancelled')) throw error;
    } finally {
      container.isRestartingUnhealthy = false;
    }
  });
}

async function restartNow(deps: ContainerDeps, container: Container, signal: AbortSignal): Promise<void> {
  const { task } = container;
  const isWanted = (): boolean =>
    !signal.aborted &&
    container.task === task &&
    container.is('running') &&
    !container.state.stoppedByUser &&
    container.state.health?.status === 'unhealthy';
  if (!isWanted()) return;
  deps.logger.info('restarting an unhealthy container', { container: container.id });
  container.keepOnExit = true;
  try {
    await stopForRestart(deps, container);
    using _held = await deps.lock.acquire(container.id);
    // Somebody may have stopped, started or removed it while it was going down.
    if (!container.is('exited') || deps.store.find(container.id) !== container) return;
    if (container.state.stoppedByUser) {
      if (container.record.host.autoRemove) await removeContainer(deps, container, { removeVolumes: true });
      return;
    }
    deps.store.setState(container, { restartCount: container.state.restartCount + 1 });
    await startContainer(deps, container);
  } finally {
    container.keepOnExit = false;
  }
  emitContainer(deps, container, 'restart', { reason: 'unhealthy' });
}
