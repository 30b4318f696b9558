import { type LayerChange, changes as layerChanges } from '@berth/archive';
import { notImplemented } from '@berth/base';
import type { ContainerDeps } from './deps.ts';

/** What differs from the image: `docker diff`. */
export async function changes(deps: ContainerDeps, nameOrId: string): Promise<readonly LayerChange[]> {
  const container = deps.store.get(nameOrId);
  const upper = deps.snapshotter.diffPath(container.id);
  if (upper === undefined)
    throw notImplemented(`docker diff is not implemented for the ${deps.snapshotter.driver} storage driver`);
  return await layerChanges(upper, deps.snapshotter.lowerPaths(container.id));
}
