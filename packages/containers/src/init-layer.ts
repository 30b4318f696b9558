import { mkdir } from 'node:fs/promises';
import { isKind, randomId } from '@berth/base';
import { withMounts } from '@berth/linux';
import type { ContainerDeps } from './deps.ts';
import { makeDirectoryInRoot, makeFileInRoot, makeLinkInRoot } from './root-path.ts';

const DIRECTORIES = ['/dev/pts', '/dev/shm', '/proc', '/sys'];
const FILES = ['/.dockerenv', '/dev/console', '/etc/hostname', '/etc/hosts', '/etc/resolv.conf'];

/**
 * Prepares a container's writable snapshot on top of an image. In between goes one small layer, made once an image,
 * with the places that every run mounts something on: a container's own layer then holds its changes and nothing else,
 * so `diff` and `commit` show what the container did and not what the engine did.
 */
export async function prepareSnapshot(deps: ContainerDeps, id: string, image: string | undefined): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    const parent = await initLayer(deps, image);
    try {
      await deps.snapshotter.prepare(id, parent);
      return;
    } catch (error) {
      // A collection may take an init layer that no container uses yet.
      if (attempt === 3 || !isKind(error, 'notFound')) throw error;
    }
  }
}

function initLayer(deps: ContainerDeps, image: string | undefined): Promise<string> {
  const key = `init-${image ?? 'scratch'}`;
  if (deps.snapshotter.stat(key)) return Promise.resolve(key);
  return deps.initLayers.do(key, async () => {
    if (!deps.snapshotter.stat(key)) await buildInitLayer(deps, key, image);
    return key;
  });
}

async function buildInitLayer(deps: ContainerDeps, key: string, image: string | undefined): Promise<void> {
  const draft = `${key}-${randomId().slice(0, 12)}`;
  await deps.snapshotter.prepare(draft, image);
  try {
    await mkdir(deps.paths.mounts, { recursive: true });
    await withMounts(await deps.snapshotter.mounts(draft, { volatile: true }), deps.paths.mounts, async (root) => {
      for (const path of DIRECTORIES) makeDirectoryInRoot(root, path);
      for (const path of FILES) makeFileInRoot(root, path);
      makeLinkInRoot(root, '/etc/mtab', '/proc/mounts');
    });
    await deps.snapshotter.commit(key, draft);
  } catch (error) {
    await deps.snapshotter
      .remove(draft)
      .catch((cause: unknown) => deps.logger.warn('draft of an init layer stays', { key: draft, error: cause }));
    throw error;
  }
}
