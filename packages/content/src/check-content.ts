import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type CallOptions, errnoOf, throwIfAborted } from '@berth/base';
import { DIGEST_ALGORITHMS, type Digest, digestAlgorithm } from '@berth/oci';
import type { State } from '@berth/state';
import { hashFile } from './hash-file.ts';
import { digestOfName, layoutPaths } from './layout.ts';
import { sizeOf } from './mend.ts';
import { createRecords, type Records } from './records.ts';

/** What is wrong with one object of the store. */
export interface ContentFinding {
  /** `error`: a committed object is damaged or lost. `warning`: bytes nobody has a record of; the next start removes them. */
  readonly severity: 'error' | 'warning';
  readonly kind: 'missingFile' | 'wrongSize' | 'wrongDigest' | 'unrecordedFile' | 'ingestWithoutFile' | 'layout';
  /** Digest or ingest reference, when known. */
  readonly key?: string;
  readonly path: string;
  readonly problem: string;
}

export interface CheckContentOptions extends CallOptions {
  /** Read every blob and compare its digest, default false. */
  readonly verifyDigests?: boolean;
}

/**
 * Compares the files of a content store with its records. May run while the store is in use: what looks wrong is looked
 * at a second time, so that objects coming and going at that moment are not reported.
 */
export async function checkContent(
  store: { readonly root: string },
  state: State,
  options: CheckContentOptions = {},
): Promise<readonly ContentFinding[]> {
  const records = createRecords(state);
  const findings = await scan(store.root, records, options);
  if (findings.length === 0) return findings;
  await new Promise((resolve) => setTimeout(resolve, 50));
  const again = new Set((await scan(store.root, records, { signal: options.signal })).map(idOf));
  return findings.filter((finding) => finding.kind === 'wrongDigest' || again.has(idOf(finding)));
}

const idOf = ({ kind, path }: ContentFinding): string => `${kind} ${path}`;

async function scan(root: string, records: Records, options: CheckContentOptions): Promise<readonly ContentFinding[]> {
  const findings = [...strayFiles(root, records), ...lostIngests(root, records)];
  for (const { digest, size } of records.blobs()) {
    throwIfAborted(options.signal);
    const finding = await checkBlob(layoutPaths(root).blob(digest), digest, size, options);
    if (finding) findings.push(finding);
  }
  return findings;
}

async function checkBlob(
  path: string,
  digest: Digest,
  size: number,
  options: CheckContentOptions,
): Promise<ContentFinding | undefined> {
  const error = (kind: ContentFinding['kind'], problem: string): ContentFinding => ({
    severity: 'error',
    kind,
    key: digest,
    path,
    problem,
  });
  const actual = sizeOf(path);
  if (actual === undefined) return error('missingFile', 'the blob is recorded but its file is missing');
  if (actual !== size) return error('wrongSize', `the file has ${actual} bytes, the record says ${size}`);
  if (!options.verifyDigests) return undefined;
  try {
    const hashed = await hashFile(path, digestAlgorithm(digest), options);
    return hashed.digest === digest ? undefined : error('wrongDigest', `the bytes have digest ${hashed.digest}`);
  } catch (cause) {
    if (errnoOf(cause) === 'ENOENT') return error('missingFile', 'the blob is recorded but its file is missing');
    throw cause;
  }
}

function* lostIngests(root: string, records: Records): Iterable<ContentFinding> {
  for (const { ref, file } of records.ingests()) {
    const path = join(root, 'ingest', file);
    if (sizeOf(path) === undefined)
      yield {
        severity: 'warning',
        kind: 'ingestWithoutFile',
        key: ref,
        path,
        problem: 'a partial download is recorded but its file is missing',
      };
  }
}

function* strayFiles(root: string, records: Records): Iterable<ContentFinding> {
  const stray = (path: string): ContentFinding => ({
    severity: 'warning',
    kind: 'unrecordedFile',
    path,
    problem: 'no record knows this file',
  });
  const expected = new Set(['blobs', 'ingest', 'oci-layout', 'index.json']);
  const present = readdirSync(root);
  for (const name of present) if (!expected.has(name)) yield stray(join(root, name));
  for (const name of expected)
    if (!present.includes(name))
      yield {
        severity: 'error',
        kind: 'layout',
        path: join(root, name),
        problem: 'part of the image layout is missing',
      };
  for (const algorithm of readdirSync(join(root, 'blobs'))) {
    const directory = join(root, 'blobs', algorithm);
    if (!DIGEST_ALGORITHMS.some((known) => known === algorithm)) yield stray(directory);
    else
      for (const name of readdirSync(directory)) {
        const digest = digestOfName(algorithm, name);
        const path = join(directory, name);
        if (digest === undefined || !records.blob(digest) || !lstatSync(path, { throwIfNoEntry: false })?.isFile())
          yield stray(path);
      }
  }
  const partial = new Set(records.ingests().map((row) => row.file));
  for (const name of readdirSync(join(root, 'ingest'))) if (!partial.has(name)) yield stray(join(root, 'ingest', name));
}
