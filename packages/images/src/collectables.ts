import { contentCollectable } from '@berth/content';
import { childrenOf } from '@berth/oci';
import { snapshotCollectable } from '@berth/snapshots';
import { type Collectable, collectGarbage, type NodeRef } from '@berth/state';
import type { ImageContext } from './context.ts';
import { chainOf } from './footprint.ts';
import { UNPACK_PREFIX } from './layer-work.ts';
import { blobRef, snapshotRef } from './lease.ts';

/** This package's part in the one mark-and-sweep: image names, blobs and snapshots. */
export function collectables(context: ImageContext): readonly Collectable[] {
  return [imageNames(context), blobs(context), snapshots(context)];
}

/** Frees whatever nothing holds any more; returns the bytes that the file systems got back. */
export async function sweep(context: ImageContext): Promise<number> {
  if (context.collect) return (await context.collect()).bytes;
  using _only = await context.locks.acquire('collect');
  const { bytes, failed } = await collectGarbage(collectables(context), { leases: context.leases });
  for (const { node, error } of failed) context.logger.warn('could not remove garbage', { ...node, error });
  return bytes;
}

function imageNames(context: ImageContext): Collectable {
  return {
    kind: 'image',
    list: () => context.records.all().map((record) => record.name),
    // Every name is wanted, a dangling one too: it goes by `rmi` or `prune` only.
    roots: () => context.records.all().map((record): NodeRef => ({ kind: 'image', key: record.name })),
    references: (name) => {
      const record = context.records.get(name);
      return record ? [blobRef(record.target.digest)] : [];
    },
    remove: async (name) => {
      context.records.delete(name);
      return 0;
    },
  };
}

/** A manifest keeps what it names, and the snapshots its layers were unpacked to. */
const blobs = (context: ImageContext): Collectable =>
  contentCollectable(context.content, async (digest) => {
    const document = await context.documents.tryManifest(digest);
    if (!document) return [];
    const children = childrenOf(document).map((child) => blobRef(child.digest));
    return [...children, ...(await chainOf(context, document)).map(snapshotRef)];
  });

/**
 * Active snapshots and views belong to a container or a build, which remove them themselves; sweeping one from under
 * its owner could never be right. Those of this package are leased while they are worked on.
 */
const snapshots = (context: ImageContext): Collectable => ({
  ...snapshotCollectable(context.snapshotter),
  *roots() {
    for (const { kind, key } of context.snapshotter.list())
      if (kind !== 'committed' && !key.startsWith(UNPACK_PREFIX)) yield snapshotRef(key);
  },
});
