import type { ContainerDeps } from './deps.ts';
import { emitContainer } from './events.ts';
import { cancelRestart } from './restart-policy.ts';
import { startContainer } from './start.ts';
import { type StopOptions, stopContainer } from './stop.ts';

export async function restart(deps: ContainerDeps, nameOrId: string, options: StopOptions = {}): Promise<void> {
  const container = deps.store.get(nameOrId);
  container.keepOnExit = true;
  try {
    cancelRestart(deps, container);
    if (container.isRunning) await stopContainer(deps, container, options);
    using _held = await deps.lock.acquire(container.id);
    deps.store.setState(container, { stoppedByUser: false });
    if (!container.isRunning) await startContainer(deps, container);
  } finally {
    container.keepOnExit = false;
  }
  emitContainer(deps, container, 'restart');
}
