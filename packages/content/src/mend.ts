import { readdirSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type CallOptions, errnoOf, type Logger } from '@berth/base';
import { DIGEST_ALGORITHMS, type Digest, digestAlgorithm } from '@berth/oci';
import { hashFile } from './hash-file.ts';
import { digestOfName, type LayoutPaths } from './layout.ts';
import type { BlobRow, Records } from './records.ts';

/** What opening a store put right. */
export interface Mended {
  /** Blobs whose file had arrived but not their record. */
  readonly adopted: readonly Digest[];
  /** Records whose file was gone or damaged. */
  readonly dropped: readonly Digest[];
  /** Files nobody had a record of. */
  readonly removedFiles: number;
}

/**
 * Makes files and records agree after a crash. A blob that is recorded but not known to have reached the device is
 * verified; a file in place without a record is kept only when an ingest had announced it and its digest is right.
 */
export async function mend(
  paths: LayoutPaths,
  records: Records,
  now: number,
  logger: Logger,
  options: CallOptions = {},
): Promise<Mended> {
  const dropped = await dropDamaged(paths, records, logger, options);
  const { adopted, removed } = await settleStrayBlobs(paths, records, now, options);
  const strays = await settleIngests(paths, records);
  const temporary = readdirSync(paths.root).filter((name) => name.endsWith('.tmp'));
  for (const name of temporary) await rm(join(paths.root, name), { force: true });
  return { adopted, dropped, removedFiles: removed + strays + temporary.length };
}

async function dropDamaged(
  paths: LayoutPaths,
  records: Records,
  logger: Logger,
  options: CallOptions,
): Promise<readonly Digest[]> {
  const dropped: Digest[] = [];
  for (const row of records.blobs()) {
    const problem = await damage(paths, row, options);
    if (problem === undefined) continue;
    records.removeBlob(row.digest);
    await rm(paths.blob(row.digest), { force: true });
    dropped.push(row.digest);
    logger.error('a damaged blob was dropped from the store', { digest: row.digest, problem });
  }
  return dropped;
}

async function damage(paths: LayoutPaths, row: BlobRow, options: CallOptions): Promise<string | undefined> {
  const size = sizeOf(paths.blob(row.digest));
  if (size === undefined) return 'its file is missing';
  if (size !== row.size) return `its file has ${size} bytes instead of ${row.size}`;
  if (row.durable) return undefined;
  const { digest } = await hashFile(paths.blob(row.digest), digestAlgorithm(row.digest), options);
  return digest === row.digest ? undefined : `its file has digest ${digest}`;
}

async function settleStrayBlobs(
  paths: LayoutPaths,
  records: Records,
  now: number,
  options: CallOptions,
): Promise<{ readonly adopted: readonly Digest[]; readonly removed: number }> {
  const adopted: Digest[] = [];
  let removed = 0;
  for (const algorithm of DIGEST_ALGORITHMS) {
    const directory = join(paths.blobs, algorithm);
    for (const name of readdirSync(directory)) {
      const digest = digestOfName(algorithm, name);
      if (digest !== undefined && records.blob(digest)) continue;
      const path = join(directory, name);
      if (digest !== undefined && (await adopt(paths, records, digest, now, options))) adopted.push(digest);
      else {
        await rm(path, { force: true, recursive: true });
        removed++;
      }
    }
  }
  return { adopted, removed };
}

async function adopt(
  paths: LayoutPaths,
  records: Records,
  digest: Digest,
  now: number,
  options: CallOptions,
): Promise<boolean> {
  const announced = records
    .ingests()
    .find((row) => row.expected_digest === digest && sizeOf(join(paths.ingest, row.file)) === undefined);
  if (!announced) return false;
  const found = await hashFile(paths.blob(digest), digestAlgorithm(digest), options);
  if (found.digest !== digest) return false;
  records.addBlob(digest, found.size, now, { durable: false, ref: announced.ref });
  return true;
}

async function settleIngests(paths: LayoutPaths, records: Records): Promise<number> {
  const known = new Set<string>();
  for (const row of records.ingests()) {
    if (sizeOf(join(paths.ingest, row.file)) === undefined) records.removeIngest(row.ref);
    else known.add(row.file);
  }
  const strays = readdirSync(paths.ingest).filter((name) => !known.has(name));
  for (const name of strays) await rm(join(paths.ingest, name), { force: true, recursive: true });
  return strays.length;
}

/** Size of a file, undefined when there is none. */
export function sizeOf(path: string): number | undefined {
  try {
    return statSync(path).size;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
