import { isKind } from '@berth/base';
import type { Collectable, NodeRef } from '@berth/state';
import type { StoredSnapshotter } from './recorded-snapshotter.ts';

export const SNAPSHOT_KIND = 'snapshot';

/** A snapshot as a node of the object graph. */
export const snapshotRef = (key: string): NodeRef => ({ kind: SNAPSHOT_KIND, key });

/**
 * Snapshots as seen by the collector: each keeps its parent alive, none is a root by itself. Containers and build cache
 * entries name the ones they need; whoever works on one holds a lease on its key, before and after commit.
 */
export function snapshotCollectable(snapshots: StoredSnapshotter): Collectable {
  return {
    kind: SNAPSHOT_KIND,
    *list() {
      for (const { key } of snapshots.list()) yield key;
    },
    roots: () => [],
    references(key) {
      const parent = snapshots.stat(key)?.parent;
      return parent === undefined ? [] : [snapshotRef(parent)];
    },
    async remove(key) {
      try {
        return await snapshots.removeMeasured(key);
      } catch (error) {
        if (isKind(error, 'notFound')) return 0;
        throw error;
      }
    },
    async size(key) {
      return snapshots.stat(key) === undefined ? 0 : (await snapshots.usage(key)).bytes;
    },
  };
}
