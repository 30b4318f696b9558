import { readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type KeyedLock, throwIfAborted } from '@berth/base';
import { type Digest, decodeManifest, isDigest, type Manifest } from '@berth/oci';
import { ageOf, digestOfName, type Layout, nameOfDigest, names, orUndefined, repositoriesOf } from './layout.ts';
import type { Collected, CollectOptions } from './storage.ts';

export interface CollectContext {
  readonly layout: Layout;
  readonly lock: KeyedLock;
  /** Removes a manifest with the tags and referrer entries that name it; called with the repository's lock held. */
  readonly removeManifest: (repository: string, digest: Digest) => Promise<void>;
  /** Called when links or blobs have gone. */
  readonly forget: () => void;
}

const HOUR_MS = 3600 * 1000;

const namedBy = (manifest: Manifest): readonly Digest[] =>
  manifest.kind === 'index'
    ? manifest.index.manifests.map(({ digest }) => digest)
    : [manifest.image.config, ...manifest.image.layers].map(({ digest }) => digest);

const subjectOf = (manifest: Manifest): Digest | undefined =>
  (manifest.kind === 'image' ? manifest.image : manifest.index).subject?.digest;

const readManifests = async (layout: Layout, repository: string): Promise<Map<Digest, Manifest>> => {
  const found = new Map<Digest, Manifest>();
  for (const name of await names(layout.entry(repository, '_manifests'))) {
    const digest = digestOfName(name);
    if (digest === undefined) continue;
    const bytes = await orUndefined(readFile(layout.blob(digest)));
    if (bytes !== undefined) found.set(digest, decodeManifest(bytes));
  }
  return found;
};

/** What tags lead to, by way of indexes, and what refers to that. */
const tagged = async (
  layout: Layout,
  repository: string,
  manifests: ReadonlyMap<Digest, Manifest>,
): Promise<ReadonlySet<Digest>> => {
  const kept = new Set<Digest>();
  const keep = (digest: Digest): void => {
    const manifest = manifests.get(digest);
    if (manifest === undefined || kept.has(digest)) return;
    kept.add(digest);
    for (const child of namedBy(manifest)) keep(child);
    for (const [other, each] of manifests) if (subjectOf(each) === digest) keep(other);
  };
  for (const tag of await names(layout.entry(repository, '_tags'))) {
    const text = await orUndefined(readFile(layout.entry(repository, '_tags', tag), 'utf8'));
    if (isDigest(text)) keep(text);
  }
  return kept;
};

/** Mark and sweep over every repository, then over the blobs. One repository is locked at a time. */
export async function collectGarbage(context: CollectContext, options: CollectOptions): Promise<Collected> {
  const { layout, lock } = context;
  const { minAgeMs = HOUR_MS, untagged = false, dryRun = false, signal } = options;
  const used = new Set<Digest>();
  const counts = { manifests: 0, blobs: 0, bytes: 0 };
  const isOld = async (path: string): Promise<boolean> => ((await ageOf(path)) ?? -1) >= minAgeMs;

  const sweepRepository = async (repository: string): Promise<void> => {
    using _held = await lock.acquire(`repository ${repository}`, { signal });
    const manifests = await readManifests(layout, repository);
    const kept = untagged ? await tagged(layout, repository, manifests) : new Set(manifests.keys());
    const named = new Set<Digest>();
    for (const [digest, manifest] of manifests) {
      if (!kept.has(digest) && (await isOld(layout.entry(repository, '_manifests', nameOfDigest(digest))))) {
        counts.manifests += 1;
        if (!dryRun) await context.removeManifest(repository, digest);
        continue;
      }
      used.add(digest);
      for (const each of namedBy(manifest)) named.add(each);
    }
    for (const name of await names(layout.entry(repository, '_blobs'))) {
      const digest = digestOfName(name);
      const path = layout.entry(repository, '_blobs', name);
      if (digest === undefined) continue;
      if (named.has(digest) || !(await isOld(path))) used.add(digest);
      else if (!dryRun) await rm(path, { force: true });
    }
  };

  const isLinked = async (digest: Digest): Promise<boolean> => {
    for (const repository of await repositoriesOf(layout))
      for (const kind of ['_blobs', '_manifests'])
        if ((await ageOf(layout.entry(repository, kind, nameOfDigest(digest)))) !== undefined) return true;
    return false;
  };

  const sweepBlob = async (path: string, digest: Digest | undefined): Promise<void> => {
    using _held = await lock.acquire(`blob ${digest ?? path}`, { signal });
    const found = await orUndefined(stat(path));
    if (found === undefined || !(await isOld(path))) return;
    // A link made since the repositories were looked at counts; in a dry run the links to be removed are still there.
    if (digest !== undefined && !dryRun && (await isLinked(digest))) return;
    counts.blobs += 1;
    counts.bytes += found.size;
    if (!dryRun) await rm(path, { force: true });
  };

  try {
    for (const repository of await repositoriesOf(layout)) {
      throwIfAborted(signal);
      await sweepRepository(repository);
    }
    for (const algorithm of await names(layout.blobs))
      for (const hex of await names(join(layout.blobs, algorithm))) {
        throwIfAborted(signal);
        const digest = digestOfName(`${algorithm}-${hex}`);
        if (digest === undefined || !used.has(digest)) await sweepBlob(join(layout.blobs, algorithm, hex), digest);
      }
  } finally {
    context.forget();
  }
  return counts;
}
