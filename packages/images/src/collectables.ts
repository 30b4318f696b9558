import { contentCollectable } from '@berth/content';
import { childrenOf, type Digest } from '@berth/oci';
import { snapshotCollectable } from '@berth/snapshots';
import { type Collectable, collectGarbage, type NodeRef } from '@berth/state';
import type { ImageContext } from './context.ts';
import { chainOf } from './footprint.ts';
import { UNPACK_PREFIX } from './layer-work.ts';
import { blobRef, snapshotRef } from './lease.ts';

/** This package's part in the one mark-and-sweep: image names, blobs and snapshots. */
export function collectables(context: Omit<ImageContext, 'collect'>): readonly Collectable[] {
  return [imageNames(context), blobs(context), snapshots(context)];
}

/**
 * Frees what nothing holds any more; returns the bytes that the file systems got back. With `among` only those objects
 * and what they refer to are looked at, which costs little however much is stored.
 */
export const sweep = async (context: ImageContext, among?: readonly NodeRef[]): Promise<number> =>
  (await context.collect(among)).bytes;

/** As `sweep`, where a failure must not spoil what was achieved: the next sweep tries again. */
export async function sweepQuietly(context: ImageContext, after: string, among?: readonly NodeRef[]): Promise<void> {
  try {
    await sweep(context, among);
  } catch (error) {
    context.logger.warn(`could not remove what a ${after} left`, { error });
  }
}

/** A collector of this package's objects only, for a service that was given none. */
export function createOwnCollector(
  context: Omit<ImageContext, 'collect'>,
  own: readonly Collectable[],
): ImageContext['collect'] {
  return async (among) => {
    using _only = await context.locks.acquire('collect');
    const { leases, state } = context;
    const collected = await collectGarbage(own, { leases, version: () => state.version, ...(among ? { among } : {}) });
    for (const { node, error } of collected.failed) context.logger.warn('could not remove garbage', { ...node, error });
    return collected;
  };
}

/** Every name holds its image, a dangling one too: it goes by `rmi` or `prune` only. */
const imageNames = (context: Pick<ImageContext, 'records'>): Collectable => ({
  kind: 'image',
  list: () => [],
  has: () => false,
  roots: () => context.records.targets().map(blobRef),
  references: () => [],
  remove: async () => 0,
});

/** Blobs whose references are kept in memory. */
const KNOWN_BLOBS = 262_144;
const NONE: readonly NodeRef[] = [];

/** A manifest keeps what it names, what came with it about it, and the snapshots its layers were unpacked to. */
function blobs(context: Pick<ImageContext, 'documents' | 'content' | 'records'>): Collectable {
  const known = new Map<Digest, readonly NodeRef[]>();
  const remember = (digest: Digest, references: readonly NodeRef[]): void => {
    if (known.size >= KNOWN_BLOBS) known.clear();
    known.set(digest, references);
  };
  const find = async (digest: Digest): Promise<readonly NodeRef[]> => {
    const document = await context.documents.tryManifest(digest);
    if (!document) {
      if (context.content.stat(digest)) remember(digest, NONE);
      return [];
    }
    const chain = await chainOf(context, document);
    const references = [...childrenOf(document).map((child) => blobRef(child.digest)), ...chain.map(snapshotRef)];
    // without its configuration the chain is not known yet
    if (chain.length > 0 || document.kind === 'index') remember(digest, references);
    return references;
  };
  const references = (digest: Digest): readonly NodeRef[] | Promise<readonly NodeRef[]> => {
    const named = known.get(digest) ?? find(digest);
    const referrers = context.records.referrers(digest).map(({ target }) => blobRef(target.digest));
    if (referrers.length === 0) return named;
    return Promise.resolve(named).then((nodes) => [...nodes, ...referrers]);
  };
  const collectable = contentCollectable(context.content, references);
  return {
    ...collectable,
    remove(key) {
      context.records.deleteBlob(key as Digest);
      return collectable.remove(key);
    },
  };
}

/**
 * Active snapshots and views belong to a container or a build, which remove them themselves; sweeping one from under
 * its owner could never be right. Those of this package are leased while they are worked on.
 */
const snapshots = (context: Pick<ImageContext, 'snapshotter'>): Collectable => ({
  ...snapshotCollectable(context.snapshotter),
  *roots() {
    for (const { key } of context.snapshotter.uncommitted()) if (!key.startsWith(UNPACK_PREFIX)) yield snapshotRef(key);
  },
});
