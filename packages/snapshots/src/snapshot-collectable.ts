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
  /** References of committed snapshots, which never change. */
  const known = new Map<string, readonly NodeRef[]>();
  return {
    kind: SNAPSHOT_KIND,
    *list() {
      for (const { key } of snapshots.list()) yield key;
    },
    has: (key) => snapshots.stat(key) !== undefined,
    roots: () => [],
    references(key) {
      const before = known.get(key);
      if (before) return before;
      const info = snapshots.stat(key);
      const references = info?.parent === undefined ? [] : [snapshotRef(info.parent)];
      if (info?.kind === 'committed') known.set(key, references);
      return references;
    },
    dependents: (key) => snapshots.committedChildren(key),
    async remove(key) {
      known.delete(key);
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
