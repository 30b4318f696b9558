import { mkdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { atomicWrite, errnoOf, invalid } from '@berth/base';
import type { Digest } from '@berth/oci';

/** Hash algorithms a blob may be named by (image-spec `descriptor.md`), with the length of their hex form. */
export const ALGORITHMS: Readonly<Record<string, number>> = { sha256: 64, sha512: 128 };

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
    blob: (digest) => {
      const { algorithm, hex } = splitDigest(digest);
      return `${blobs}/${algorithm}/${hex}`;
    },
  };
}

/** The two halves of a digest; `invalid` when malformed or of an unknown algorithm. */
export function splitDigest(digest: string): { readonly algorithm: string; readonly hex: string } {
  const colon = digest.indexOf(':');
  const algorithm = digest.slice(0, colon);
  const hex = digest.slice(colon + 1);
  const length = Object.hasOwn(ALGORITHMS, algorithm) ? ALGORITHMS[algorithm] : undefined;
  if (colon < 0 || length === undefined || hex.length !== length || !/^[0-9a-f]+$/.test(hex))
    throw invalid(`invalid digest ${JSON.stringify(digest.slice(0, 200))}`);
  return { algorithm, hex };
}

export function digestOfName(algorithm: string, hex: string): Digest | undefined {
  const length = Object.hasOwn(ALGORITHMS, algorithm) ? ALGORITHMS[algorithm] : undefined;
  return length === hex.length && /^[0-9a-f]+$/.test(hex) ? (`${algorithm}:${hex}` as Digest) : undefined;
}

/** Creates what is missing of an OCI image layout (image-spec `image-layout.md`). */
export async function createLayout(paths: LayoutPaths): Promise<void> {
  for (const algorithm of Object.keys(ALGORITHMS)) mkdirSync(join(paths.blobs, algorithm), { recursive: true });
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
