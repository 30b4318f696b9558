import { isKind } from '@berth/base';
import type { Digest } from '@berth/oci';
import type { Collectable, NodeRef } from '@berth/state';
import type { ContentStore } from './content-store.ts';

export const BLOB_KIND = 'blob';

/** A blob as a node of the object graph. */
export const blobRef = (digest: Digest): NodeRef => ({ kind: BLOB_KIND, key: digest });

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
      const size = store.stat(key as Digest)?.size ?? 0;
      try {
        await store.remove(key as Digest);
      } catch (error) {
        if (isKind(error, 'notFound')) return 0;
        throw error;
      }
      return size;
    },
    size: (key) => store.stat(key as Digest)?.size ?? 0,
  };
}
