import { mkdir } from 'node:fs/promises';
import { packDirectory } from '@berth/archive';
import { withMounts } from '@berth/linux';
import type { ByteStream } from '@berth/oci';
import type { ContainerDeps } from './deps.ts';
import { emitContainer } from './events.ts';
import { rootfsPath } from './paths.ts';

/** Sends a tar of the whole root file system, without volumes. */
export async function exportContainer(
  deps: ContainerDeps,
  nameOrId: string,
  send: (archive: ByteStream) => Promise<void>,
): Promise<void> {
  const container = deps.store.get(nameOrId);
  const pack = (root: string): Promise<void> => send(packDirectory(root, { paths: ['.'] }));
  if (container.isRunning) await pack(rootfsPath(deps, container.id));
  else {
    await mkdir(deps.paths.mounts, { recursive: true });
    await withMounts(await deps.snapshotter.mounts(container.id), deps.paths.mounts, pack);
  }
  emitContainer(deps, container, 'export');
}
