/**
 * One kind of stored object taking part in the single mark-and-sweep (`collectGarbage`). Each owning package passes one
 * for its kind; nodes of other kinds are named, not known: an image names blobs, a blob (a manifest) names blobs and
 * snapshots.
 *
 * A node lives when it is reachable from any `roots()` (records users see: image names, containers, build cache
 * entries) or from a lease.
 */
export interface Collectable {
  readonly kind: string;
  /** Every existing node of this kind. */
  list(): Iterable<string>;
  /** Whether a node exists; without it `list` is searched. */
  has?(key: string): boolean;
  /** Nodes alive by themselves, of any kind. */
  roots(): Iterable<NodeRef>;
  /** What this node keeps alive; nothing when the node does not exist (a lease may name what is still to come). */
  references(key: string): Iterable<NodeRef> | Promise<Iterable<NodeRef>>;
  /**
   * Nodes of the same kind that refer to this one and that it can not be removed before: they go with it, also when
   * only some nodes are collected. Without it a node has none.
   */
  dependents?(key: string): Iterable<string>;
  /** Removes the node, its record before the first await; returns the bytes freed. Children of snapshots are removed before their parents by the collector's order. */
  remove(key: string): Promise<number>;
  /** Bytes that removing the node would free, for a dry run. */
  size?(key: string): number | Promise<number>;
}

export interface NodeRef {
  readonly kind: string;
  readonly key: string;
}
