import type { Container } from './container.ts';
import type { ContainerDeps } from './deps.ts';
import { removeContainer } from './remove.ts';

/** Removes every container that does not run and that `matches`; returns their IDs and the bytes they held. */
export async function prune(
  deps: ContainerDeps,
  matches: (container: Container) => boolean,
): Promise<{ readonly ids: readonly string[]; readonly bytes: number }> {
  const ids: string[] = [];
  let bytes = 0;
  for (const container of deps.store.list()) {
    if (!container.is('created', 'exited', 'dead') || !matches(container)) continue;
    using _held = await deps.lock.acquire(container.id);
    if (!container.is('created', 'exited', 'dead')) continue;
    bytes += (await deps.snapshotter.usage(container.id)).bytes;
    await removeContainer(deps, container, {});
    ids.push(container.id);
  }
  if (ids.length > 0) deps.emit('container', 'prune', '', { reclaimed: String(bytes) });
  return { ids, bytes };
}
