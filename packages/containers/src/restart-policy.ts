import type { Container } from './container.ts';
import type { ContainerDeps } from './deps.ts';
import { emitContainer } from './events.ts';

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

/** Gives up a scheduled restart; true when there was one. */
export function cancelRestart(deps: ContainerDeps, container: Container): boolean {
  if (!container.is('restarting')) return false;
  container.restartTimer?.abort();
  container.restartTimer = undefined;
  deps.store.setState(container, { status: 'exited', stoppedByUser: true });
  container.tellEnded({ exitCode: container.state.exitCode });
  emitContainer(deps, container, 'stop');
  return true;
}
