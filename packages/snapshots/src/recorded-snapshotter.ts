import { chmodSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  type CallOptions,
  type Clock,
  conflict,
  createSystemClock,
  invalid,
  type Logger,
  notImplemented,
  silentLogger,
  wrap,
} from '@berth/base';
import { diskUsage, type Mount } from '@berth/linux';
import type { State } from '@berth/state';
import { SnapshotRecords, type SnapshotRow, snapshotInfo } from './records.ts';
import { removeTree } from './remove-tree.ts';
import type { MountOptions, SnapshotInfo, Snapshotter, Usage } from './snapshotter.ts';

export interface SnapshotterOptions {
  /** The driver's own directory, created when missing. */
  readonly root: string;
  readonly state: State;
  readonly clock?: Pick<Clock, 'now'>;
  readonly logger?: Logger;
}

/** A snapshotter with its place on disk, for checks and accounting. */
export interface StoredSnapshotter extends Snapshotter {
  readonly root: string;
  /** Every snapshot with its directory, absolute; a view has none. */
  stored(): Iterable<{ readonly info: SnapshotInfo; readonly directory?: string }>;
  /** Active snapshots and views. */
  uncommitted(): Iterable<SnapshotInfo>;
  /** Keys of the committed snapshots right on top of one. */
  committedChildren(key: string): readonly string[];
  /** `remove`, and says how many bytes that freed. */
  removeMeasured(key: string): Promise<number>;
  /** Names below `root` that no record claims and nothing is working on. */
  strays(): readonly string[];
}

/** What is particular to a driver: the files of a new snapshot, and how one is mounted. Paths are absolute directories. */
export interface SnapshotFiles {
  readonly driver: string;
  /** Fits the files of a snapshot made without a parent to the parent it now gets; absent where that cannot be. */
  rebase?(directory: string, parent: string): void;
  /** Whether a snapshot's directory holds its own changes only, so that its ancestors are needed beneath it. */
  readonly layered: boolean;
  /** Fills the new, empty `directory` of an active snapshot. */
  create(directory: string, parent: string | undefined, options: CallOptions): Promise<void>;
  /** `directory` is undefined for a view; `ancestors` nearest first. */
  mounts(directory: string | undefined, ancestors: readonly string[], options: MountOptions): readonly Mount[];
}

/** File tree of a snapshot within its directory. */
export const treeOf = (directory: string): string => `${directory}/fs`;

/** An empty tree as a new root directory is: 0755 whatever the umask. */
export function makeTree(directory: string): void {
  mkdirSync(treeOf(directory));
  chmodSync(treeOf(directory), 0o755);
}

/**
 * Snapshots as rows of the database with one directory each. The files of a new snapshot are made before its record
 * and removed after it, so that at any instant a record has its files.
 */
export class RecordedSnapshotter implements StoredSnapshotter {
  readonly driver: string;
  readonly root: string;
  readonly capabilities: { readonly rebase: boolean };
  readonly #files: SnapshotFiles;
  readonly #records: SnapshotRecords;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #logger: Logger;
  /** Directories being made or removed just now. */
  readonly #busy = new Set<string>();
  #last: number;
  #generation = 0;

  constructor(files: SnapshotFiles, options: SnapshotterOptions) {
    if (/[:,\\]/.test(options.root)) throw invalid(`${options.root}: a snapshot directory may not contain : , or \\`);
    mkdirSync(options.root, { recursive: true, mode: 0o710 });
    this.driver = files.driver;
    this.root = options.root;
    this.capabilities = { rebase: files.rebase !== undefined };
    this.#files = files;
    this.#records = new SnapshotRecords(options.state, files.driver);
    this.#clock = options.clock ?? createSystemClock();
    this.#logger = options.logger ?? silentLogger;
    const names = [...readdirSync(options.root), ...this.#records.list().map((row) => row.directory)];
    this.#last = Math.max(
      0,
      ...names.filter((name) => /^[0-9a-z]{1,8}$/.test(name)).map((name) => Number.parseInt(name, 36)),
    );
  }

  async prepare(key: string, parent?: string, options: CallOptions & MountOptions = {}): Promise<readonly Mount[]> {
    checkKey(key);
    this.#records.checkFree(key);
    const parentRow = parent === undefined ? undefined : this.#records.committed(parent);
    const name = this.#newName();
    const directory = this.#directory(name);
    this.#busy.add(name);
    try {
      mkdirSync(directory, { mode: 0o710 });
      await this.#files.create(directory, parentRow && this.#directory(parentRow.directory), options);
      this.#records.add(key, 'active', parent, name, this.#clock.now().getTime());
    } catch (error) {
      await this.#discard(directory);
      throw wrap(`prepare snapshot ${key}`, error);
    } finally {
      this.#busy.delete(name);
    }
    return this.#mountsOf(this.#records.get(key), options);
  }

  async view(key: string, parent: string): Promise<readonly Mount[]> {
    checkKey(key);
    this.#records.add(key, 'view', parent, this.#newName(), this.#clock.now().getTime());
    return this.#mountsOf(this.#records.get(key));
  }

