import { statSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { withMounts } from '@berth/linux';
import { copyUp } from '@berth/volumes';
import type { ContainerDeps } from './deps.ts';
import { withPathInRoot } from './root-path.ts';
import type { ContainerRecord } from './types.ts';

/** Fills volumes that are still empty with what the image has at their place, owner and mode of the directory included. */
export async function copyUpVolumes(deps: ContainerDeps, record: ContainerRecord): Promise<void> {
  const wanted = record.mounts.filter(
    (m) => m.type === 'volume' && m.name !== undefined && !m.noCopy && m.subpath === undefined,
  );
  if (wanted.length === 0) return;
  await mkdir(deps.paths.mounts, { recursive: true });
  await withMounts(await deps.snapshotter.mounts(record.id), deps.paths.mounts, async (root) => {
    for (const { name = '', destination } of wanted)
      await deps.volumes.fill(name, record.id, async (target) => {
        await withPathInRoot(root, destination, async (source) => {
          if (statSync(source).isDirectory()) await copyUp(source, target);
        });
      });
  });
}
