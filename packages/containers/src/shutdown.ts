import type { ContainerDeps } from './deps.ts';
import { suspendForwarding } from './log-forwarding.ts';
import { cancelRestart } from './restart-policy.ts';
import { stopContainer } from './stop.ts';

export async function shutdown(
  deps: ContainerDeps,
  stopping: AbortController,
  options: { readonly keep: boolean; readonly timeoutSeconds: number },
): Promise<void> {
  if (!options.keep) await stopAll(deps, options.timeoutSeconds);
  for (const container of deps.store.list()) container.health?.stop();
  stopping.abort();
  await deps.background.settled();
  await suspendForwarding(deps);
}

async function stopAll(deps: ContainerDeps, timeoutSeconds: number): Promise<void> {
  await Promise.all(
    deps.store.list().map(async (container) => {
      // What the daemon stops is not what the user stopped: `unless-stopped` must start again with the next daemon.
      const { stoppedByUser } = container.state;
      try {
        if (container.is('restarting')) cancelRestart(deps, container);
        else if (container.isRunning)
          await stopContainer(deps, container, { timeout: container.record.settings.stopTimeout ?? timeoutSeconds });
        else return;
        if (deps.store.find(container.id)) deps.store.setState(container, { stoppedByUser });
      } catch (error) {
        deps.logger.error('a container did not stop', { container: container.id, error });
      }
    }),
  );
}