  async commit(name: string, key: string, options: { readonly parent?: string } = {}): Promise<void> {
    checkKey(name);
    if (options.parent !== undefined) this.#rebase(key, options.parent);
    this.#records.commit(name, key, options.parent);
    this.#generation++;
  }

  #rebase(key: string, parent: string): void {
    if (!this.#files.rebase)
      throw notImplemented(`the ${this.driver} storage driver cannot change a snapshot's parent`);
    const row = this.#records.get(key);
    const under = this.#records.committed(parent);
    if (row.kind === 'active' && row.parent === null)
      this.#files.rebase(this.#directory(row.directory), this.#directory(under.directory));
  }

  async mounts(key: string, options: MountOptions = {}): Promise<readonly Mount[]> {
    return this.#mountsOf(this.#records.get(key), options);
  }

  #mountsOf(row: SnapshotRow, options: MountOptions = {}): readonly Mount[] {
    if (row.kind === 'committed') throw conflict(`snapshot ${row.key} is committed and cannot be mounted: make a view`);
    const own = row.kind === 'view' ? undefined : this.#directory(row.directory);
    return this.#files.mounts(own, this.#ancestors(row.key), options);
  }

  get generation(): number {
    return this.#generation;
  }

  stat(key: string): SnapshotInfo | undefined {
    const row = this.#records.find(key);
    return row && snapshotInfo(row);
  }

  async usage(key: string, options: CallOptions = {}): Promise<Usage> {
    const row = this.#records.get(key);
    if (row.kind === 'view') return { bytes: 0, inodes: 0 };
    if (row.bytes !== null && row.inodes !== null) return { bytes: row.bytes, inodes: row.inodes };
    const usage = await diskUsage(this.#directory(row.directory), options);
    if (row.kind === 'committed') this.#records.setUsage(key, row.directory, usage);
    return usage;
  }

  *list(): Iterable<SnapshotInfo> {
    for (const row of this.#records.list()) yield snapshotInfo(row);
  }

  *uncommitted(): Iterable<SnapshotInfo> {
    for (const row of this.#records.uncommitted()) yield snapshotInfo(row);
  }

  committedChildren(key: string): readonly string[] {
    return this.#records.committedChildren(key);
  }

  async remove(key: string): Promise<void> {
    await this.#removeFiles(this.#forget(key));
  }

  async removeMeasured(key: string): Promise<number> {
    const row = this.#forget(key);
    return await this.#removeFiles(row, async (directory) => row.bytes ?? (await diskUsage(directory)).bytes);
  }

  #forget(key: string): SnapshotRow {
    const row = this.#records.remove(key);
    if (row.kind === 'committed') this.#generation++;
    return row;
  }

  async #removeFiles(
    row: SnapshotRow,
    measure: (directory: string) => Promise<number> = async () => 0,
  ): Promise<number> {
    if (row.kind === 'view') return 0;
    const directory = this.#directory(row.directory);
    this.#busy.add(row.directory);
    try {
      const bytes = await measure(directory);
      // a committed snapshot is only ever read through mounts elsewhere
      await removeTree(directory, { mayHoldMounts: row.kind !== 'committed' });
      return bytes;
    } catch (error) {
      throw wrap(`remove the files of snapshot ${row.key}`, error);
    } finally {
      this.#busy.delete(row.directory);
    }
  }

  diffPath(key: string): string | undefined {
    const row = this.#records.get(key);
    return this.#files.layered && row.kind !== 'view' ? treeOf(this.#directory(row.directory)) : undefined;
  }

  lowerPaths(key: string): readonly string[] {
    this.#records.get(key);
    const ancestors = this.#ancestors(key).map(treeOf);
    return this.#files.layered ? ancestors : ancestors.slice(0, 1);
  }

  *stored(): Iterable<{ readonly info: SnapshotInfo; readonly directory?: string }> {
    for (const row of this.#records.list())
      yield {
        info: snapshotInfo(row),
        ...(row.kind === 'view' ? {} : { directory: this.#directory(row.directory) }),
      };
  }

  strays(): readonly string[] {
    const used = new Set(this.#records.list().map((row) => row.directory));
    return readdirSync(this.root).filter((name) => !used.has(name) && !this.#busy.has(name));
  }

  async cleanup(): Promise<number> {
    let freed = 0;
    for (const name of this.strays()) {
      const directory = this.#directory(name);
      try {
        const { bytes } = await diskUsage(directory);
        await removeTree(directory);
        freed += bytes;
      } catch (error) {
        this.#logger.warn('a directory that no snapshot owns could not be removed', { directory, error });
      }
    }
    return freed;
  }

  async #discard(directory: string): Promise<void> {
    try {
      await removeTree(directory);
    } catch (error) {
      this.#logger.warn('an unfinished snapshot could not be removed; the next start does', { directory, error });
    }
  }

  #ancestors(key: string): readonly string[] {
    return this.#records.ancestorDirectories(key).map((name) => this.#directory(name));
  }

  #directory(name: string): string {
    return join(this.root, name);
  }

  /** Short, because a mount names every layer's directory. */
  #newName(): string {
    this.#last++;
    return this.#last.toString(36);
  }
}

function checkKey(key: string): void {
  if (key === '' || key.length > 1024) throw invalid('a snapshot key has 1 to 1024 characters');
}
