import { type CallOptions, invalid } from '@berth/base';
import type { ExitNotice } from './container.ts';
import type { ContainerDeps } from './deps.ts';

export type WaitCondition = 'not-running' | 'next-exit' | 'removed';

/**
 * Begins to wait for a container. Resolving the outer promise means the wait is armed (the API sends its headers then,
 * and `docker run` starts the container after that); `result` resolves when the condition holds.
 */
export function wait(
  deps: ContainerDeps,
  nameOrId: string,
  condition: string,
  options: CallOptions = {},
): { readonly result: Promise<ExitNotice> } {
  const container = deps.store.get(nameOrId);
  const cancellable = (waiter: {
    readonly promise: Promise<ExitNotice>;
    readonly cancel: () => void;
  }): { readonly result: Promise<ExitNotice> } => {
    options.signal?.addEventListener('abort', waiter.cancel, { once: true });
    return { result: waiter.promise };
  };
  switch (condition) {
    case '':
    case 'not-running':
      if (container.isRunning || container.is('restarting')) return cancellable(container.runWaiters.add());
      return { result: Promise.resolve({ exitCode: container.state.exitCode }) };
    case 'next-exit':
      return cancellable(container.runWaiters.add());
    case 'removed':
      return cancellable(container.removeWaiters.add());
    default:
      throw invalid(`invalid condition: "${condition}"`);
  }
}
