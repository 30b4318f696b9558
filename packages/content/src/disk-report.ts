import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Disk used by the content store in allocated blocks, as `du` counts; the parts add up to the whole. */
export interface ContentDiskReport {
  readonly blobs: { readonly count: number; readonly bytes: number };
  readonly ingests: { readonly count: number; readonly bytes: number };
  /** Directories, `index.json` and `oci-layout`. */
  readonly overhead: number;
  readonly total: number;
}

export function contentDiskReport(store: { readonly root: string }): ContentDiskReport {
  const blobs = { count: 0, bytes: 0 };
  let overhead = allocated(store.root) + allocated(join(store.root, 'blobs'));
  for (const name of readdirSync(store.root)) {
    const path = join(store.root, name);
    if (name !== 'blobs' && name !== 'ingest') overhead += allocated(path);
  }
  for (const algorithm of readdirSync(join(store.root, 'blobs'))) {
    const directory = join(store.root, 'blobs', algorithm);
    overhead += allocated(directory);
    addFiles(directory, blobs);
  }
  const ingests = { count: 0, bytes: 0 };
  overhead += allocated(join(store.root, 'ingest'));
  addFiles(join(store.root, 'ingest'), ingests);
  return { blobs, ingests, overhead, total: blobs.bytes + ingests.bytes + overhead };
}

function addFiles(directory: string, sum: { count: number; bytes: number }): void {
  for (const name of readdirSync(directory)) {
    sum.count++;
    sum.bytes += allocated(join(directory, name));
  }
}

/** Bytes in allocated blocks of one file or directory; 0 when it has just gone. */
export function allocated(path: string): number {
  return (lstatSync(path, { throwIfNoEntry: false })?.blocks ?? 0) * 512;
}
