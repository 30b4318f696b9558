import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { conflict, wrap } from '@berth/base';

/** Name of the empty file below the data root that carries the lock. */
export const LOCK_FILE = 'berth.lock';

/**
 * Takes a data root for this process until disposed or until the process ends, however it ends: SQLite's exclusive
 * lock on an empty database. Take it before `openState` and keep the result
 * (`using`): forgotten, it is collected and the lock with it. Throws `conflict` when another daemon has it.
 */
export function lockDataRoot(dataRoot: string): Disposable {
  mkdirSync(dataRoot, { recursive: true, mode: 0o711 });
  const db = new DatabaseSync(join(dataRoot, LOCK_FILE));
  try {
    db.exec('PRAGMA busy_timeout = 0; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (error) {
    db.close();
    if (error instanceof Error && /database is locked/.test(error.message))
      throw conflict(
        `the data root ${dataRoot} is in use by another berthd; stop that one or choose another --data-root`,
        { cause: error },
      );
    throw wrap(`lock the data root ${dataRoot}`, error);
  }
  return { [Symbol.dispose]: () => db.close() };
}
