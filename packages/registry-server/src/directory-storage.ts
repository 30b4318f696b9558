import { createHash, type Hash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { atomicWrite, conflict, dataLoss, KeyedLock, notFound, throwIfAborted } from '@berth/base';
import { type Descriptor, type Digest, digestAlgorithm, isDigest, parseDigest } from '@berth/oci';
import { collectGarbage } from './collect.ts';
import { ageOf, createLayout, nameOfDigest, names, orUndefined, repositoriesOf } from './layout.ts';
import { RecentMap } from './recent-map.ts';
import type { RegistryStorage, StoredManifest } from './storage.ts';

const SMALL_BYTES = 64 * 1024;
const CACHED_BYTES = 32 * 1024 * 1024;
const CACHED_ENTRIES = 20_000;

const removeFile = async (path: string): Promise<boolean> => {
  const existed = (await orUndefined(stat(path))) !== undefined;
  await rm(path, { force: true });
  return existed;
};

/** Bytes of an upload hashed so far; lost in a restart and made again from the file. */
interface Running {
  readonly hash: Hash;
  size: number;
}

/**
 * A registry in one directory: `blobs/<algorithm>/<hex>`, `uploads/<id>` and, below `repositories/<name>/`, links
 * (`_blobs`), media types (`_manifests`), tags (`_tags`) and referrers (`_referrers`). For one process at a time, which
 * is why it may remember what it read.
 */
export async function createDirectoryStorage(root: string): Promise<RegistryStorage> {
  const layout = createLayout(root);
  const { entry, blob: blobPath, upload: uploadPath } = layout;
  const lock = new KeyedLock();
  const running = new Map<string, Running>();
  const contents = new RecentMap<Digest, Uint8Array>(CACHED_BYTES, (bytes) => bytes.byteLength + 200);
  /** Small files of repositories by path, and sizes of linked blobs. */
  const entries = new RecentMap<string, string>(CACHED_ENTRIES);
  const sizes = new RecentMap<string, number>(CACHED_ENTRIES);

  await Promise.all(
    [layout.uploads, layout.repositories, join(layout.blobs, 'sha256'), join(layout.blobs, 'sha512')].map((path) =>
      mkdir(path, { recursive: true }),
    ),
  );

  // What was read before a change and comes back after it must not be remembered.
  const changes = { count: 0 };
  const changed = (path: string): void => {
    changes.count += 1;
    entries.delete(path);
    sizes.delete(path);
  };

  const write = async (path: string, text: string): Promise<void> => {
    await mkdir(dirname(path), { recursive: true });
    await atomicWrite(path, text);
    changed(path);
  };

  const readEntry = async (path: string): Promise<string | undefined> => {
    const known = entries.get(path);
    if (known !== undefined) return known;
    const { count } = changes;
    const text = await orUndefined(readFile(path, 'utf8'));
    if (text !== undefined && changes.count === count) entries.set(path, text);
    return text;
  };

  const removeEntry = async (path: string): Promise<boolean> => {
    const removed = await removeFile(path);
    changed(path);
    return removed;
  };

  const forget = (): void => {
    changes.count += 1;
    entries.clear();
    sizes.clear();
    contents.clear();
  };

  const hashed = async (path: string, upTo: number): Promise<Running> => {
    const known = running.get(path);
    if (known?.size === upTo) return known;
    const hash = createHash('sha256');
    if (upTo > 0) for await (const chunk of createReadStream(path, { end: upTo - 1 })) hash.update(chunk as Uint8Array);
    return { hash, size: upTo };
  };

  const digestOfFile = async (path: string, algorithm: string): Promise<string> => {
    const known = running.get(path);
    if (algorithm === 'sha256' && known !== undefined && known.size === (await stat(path)).size)
      return `sha256:${known.hash.copy().digest('hex')}`;
    const hash = createHash(algorithm);
    for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
    return `${algorithm}:${hash.digest('hex')}`;
  };

  const readSmall = async (digest: Digest): Promise<Uint8Array> => {
    const cached = contents.get(digest);
    if (cached !== undefined) return cached;
    const bytes = await readFile(blobPath(digest));
    if (bytes.byteLength <= SMALL_BYTES) contents.set(digest, bytes);
    return bytes;
  };

  /** Links a blob that is there; the blob's lock is held, so that no collection takes it away in between. */
  const link = (repository: string, digest: Digest): Promise<void> =>
    write(entry(repository, '_blobs', nameOfDigest(digest)), '');

  const dropManifest = async (repository: string, digest: Digest): Promise<boolean> => {
    if (!(await removeEntry(entry(repository, '_manifests', nameOfDigest(digest))))) return false;
    for (const tag of await names(entry(repository, '_tags')))
      if ((await readEntry(entry(repository, '_tags', tag))) === digest)
        await removeEntry(entry(repository, '_tags', tag));
    for (const subject of await names(entry(repository, '_referrers')))
      await rm(entry(repository, '_referrers', subject, nameOfDigest(digest)), { force: true });
    return true;
  };

  const storage: RegistryStorage = {
    async blobSize(repository, digest) {
      const path = entry(repository, '_blobs', nameOfDigest(digest));
      const known = sizes.get(path);
      if (known !== undefined) return known;
      const { count } = changes;
      if ((await orUndefined(stat(path))) === undefined) return undefined;
      const size = (await orUndefined(stat(blobPath(digest))))?.size;
      if (size !== undefined && changes.count === count) sizes.set(path, size);
      return size;
    },

    async smallBlob(digest) {
      const cached = contents.get(digest);
      if (cached !== undefined) return cached;
      const size = (await orUndefined(stat(blobPath(digest))))?.size;
      return size === undefined || size > SMALL_BYTES ? undefined : readSmall(digest);
    },

    async *readBlob(_repository, digest, { start, end }) {
      if (end !== undefined && end <= start) return;
      const stream = createReadStream(blobPath(digest), {
        start,
        ...(end === undefined ? {} : { end: end - 1 }),
        highWaterMark: 256 * 1024,
      });
      for await (const chunk of stream) yield chunk as Uint8Array;
    },

    async mountBlob(repository, digest, from) {
      using _held = await lock.acquire(`blob ${digest}`);
      if ((await storage.blobSize(from, digest)) === undefined) return false;
      await link(repository, digest);
      return true;
    },

    unlinkBlob: (repository, digest) => removeEntry(entry(repository, '_blobs', nameOfDigest(digest))),

    async startUpload(repository) {
      const id = randomUUID();
      await using _file = await open(uploadPath(repository, id), 'wx');
      return id;
    },

    async uploadSize(repository, id) {
      return (await orUndefined(stat(uploadPath(repository, id))))?.size;
    },

    async appendUpload(repository, id, body, options = {}) {
      const path = uploadPath(repository, id);
      using _held = await lock.acquire(path, options);
      const size = (await orUndefined(stat(path)))?.size;
      if (size === undefined) throw notFound('upload unknown');
      if (options.at !== undefined && options.at !== size) throw conflict(`the upload has ${size} bytes`);
      const state = await hashed(path, size);
      running.set(path, state);
      await using file = await open(path, 'a');
      for await (const chunk of body) {
        throwIfAborted(options.signal);
        await file.writeFile(chunk);
        state.hash.update(chunk);
        state.size += chunk.byteLength;
      }
      return state.size;
    },

    async commitUpload(repository, id, digest) {
      const path = uploadPath(repository, id);
      using _held = await lock.acquire(path);
      try {
        const actual = await digestOfFile(path, digestAlgorithm(digest));
        if (actual !== digest) throw dataLoss(`content has digest ${actual}, expected ${digest}`);
        using _blob = await lock.acquire(`blob ${digest}`);
        await rename(path, blobPath(digest));
        await link(repository, digest);
      } finally {
        running.delete(path);
        await rm(path, { force: true });
      }
    },

    async cancelUpload(repository, id) {
      const path = uploadPath(repository, id);
      using _held = await lock.acquire(path);
      running.delete(path);
      return removeFile(path);
    },

    async expireUploads(olderThanMs) {
      let expired = 0;
      for (const name of await names(layout.uploads)) {
        const path = join(layout.uploads, name);
        if (((await ageOf(path)) ?? -1) < olderThanMs) continue;
        using _held = await lock.acquire(path);
        // What was waited for may have been a client that went on.
        if (((await ageOf(path)) ?? -1) < olderThanMs) continue;
        running.delete(path);
        await rm(path, { force: true });
        expired += 1;
      }
      return expired;
    },

    async manifest(repository, reference) {
      const tagged = isDigest(reference) ? reference : await readEntry(entry(repository, '_tags', reference));
      if (tagged === undefined) return undefined;
      const digest = parseDigest(tagged);
      const mediaType = await readEntry(entry(repository, '_manifests', nameOfDigest(digest)));
      if (mediaType === undefined) return undefined;
      return { mediaType, digest, bytes: await readSmall(digest) };
    },

    async hasManifest(repository, digest) {
      return (await readEntry(entry(repository, '_manifests', nameOfDigest(digest)))) !== undefined;
    },

    async putManifest(repository, { digest, mediaType, bytes }: StoredManifest, { tag, referrer, check }) {
      using _held = await lock.acquire(`repository ${repository}`);
      await check?.();
      {
        using _blob = await lock.acquire(`blob ${digest}`);
        await atomicWrite(blobPath(digest), bytes);
        await write(entry(repository, '_manifests', nameOfDigest(digest)), mediaType);
      }
      if (referrer !== undefined)
        await write(
          entry(repository, '_referrers', nameOfDigest(referrer.subject), nameOfDigest(digest)),
          JSON.stringify(referrer.entry),
        );
      if (tag !== undefined) await write(entry(repository, '_tags', tag), digest);
    },

    async removeManifest(repository, reference) {
      using _held = await lock.acquire(`repository ${repository}`);
      return isDigest(reference)
        ? dropManifest(repository, reference)
        : removeEntry(entry(repository, '_tags', reference));
    },

    async tags(repository) {
      const known = (await names(join(layout.repositories, repository))).some((name) => name.startsWith('_'));
      return known
        ? [...(await names(entry(repository, '_tags')))].filter((tag) => !tag.endsWith('.tmp')).sort()
        : undefined;
    },

    async referrers(repository, subject) {
      const directory = entry(repository, '_referrers', nameOfDigest(subject));
      const found: Descriptor[] = [];
      for (const name of [...(await names(directory))].sort()) {
        const text = await orUndefined(readFile(join(directory, name), 'utf8'));
        if (text !== undefined) found.push(JSON.parse(text) as Descriptor);
      }
      return found;
    },

    repositories: () => repositoriesOf(layout),

    collect: (options = {}) =>
      collectGarbage(
        { layout, lock, removeManifest: async (...args) => void (await dropManifest(...args)), forget },
        options,
      ),
  };
  return storage;
}
