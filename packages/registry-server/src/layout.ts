import { createHash } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isKind } from '@berth/base';
import { type Digest, digestAlgorithm, digestHex, isDigest } from '@berth/oci';

/** Where a directory registry keeps what. */
export interface Layout {
  readonly uploads: string;
  readonly blobs: string;
  readonly repositories: string;
  blob(digest: Digest): string;
  /** A link (`_blobs`), media type (`_manifests`), tag (`_tags`) or referrer (`_referrers`) of a repository. */
  entry(repository: string, kind: string, ...rest: readonly string[]): string;
  upload(repository: string, id: string): string;
}

export function createLayout(root: string): Layout {
  const uploads = join(root, 'uploads');
  const blobs = join(root, 'blobs');
  const repositories = join(root, 'repositories');
  return {
    uploads,
    blobs,
    repositories,
    blob: (digest) => join(blobs, digestAlgorithm(digest), digestHex(digest)),
    entry: (repository, kind, ...rest) => join(repositories, repository, kind, ...rest),
    upload: (repository, id) =>
      join(uploads, `${id}.${createHash('sha256').update(repository).digest('hex').slice(0, 16)}`),
  };
}

/** A digest as a file name. */
export const nameOfDigest = (digest: Digest): string => digest.replace(':', '-');

/** The digest that a file name stands for; undefined for other names. */
export function digestOfName(name: string): Digest | undefined {
  const text = name.replace('-', ':');
  return isDigest(text) ? text : undefined;
}

export async function orUndefined<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (isKind(error, 'notFound')) return undefined;
    throw error;
  }
}

/** Names in a directory; none when it does not exist. */
export async function names(directory: string): Promise<readonly string[]> {
  return (await orUndefined(readdir(directory))) ?? [];
}

/** Milliseconds since a file was changed; undefined when there is none. */
export async function ageOf(path: string): Promise<number | undefined> {
  const found = await orUndefined(stat(path));
  // File times are finer than the clock, and so may be ahead of it.
  return found === undefined ? undefined : Math.max(0, Date.now() - found.mtimeMs);
}

/** Every repository, sorted: a directory with one of the kinds of entries in it. */
export async function repositoriesOf(layout: Layout): Promise<readonly string[]> {
  const found: string[] = [];
  const walk = async (prefix: string): Promise<void> => {
    const children = await names(join(layout.repositories, prefix));
    if (children.some((name) => name === '_manifests' || name === '_blobs')) found.push(prefix);
    for (const child of children) if (!child.startsWith('_')) await walk(prefix === '' ? child : `${prefix}/${child}`);
  };
  await walk('');
  return found.sort();
}
