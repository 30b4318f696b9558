import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { unmountSync } from '@berth/linux';

export interface TempRoot extends Disposable {
  readonly path: string;
  /** A path below it. */
  at(...parts: readonly string[]): string;
}

/** A new directory on tmpfs (`BERTH_TEST_TMP`, default /dev/shm); unmounts and removes all below it when disposed. */
export function tempRoot(): TempRoot {
  const path = mkdtempSync(join(process.env['BERTH_TEST_TMP'] ?? '/dev/shm', 'berth-test-'));
  return {
    path,
    at: (...parts) => join(path, ...parts),
    [Symbol.dispose]: () => {
      if (process.getuid?.() === 0) unmountSync(path, { recursive: true, detach: true });
      rmSync(path, { recursive: true, force: true });
    },
  };
}
