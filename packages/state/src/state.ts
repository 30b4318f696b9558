import { randomUUID } from 'node:crypto';
import { closeSync, fstatSync, openSync, writeSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { conflict, exhausted, invalid, wrap } from '@berth/base';
import { MIGRATIONS } from './schema.ts';

/**
 * The metadata database of one data root. Every state change of the engine is one `transaction`; calls are synchronous
 * (SQLite in this process), so a transaction's body must not await.
 *
 *     state.transaction(() => {
 *       state.run('INSERT INTO volumes VALUES (?, ?, ?, ?)', name, driver, now, doc);
 *     });
 *
 * Errors: `invalid` (schema written by a newer Berth), `conflict` (database locked by another process), `exhausted` (no
 * space left).
 */
export interface State extends Disposable {
  readonly path: string;
  /** Identifies this data root for as long as it lives. */
  readonly instanceId: string;
  /** Grows with every change made through this object: equal numbers mean that nothing was written in between. */
  readonly version: number;
  /** Grows with every transaction that is undone: what was read within it may not be kept. */
  readonly rollbacks: number;
  transaction<T>(work: () => T): T;
  run(sql: string, ...values: readonly SqlValue[]): { readonly changes: number };
  get<Row extends object>(sql: string, ...values: readonly SqlValue[]): Row | undefined;
  all<Row extends object>(sql: string, ...values: readonly SqlValue[]): readonly Row[];
}

export type SqlValue = string | number | bigint | null | Uint8Array;

export interface OpenStateOptions {
  /** Migrations to bring the database to; tests pass prefixes of the real list. */
  readonly migrations?: readonly string[];
}

class SqliteState implements State {
  readonly path: string;
  readonly instanceId: string;
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #depth = 0;
  #version = 0;
  #rollbacks = 0;

  get version(): number {
    return this.#version;
  }

  get rollbacks(): number {
    return this.#rollbacks;
  }

  constructor(path: string, db: DatabaseSync, instanceId: string) {
    this.path = path;
    this.#db = db;
    this.instanceId = instanceId;
  }

  transaction<T>(work: () => T): T {
    if (this.#depth > 0) return work();
    this.#db.exec('BEGIN IMMEDIATE');
    this.#depth++;
    try {
      const result = work();
      this.#db.exec('COMMIT');
      return result;
    } catch (error) {
      this.#version++;
      this.#rollbacks++;
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw named(error);
    } finally {
      this.#depth--;
    }
  }

  run(sql: string, ...values: readonly SqlValue[]): { readonly changes: number } {
    const changes = Number(this.#change(sql, values));
    if (changes > 0) this.#version++;
    return { changes };
  }

  #change(sql: string, values: readonly SqlValue[]): number | bigint {
    try {
      return this.#prepare(sql).run(...values).changes;
    } catch (error) {
      throw named(error);
    }
  }

  get<Row extends object>(sql: string, ...values: readonly SqlValue[]): Row | undefined {
    return this.#prepare(sql).get(...values) as Row | undefined;
  }

  all<Row extends object>(sql: string, ...values: readonly SqlValue[]): readonly Row[] {
    return this.#prepare(sql).all(...values) as unknown as readonly Row[];
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (!statement) {
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  [Symbol.dispose](): void {
    this.#statements.clear();
    this.#db.close();
  }
}

const SQLITE_FULL = 13;

/** SQLite's way of saying that the disk is full, in ours. */
function named(error: unknown): unknown {
  const code = error instanceof Error && 'errcode' in error ? Number(error.errcode) : 0;
  return (code & 0xff) === SQLITE_FULL
    ? exhausted('no space left on device for the database', { cause: error })
    : error;
}

/** Length of the write-ahead log when SQLite moves it into the database: 1000 pages, their headers, and some more. */
const LOG_LENGTH = 4_300_000;

/**
 * Gives the write-ahead log its full length now, so that on a full disk records can still change: removing something is
 * the way to make room. What follows SQLite's last frame is not read by it.
 */
function reserveLog(path: string): void {
  let fd: number | undefined;
  try {
    fd = openSync(`${path}-wal`, 'r+');
    const { size } = fstatSync(fd);
    if (size < LOG_LENGTH) writeSync(fd, Buffer.alloc(LOG_LENGTH - size), 0, LOG_LENGTH - size, size);
  } catch {
    // Already no room, or a database in memory: it works without.
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** Opens (creating it when missing) the database at `path`, or in memory for `:memory:`, and migrates it. */
export function openState(path: string, options: OpenStateOptions = {}): State {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path);
    // WAL with NORMAL: a crash of the process loses nothing, a crash of the machine at most the newest transactions.
    db.exec(
      'PRAGMA busy_timeout = 2000; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON',
    );
    migrate(db, options.migrations ?? MIGRATIONS);
    const instanceId = instanceIdOf(db);
    if (path !== ':memory:') reserveLog(path);
    return new SqliteState(path, db, instanceId);
  } catch (error) {
    db?.close();
    if (error instanceof Error && /database is locked/.test(error.message))
      throw conflict(`the database ${path} is in use by another process`, { cause: error });
    throw wrap(`open ${path}`, error);
  }
}

function migrate(db: DatabaseSync, migrations: readonly string[]): void {
  const row = db.prepare('PRAGMA user_version').get() as { user_version: number };
  const from = row.user_version;
  if (from > migrations.length)
    throw invalid(
      `this data root has schema version ${from}, written by a newer Berth; this one knows up to ${migrations.length}. Upgrade Berth or choose another --data-root`,
    );
  for (let version = from; version < migrations.length; version++) {
    db.exec('BEGIN IMMEDIATE');
    try {
      db.exec(migrations[version] ?? '');
      db.exec(`PRAGMA user_version = ${version + 1}`);
      db.exec('COMMIT');
    } catch (error) {
      db.exec('ROLLBACK');
      throw error;
    }
  }
}

function instanceIdOf(db: DatabaseSync): string {
  db.prepare("INSERT OR IGNORE INTO meta VALUES ('instance_id', ?)").run(randomUUID());
  const row = db.prepare("SELECT value FROM meta WHERE key = 'instance_id'").get() as { value: string };
  return row.value;
}
