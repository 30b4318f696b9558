import { mkdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { atomicWrite, errnoOf } from '@berth/base';
import { DIGEST_ALGORITHMS, type Digest, digestAlgorithm, digestHex, isDigest, parseDigest } from '@berth/oci';

const LAYOUT_VERSION = JSON.stringify({ imageLayoutVersion: '1.0.0' });

/** Where everything of a content store lies, all below its root. */
export interface LayoutPaths {
  readonly root: string;
  readonly blobs: string;
  readonly ingest: string;
  readonly index: string;
  /** Path of a blob's file; `invalid` for anything that is not a digest of a known algorithm. */
  blob(digest: string): string;
}

export function layoutPaths(root: string): LayoutPaths {
  const blobs = join(root, 'blobs');
  return {
    root,
    blobs,
    ingest: join(root, 'ingest'),
    index: join(root, 'index.json'),
    blob: (text) => {
      const digest = parseDigest(text);
      return `${blobs}/${digestAlgorithm(digest)}/${digestHex(digest)}`;
    },
  };
}

export function digestOfName(algorithm: string, hex: string): Digest | undefined {
  const digest = `${algorithm}:${hex}`;
  return isDigest(digest) ? digest : undefined;
}

/** Creates what is missing of an OCI image layout (image-spec `image-layout.md`). */
export async function createLayout(paths: LayoutPaths): Promise<void> {
  for (const algorithm of DIGEST_ALGORITHMS) mkdirSync(join(paths.blobs, algorithm), { recursive: true });
  mkdirSync(paths.ingest, { recursive: true, mode: 0o700 });
  await writeWhenMissing(join(paths.root, 'oci-layout'), LAYOUT_VERSION);
  await writeWhenMissing(paths.index, JSON.stringify({ schemaVersion: 2, manifests: [] }));
}

async function writeWhenMissing(path: string, text: string): Promise<void> {
  try {
    const present = await readFile(path);
    if (present.length > 0) return;
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
  await atomicWrite(path, text, { durable: true });
}
