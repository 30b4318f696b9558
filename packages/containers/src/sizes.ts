import { isKind } from '@berth/base';
import type { ContainerDeps } from './deps.ts';

/** Bytes of the container's own layer, and with all the layers below it. */
export async function sizes(
  deps: ContainerDeps,
  nameOrId: string,
): Promise<{ readonly rw: number; readonly rootFs: number }> {
  const container = deps.store.get(nameOrId);
  try {
    const rw = (await deps.snapshotter.usage(container.id)).bytes;
    let rootFs = rw;
    for (
      let key = deps.snapshotter.stat(container.id)?.parent;
      key !== undefined;
      key = deps.snapshotter.stat(key)?.parent
    )
      rootFs += (await deps.snapshotter.usage(key)).bytes;
    return { rw, rootFs };
  } catch (error) {
    // Removed while it was being measured.
    if (isKind(error, 'notFound')) return { rw: 0, rootFs: 0 };
    throw error;
  }
}
