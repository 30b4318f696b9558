import { contentCollectable } from '@berth/content';
import { childrenOf, type Digest } from '@berth/oci';
import { snapshotCollectable } from '@berth/snapshots';
import { type Collectable, collectGarbage, type NodeRef } from '@berth/state';
import type { ImageContext } from './context.ts';
import { chainOf } from './footprint.ts';
import { UNPACK_PREFIX } from './layer-work.ts';
import { blobRef, snapshotRef } from './lease.ts';
import { LeastRecent } from './least-recent.ts';

/** This package's part in the one mark-and-sweep: image names, blobs and snapshots. */
export function collectables(context: ImageContext): readonly Collectable[] {
  return [imageNames(context), blobs(context), snapshots(context)];
}

/**
 * Frees what nothing holds any more; returns the bytes that the file systems got back. With `among` only those objects
 * and what they refer to are looked at, which costs little however much is stored.
 */
export async function sweep(context: ImageContext, among?: readonly NodeRef[]): Promise<number> {
  if (context.collect) return (await context.collect(among)).bytes;
  using _only = await context.locks.acquire('collect');
  const { bytes, failed } = await collectGarbage(collectables(context), {
    leases: context.leases,
    version: () => context.state.version,
    ...(among ? { among } : {}),
  });
  for (const { node, error } of failed) context.logger.warn('could not remove garbage', { ...node, error });
  return bytes;
}

/** Every name holds its image, a dangling one too: it goes by `rmi` or `prune` only. */
const imageNames = (context: ImageContext): Collectable => ({
  kind: 'image',
  list: () => [],
  has: () => false,
  roots: () => context.records.targets().map(blobRef),
  references: () => [],
  remove: async () => 0,
});

/** Blobs whose references are kept in memory. */
const KNOWN_BLOBS = 65_536;

/** A manifest keeps what it names, and the snapshots its layers were unpacked to. */
function blobs(context: ImageContext): Collectable {
  const known = new LeastRecent<readonly NodeRef[]>(KNOWN_BLOBS);
  const find = async (digest: Digest): Promise<readonly NodeRef[]> => {
    const document = await context.documents.tryManifest(digest);
    if (!document) {
      if (context.content.stat(digest)) known.set(digest, []);
      return [];
    }
    const chain = await chainOf(context, document);
    const references = [...childrenOf(document).map((child) => blobRef(child.digest)), ...chain.map(snapshotRef)];
    // without its configuration the chain is not known yet
    if (chain.length > 0 || document.kind === 'index') known.set(digest, references);
    return references;
  };
  return contentCollectable(context.content, (digest) => known.get(digest) ?? find(digest));
}

/**
 * Active snapshots and views belong to a container or a build, which remove them themselves; sweeping one from under
 * its owner could never be right. Those of this package are leased while they are worked on.
 */
const snapshots = (context: ImageContext): Collectable => ({
  ...snapshotCollectable(context.snapshotter),
  *roots() {
    for (const { key } of context.snapshotter.uncommitted()) if (!key.startsWith(UNPACK_PREFIX)) yield snapshotRef(key);
  },
});
