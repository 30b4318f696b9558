import { childrenOf } from '@berth/oci';
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
function blobs(context: ImageContext): Collectable {
  type Key = Parameters<typeof context.content.stat>[0];
  return {
    kind: 'blob',
    *list() {
      for (const { digest } of context.content.list()) yield digest;
    },
    roots: () => [],
    references: async (key) => {
      const document = await context.documents.tryManifest(key as Key);
      if (!document) return [];
      const children = childrenOf(document).map((child) => child.digest);
      return [...children.map(blobRef), ...(await chainOf(context, document)).map(snapshotRef)];
    },
    remove: async (key) => {
      const bytes = context.content.stat(key as Key)?.size ?? 0;
      await context.content.remove(key as Key);
      context.records.deleteSources(key as Key);
      return bytes;
    },
    size: (key) => context.content.stat(key as Key)?.size ?? 0,
  };
}

function snapshots(context: ImageContext): Collectable {
  const sizeOf = (key: string): Promise<number> =>
    context.snapshotter.usage(key).then(
      ({ bytes }) => bytes,
      () => 0,
    );
  return {
    kind: 'snapshot',
    *list() {
      for (const { key } of context.snapshotter.list()) yield key;
    },
    // Active snapshots and views belong to a container or a build, which remove them themselves; sweeping one from
    // under its owner could never be right.
    *roots() {
      for (const { kind, key } of context.snapshotter.list())
        if (kind !== 'committed' && !key.startsWith(UNPACK_PREFIX)) yield snapshotRef(key);
    },
    references: (key) => {
      const parent = context.snapshotter.stat(key)?.parent;
      return parent === undefined ? [] : [snapshotRef(parent)];
    },
    // The record must go before the first await, so usage is only asked for here, not waited for: it is known by now
    // unless the snapshot was never measured.
    remove: async (key) => {
      const usage = sizeOf(key);
      await context.snapshotter.remove(key);
      return await usage;
    },
    size: sizeOf,
  };
}
