import { mkdtemp, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';

/** The checkout. */
export const CHECKOUT = resolve(import.meta.dirname, '../..');

/** Where tests keep what they make: a file system that is quick at creating files and can hold overlay uppers. */
export const TEST_TMP = process.env['BERTH_TEST_TMP'] ?? '/dev/shm';

export const KEEP = process.env['BERTH_TEST_KEEP'] === '1';

export interface TempDirectory extends AsyncDisposable {
  readonly path: string;
}

/** A directory below `parent` ({@link TEST_TMP} unless given), removed with everything in it on disposal (unless `BERTH_TEST_KEEP=1`). */
export async function tempDirectory(name = '', parent = TEST_TMP): Promise<TempDirectory> {
  const path = await mkdtemp(join(parent, `berth-test-${name === '' ? '' : `${name}-`}`));
  return {
    path,
    async [Symbol.asyncDispose]() {
      if (!KEEP) await rm(path, { recursive: true, force: true });
    },
  };
}
