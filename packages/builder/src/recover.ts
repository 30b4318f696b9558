import { lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isKind } from '@berth/base';
import { unmount } from '@berth/linux';
import { killProcessesNaming } from '@berth/runtime';
import type { BuildServiceDeps } from './build-service.ts';
import { SNAPSHOT_PREFIX } from './ops/change-rootfs.ts';
import { BUNDLE_PREFIX } from './ops/run.ts';

const PATIENCE_MS = 5000;

/** Undoes what builds of a killed daemon left: containers still running, mounts, working directories, snapshots. */
export async function recover(deps: BuildServiceDeps): Promise<void> {
  for (const { id, bundle } of await leftContainers(deps.workRoot)) {
    try {
      // a runtime that goes on would make what is deleted now a moment later
      await killProcessesNaming(bundle, Date.now() + PATIENCE_MS);
      await deps.runtime.delete(id, { force: true });
    } catch (error) {
      if (!isKind(error, 'notFound')) deps.logger.warn('a left build container could not be removed', { id, error });
    }
    await deps.networks.closeSandbox(id);
  }
  await unmount(deps.workRoot, { recursive: true, detach: true });
  for (const name of await readdir(deps.workRoot))
    await rm(join(deps.workRoot, name), { recursive: true, force: true });
  for (const { key, kind } of [...deps.snapshotter.list()])
    if (kind !== 'committed' && key.startsWith(SNAPSHOT_PREFIX)) await deps.snapshotter.remove(key);
}

async function leftContainers(workRoot: string): Promise<readonly { id: string; bundle: string }[]> {
  const left: { id: string; bundle: string }[] = [];
  for (const build of await readdir(workRoot))
    for (const name of await entriesOf(join(workRoot, build)))
      if (name.startsWith(BUNDLE_PREFIX))
        left.push({ id: name.slice(BUNDLE_PREFIX.length), bundle: join(workRoot, build, name) });
  return left;
}

const entriesOf = async (directory: string): Promise<readonly string[]> =>
  (await lstat(directory)).isDirectory() ? await readdir(directory) : [];
