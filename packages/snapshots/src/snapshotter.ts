import type { CallOptions } from '@berth/base';
import type { Mount } from '@berth/linux';

/**
 * Layered file systems, as data: a driver hands out {@link Mount}s and never mounts anything itself.
 *
 * Vocabulary. A *committed* snapshot is immutable and may be a parent; its key for an image layer is the chain ID. An
 * *active* snapshot is writable (a container's own layer, a layer being unpacked). A *view* is read-only.
 *
 *     const mounts = await snapshots.prepare('unpack-7', parentChainId);
 *     // mount, apply the layer's archive, unmount
 *     await snapshots.commit(chainId, 'unpack-7');
 *
 * Drivers with `capabilities.rebase` may prepare without a parent and name it at commit, so that the layers of an image
 * unpack in parallel, each straight into `diffPath(key)` with overlay-style whiteouts (character device 0/0,
 * `trusted.overlay.opaque`).
 *
 * Every state change is a database transaction; a directory without a record is garbage that `cleanup` removes, and
 * `remove` takes a snapshot's record away before its files.
 *
 * Errors: `notFound`, `conflict` (key exists; snapshot has children; parent not committed), `exhausted`.
 */
export interface Snapshotter {
  readonly driver: string;
  /** Grows whenever a committed snapshot is made or removed. */
  readonly generation: number;
  readonly capabilities: { readonly rebase: boolean };
  prepare(key: string, parent?: string, options?: CallOptions & MountOptions): Promise<readonly Mount[]>;
  view(key: string, parent: string): Promise<readonly Mount[]>;
  /** Makes the active snapshot `key` the committed snapshot `name`. `parent` only with `capabilities.rebase`. */
  commit(name: string, key: string, options?: { readonly parent?: string }): Promise<void>;
  /** Of an active snapshot or a view; `conflict` for a committed one, which nothing may change: make a view of it. */
  mounts(key: string, options?: MountOptions): Promise<readonly Mount[]>;
  stat(key: string): SnapshotInfo | undefined;
  /** Disk used by this snapshot alone, without its parents: everything in its directory. Zero for a view. */
  usage(key: string, options?: CallOptions): Promise<Usage>;
  list(): Iterable<SnapshotInfo>;
  remove(key: string): Promise<void>;
  /** Directory holding only this snapshot's own changes (overlay upper); undefined where the driver has none (vfs). */
  diffPath(key: string): string | undefined;
  /** Lower directories of this snapshot, nearest first; for vfs its one full tree's parent, if any. */
  lowerPaths(key: string): readonly string[];
  /** Removes directories without a record; returns bytes freed. Called at daemon start. */
  cleanup(): Promise<number>;
}

export interface MountOptions {
  /**
   * Do without flushing: unmounting an overlay otherwise writes out the whole file system below it, and waits. Programs'
   * own fsync calls are not heard either, so only for what can be made again (unpacking, build steps), never for a
   * container a user runs. Ignored where the driver has nothing of the kind.
   */
  readonly volatile?: boolean;
}

export type SnapshotKind = 'active' | 'committed' | 'view';

export interface SnapshotInfo {
  readonly key: string;
  readonly kind: SnapshotKind;
  readonly parent?: string;
  readonly createdAt: Date;
}

export interface Usage {
  /** Bytes in allocated blocks, as `du` counts them. */
  readonly bytes: number;
  readonly inodes: number;
}
