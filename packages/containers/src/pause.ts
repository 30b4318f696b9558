import { conflict, internal } from '@berth/base';
import type { OciRuntime } from '@berth/runtime';
import type { Container } from './container.ts';
import type { ContainerDeps } from './deps.ts';
import { emitContainer } from './events.ts';

export async function pause(deps: ContainerDeps, nameOrId: string): Promise<void> {
  const container = deps.store.get(nameOrId);
  using _held = await deps.lock.acquire(container.id);
  if (container.is('paused')) throw conflict(`Container ${container.id} is already paused`);
  if (container.is('restarting'))
    throw conflict(`Container ${container.id} is restarting, wait until the container is running`);
  if (!container.is('running')) throw conflict(`container ${container.id} is not running`);
  await runtimeOf(deps, container).pause(container.id);
  deps.store.setState(container, { status: 'paused' });
  container.health?.suspend();
  emitContainer(deps, container, 'pause');
}

export async function unpause(deps: ContainerDeps, nameOrId: string): Promise<void> {
  const container = deps.store.get(nameOrId);
  using _held = await deps.lock.acquire(container.id);
  if (!container.is('paused')) throw conflict(`Container ${container.id} is not paused`);
  await runtimeOf(deps, container).resume(container.id);
  deps.store.setState(container, { status: 'running' });
  container.health?.proceed();
  emitContainer(deps, container, 'unpause');
}

export function runtimeOf(deps: ContainerDeps, container: Container): OciRuntime {
  const runtime = deps.runtimes.get(container.record.runtime);
  if (!runtime)
    throw internal(`runtime ${container.record.runtime} of container ${container.id} is not configured any more`);
  return runtime;
}
