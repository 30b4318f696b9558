import { conflict, invalid, notFound } from '@berth/base';
import type { State } from '@berth/state';
import type { SnapshotInfo, SnapshotKind, Usage } from './snapshotter.ts';

export interface SnapshotRow {
  readonly key: string;
  readonly parent: string | null;
  readonly kind: SnapshotKind;
  /** Name of its directory below the driver's root; a view has none there, only the name. */
  readonly directory: string;
  readonly created_at: number;
  readonly bytes: number | null;
  readonly inodes: number | null;
}

const COLUMNS = 'key, parent, kind, directory, created_at, bytes, inodes';

export const snapshotInfo = (row: SnapshotRow): SnapshotInfo => ({
  key: row.key,
  kind: row.kind,
  ...(row.parent === null ? {} : { parent: row.parent }),
  createdAt: new Date(row.created_at),
});

/** The snapshots table of one driver. Every change checks its preconditions in the transaction that makes it. */
export class SnapshotRecords {
  readonly #state: State;
  readonly #driver: string;

  constructor(state: State, driver: string) {
    this.#state = state;
    this.#driver = driver;
  }

  find(key: string): SnapshotRow | undefined {
    return this.#state.get<SnapshotRow>(
      `SELECT ${COLUMNS} FROM snapshots WHERE driver = ? AND key = ?`,
      this.#driver,
      key,
    );
  }

  get(key: string): SnapshotRow {
    const row = this.find(key);
    if (!row) throw notFound(`snapshot ${key} does not exist`);
    return row;
  }

  list(): readonly SnapshotRow[] {
    return this.#state.all<SnapshotRow>(
      `SELECT ${COLUMNS} FROM snapshots WHERE driver = ? ORDER BY created_at, key`,
      this.#driver,
    );
  }

  /** Committed snapshots right on top of one. */
  committedChildren(key: string): readonly string[] {
    return this.#state
      .all<{ key: string }>(
        "SELECT key FROM snapshots WHERE driver = ? AND parent = ? AND kind = 'committed'",
        this.#driver,
        key,
      )
      .map((row) => row.key);
  }

  uncommitted(): readonly SnapshotRow[] {
    return this.#state.all<SnapshotRow>(
      `SELECT ${COLUMNS} FROM snapshots WHERE driver = ? AND kind <> 'committed' ORDER BY key`,
      this.#driver,
    );
  }

  isDirectoryUsed(directory: string): boolean {
    return (
      this.#state.get('SELECT 1 FROM snapshots WHERE driver = ? AND directory = ?', this.#driver, directory) !==
      undefined
    );
  }

  /** Directories of all ancestors, nearest first. */
  ancestorDirectories(key: string): readonly string[] {
    return this.#state
      .all<{ directory: string }>(
        `WITH RECURSIVE up(depth, parent, directory) AS (
           SELECT 0, parent, directory FROM snapshots WHERE driver = ?1 AND key = ?2
           UNION ALL
           SELECT up.depth + 1, s.parent, s.directory FROM up JOIN snapshots s ON s.driver = ?1 AND s.key = up.parent
         ) SELECT directory FROM up WHERE depth > 0 ORDER BY depth`,
        this.#driver,
        key,
      )
      .map((row) => row.directory);
  }

  checkFree(key: string): void {
    if (this.find(key)) throw conflict(`snapshot ${key} exists already`);
  }

  committed(key: string): SnapshotRow {
    const row = this.find(key);
    if (!row) throw notFound(`parent snapshot ${key} does not exist`);
    if (row.kind !== 'committed') throw conflict(`parent snapshot ${key} is not committed`);
    return row;
  }

  add(key: string, kind: SnapshotKind, parent: string | undefined, directory: string, now: number): void {
    this.#state.transaction(() => {
      this.checkFree(key);
      if (parent !== undefined) this.committed(parent);
      this.#state.run(
        'INSERT INTO snapshots (driver, key, parent, kind, directory, created_at) VALUES (?, ?, ?, ?, ?, ?)',
        this.#driver,
        key,
        parent ?? null,
        kind,
        directory,
        now,
      );
    });
  }

  commit(name: string, key: string, newParent: string | undefined): void {
    this.#state.transaction(() => {
      const row = this.get(key);
      if (row.kind !== 'active') throw conflict(`snapshot ${key} is not active`);
      this.checkFree(name);
      const parent = this.#parentAtCommit(row, newParent);
      this.#state.run(
        "UPDATE snapshots SET key = ?, kind = 'committed', parent = ?, bytes = NULL, inodes = NULL WHERE driver = ? AND key = ?",
        name,
        parent,
        this.#driver,
        key,
      );
    });
  }

  #parentAtCommit(row: SnapshotRow, newParent: string | undefined): string | null {
    if (newParent === undefined || newParent === row.parent) return row.parent;
    if (row.parent !== null) throw invalid(`snapshot ${row.key} has a parent already: ${row.parent}`);
    return this.committed(newParent).key;
  }

  setUsage(key: string, directory: string, usage: Usage): void {
    this.#state.run(
      "UPDATE snapshots SET bytes = ?, inodes = ? WHERE driver = ? AND key = ? AND directory = ? AND kind = 'committed'",
      usage.bytes,
      usage.inodes,
      this.#driver,
      key,
      directory,
    );
  }

  remove(key: string): SnapshotRow {
    return this.#state.transaction(() => {
      const row = this.get(key);
      const child = this.#state.get<{ key: string }>(
        'SELECT key FROM snapshots WHERE driver = ? AND parent = ? LIMIT 1',
        this.#driver,
        key,
      );
      if (child) throw conflict(`snapshot ${key} has children, among them ${child.key}`);
      this.#state.run('DELETE FROM snapshots WHERE driver = ? AND key = ?', this.#driver, key);
      return row;
    });
  }
}
