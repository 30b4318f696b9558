import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { unmount } from '@berth/linux';
import type { BuildServiceDeps } from './build-service.ts';
import { SNAPSHOT_PREFIX } from './ops/change-rootfs.ts';

/** Containers of killed builds are the runtime's to find: their cgroup is below ours and dies with the daemon's cgroup. */
export async function recover(deps: BuildServiceDeps): Promise<void> {
  await unmount(deps.workRoot, { recursive: true, detach: true });
  for (const name of await readdir(deps.workRoot))
    await rm(join(deps.workRoot, name), { recursive: true, force: true });
  for (const { key, kind } of [...deps.snapshotter.list()])
    if (kind !== 'committed' && key.startsWith(SNAPSHOT_PREFIX)) await deps.snapshotter.remove(key);
}
