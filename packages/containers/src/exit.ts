import type { ExitStatus, Task } from '@berth/runtime';
import type { Container } from './container.ts';
import type { ContainerDeps } from './deps.ts';
import { emitContainer } from './events.ts';
import { removeContainer } from './remove.ts';
import { releaseResources } from './resources.ts';
import { shouldRestart } from './restart-policy.ts';
import { restartAfterBackoff } from './restart-schedule.ts';

/** Follows a running task to its end, in the background. */
export function watchExit(deps: ContainerDeps, container: Container, task: Task): void {
  deps.background.run(`watch ${container.id}`, async () => {
    const status = await task.wait({ signal: deps.background.stopping }).catch((error: unknown) => {
      if (deps.background.stopping.aborted) return undefined;
      throw error;
    });
    if (status === undefined) return;
    using _held = await deps.lock.acquire(container.id);
    if (container.task !== task) return;
    await handleExit(deps, container, task, status);
  });
}

/** Records an exit, frees what the run used, tells everybody, and applies the restart policy. The caller holds the lock. */
export async function handleExit(
  deps: ContainerDeps,
  container: Container,
  task: Task,
  status: ExitStatus,
): Promise<void> {
  container.health?.stop();
  container.health = undefined;
  container.logRotation?.[Symbol.dispose]();
  container.logRotation = undefined;
  container.logForwarder?.end();
  container.task = undefined;
  const restart =
    !container.keepOnExit && !deps.background.stopping.aborted && shouldRestart(container, status.exitCode);
  const startedAt = container.state.startedAt ?? status.exitedAt;
  const seconds = Math.max(0, Math.round((status.exitedAt.getTime() - startedAt.getTime()) / 1000));
  // Before the task is released: with it goes the only other place that knows the exit code.
  deps.store.setState(container, {
    status: restart ? 'restarting' : 'exited',
    pid: 0,
    exitCode: status.exitCode,
    oomKilled: status.oomKilled,
    finishedAt: status.exitedAt,
  });
  await releaseResources(deps, container, task);
  if (status.oomKilled) emitContainer(deps, container, 'oom');
  emitContainer(deps, container, 'die', { exitCode: String(status.exitCode), execDuration: String(seconds) });
  if (restart) {
    container.runWaiters.notify({ exitCode: status.exitCode });
    restartAfterBackoff(deps, container);
    return;
  }
  container.tellEnded({ exitCode: status.exitCode });
  if (container.record.host.autoRemove && !container.keepOnExit)
    await removeContainer(deps, container, { removeVolumes: true });
}
