import { isKind } from '@berth/base';
import type { Digest } from '@berth/oci';
import type { Collectable, NodeRef } from '@berth/state';
import type { ContentStore } from './content-store.ts';
import { allocated } from './disk-report.ts';

export const BLOB_KIND = 'blob';

/** A blob as a node of the object graph. */
export const blobRef = (digest: Digest): NodeRef => ({ kind: BLOB_KIND, key: digest });

/** Bytes in allocated blocks of a blob, which is what its removal gives back; 0 when it is not stored. */
export const blobDiskUsage = (store: Pick<ContentStore, 'stat' | 'path'>, digest: Digest): number =>
  store.stat(digest) === undefined ? 0 : allocated(store.path(digest));

/**
 * Blobs as seen by the collector. What a blob refers to (a manifest its layers, a configuration its snapshots) is known
 * by whoever reads manifests and passed in (it answers nothing for a blob that is not stored); blobs are never roots by themselves.
 */
export function contentCollectable(
  store: ContentStore,
  references: (digest: Digest) => Iterable<NodeRef> | Promise<Iterable<NodeRef>>,
): Collectable {
  return {
    kind: BLOB_KIND,
    *list() {
      for (const { digest } of store.list()) yield digest;
    },
    has: (key) => store.stat(key as Digest) !== undefined,
    roots: () => [],
    references: (key) => references(key as Digest),
    async remove(key) {
      const bytes = blobDiskUsage(store, key as Digest);
      try {
        await store.remove(key as Digest);
      } catch (error) {
        if (isKind(error, 'notFound')) return 0;
        throw error;
      }
      return bytes;
    },
    size: (key) => blobDiskUsage(store, key as Digest),
  };
}
