import { mkdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { type CallOptions, randomId } from '@berth/base';
import { mountAll, unmount } from '@berth/linux';
import { type LayersRef, topOf } from './refs.ts';
import type { OpContext } from './services.ts';

/** Prefix of the keys of a build's active snapshots. */
export const SNAPSHOT_PREFIX = 'build-';

/**
 * Runs `change` on a writable copy of a root file system and turns what it changed into a layer on top; the same
 * layers come back when nothing changed. `beforeWrite` runs once the file system is unmounted again.
 */
export async function changeRootfs(
  context: OpContext,
  base: LayersRef,
  change: (root: string) => Promise<void>,
  options: CallOptions & { readonly beforeWrite?: (snapshot: string) => void } = {},
): Promise<LayersRef> {
  const { snapshotter, images } = context;
  const key = SNAPSHOT_PREFIX + randomId();
  const parent = topOf(base);
  const mounts = await snapshotter.prepare(key, parent);
  try {
    await mounted(context, mounts, change);
    options.beforeWrite?.(key);
    const written = await images.writeLayer(key, {
      commit: true,
      signal: options.signal,
      ...(parent === undefined ? {} : { parentChainId: parent }),
    });
    if (!written.layer) return base;
    context.hold(written.layer);
    return { ...base, layers: [...base.layers, written.layer] };
  } finally {
    if (snapshotter.stat(key)) await snapshotter.remove(key);
  }
}

/** Looks at a root file system without changing it. */
export async function viewRootfs<T>(
  context: OpContext,
  base: LayersRef,
  look: (root: string) => Promise<T>,
): Promise<T> {
  const parent = topOf(base);
  if (parent === undefined) return await mounted(context, [], look);
  const key = SNAPSHOT_PREFIX + randomId();
  const mounts = await context.snapshotter.view(key, parent);
  try {
    return await mounted(context, mounts, look);
  } finally {
    await context.snapshotter.remove(key);
  }
}

async function mounted<T>(
  context: OpContext,
  mounts: Parameters<typeof mountAll>[0],
  work: (root: string) => Promise<T>,
): Promise<T> {
  const root = join(context.workDir, `root-${randomId().slice(0, 16)}`);
  mkdirSync(root);
  try {
    mountAll(mounts, root);
    try {
      return await work(root);
    } finally {
      try {
        await unmount(root, { recursive: true });
      } catch (error) {
        context.logger.warn('a build step left its file system busy', { error });
        await unmount(root, { recursive: true, detach: true });
      }
    }
  } finally {
    rmdirSync(root);
  }
}
