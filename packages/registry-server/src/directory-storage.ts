import { createHash, type Hash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { atomicWrite, dataLoss, isKind, KeyedLock, notFound, throwIfAborted } from '@berth/base';
import { type Descriptor, type Digest, digestAlgorithm, digestHex, isDigest, parseDigest } from '@berth/oci';
import type { RegistryStorage, StoredManifest } from './storage.ts';

const STALE_UPLOAD_MS = 24 * 60 * 60 * 1000;
const CACHED_MANIFESTS = 256;
const CACHED_BYTES = 64 * 1024;

const orUndefined = async <T>(work: Promise<T>): Promise<T | undefined> => {
  try {
    return await work;
  } catch (error) {
    if (isKind(error, 'notFound')) return undefined;
    throw error;
  }
};

const names = async (directory: string): Promise<readonly string[]> => (await orUndefined(readdir(directory))) ?? [];

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
 * (`_blobs`), media types (`_manifests`), tags (`_tags`) and referrers (`_referrers`). For one process at a time.
 */
export async function createDirectoryStorage(root: string): Promise<RegistryStorage> {
  const uploads = join(root, 'uploads');
  const repositories = join(root, 'repositories');
  const lock = new KeyedLock();
  const running = new Map<string, Running>();
  const cache = new Map<Digest, Uint8Array>();

  await Promise.all([
    mkdir(uploads, { recursive: true }),
    mkdir(repositories, { recursive: true }),
    mkdir(join(root, 'blobs', 'sha256'), { recursive: true }),
    mkdir(join(root, 'blobs', 'sha512'), { recursive: true }),
  ]);
  for (const name of await names(uploads)) {
    const found = await orUndefined(stat(join(uploads, name)));
    if (found !== undefined && Date.now() - found.mtimeMs > STALE_UPLOAD_MS)
      await rm(join(uploads, name), { force: true });
  }

  const blobPath = (digest: Digest): string => join(root, 'blobs', digestAlgorithm(digest), digestHex(digest));
  const entry = (repository: string, kind: string, ...rest: readonly string[]): string =>
    join(repositories, repository, kind, ...rest);
  const keyOf = (digest: Digest): string => digest.replace(':', '-');
  const uploadPath = (repository: string, id: string): string =>
    join(uploads, `${id}.${createHash('sha256').update(repository).digest('hex').slice(0, 16)}`);

  const write = async (path: string, text: string): Promise<void> => {
    await mkdir(dirname(path), { recursive: true });
    await atomicWrite(path, text);
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
    if (algorithm === 'sha256' && known !== undefined) return `sha256:${known.hash.copy().digest('hex')}`;
    const hash = createHash(algorithm);
    for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
    return `${algorithm}:${hash.digest('hex')}`;
  };

  const readManifestBytes = async (digest: Digest): Promise<Uint8Array> => {
    const cached = cache.get(digest);
    if (cached !== undefined) return cached;
    const bytes = await readFile(blobPath(digest));
    if (bytes.byteLength <= CACHED_BYTES) {
      cache.set(digest, bytes);
      const [oldest] = cache.keys();
      if (cache.size > CACHED_MANIFESTS && oldest !== undefined) cache.delete(oldest);
    }
    return bytes;
  };

  const storage: RegistryStorage = {
    async blobSize(repository, digest) {
      if ((await orUndefined(stat(entry(repository, '_blobs', keyOf(digest))))) === undefined) return undefined;
      return (await orUndefined(stat(blobPath(digest))))?.size;
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
      if ((await storage.blobSize(from, digest)) === undefined) return false;
      await write(entry(repository, '_blobs', keyOf(digest)), '');
      return true;
    },

    unlinkBlob: (repository, digest) => removeFile(entry(repository, '_blobs', keyOf(digest))),

    async startUpload(repository) {
      const id = randomUUID();
      await using file = await open(uploadPath(repository, id), 'wx');
      await file.datasync();
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
        await rename(path, blobPath(digest));
        await write(entry(repository, '_blobs', keyOf(digest)), '');
      } finally {
        running.delete(path);
        await rm(path, { force: true });
      }
    },

    async cancelUpload(repository, id) {
      const path = uploadPath(repository, id);
      running.delete(path);
      return removeFile(path);
    },

    async manifest(repository, reference) {
      const tagged = isDigest(reference)
        ? reference
        : await orUndefined(readFile(entry(repository, '_tags', reference), 'utf8'));
      if (tagged === undefined) return undefined;
      const digest = parseDigest(tagged);
      const mediaType = await orUndefined(readFile(entry(repository, '_manifests', keyOf(digest)), 'utf8'));
      if (mediaType === undefined) return undefined;
      return { mediaType, digest, bytes: await readManifestBytes(digest) };
    },

    async hasManifest(repository, digest) {
      return (await orUndefined(stat(entry(repository, '_manifests', keyOf(digest))))) !== undefined;
    },

    async putManifest(repository, { digest, mediaType, bytes }: StoredManifest, { tag, referrer }) {
      using _held = await lock.acquire(`repository ${repository}`);
      await atomicWrite(blobPath(digest), bytes);
      await write(entry(repository, '_manifests', keyOf(digest)), mediaType);
      if (referrer !== undefined)
        await write(
          entry(repository, '_referrers', keyOf(referrer.subject), keyOf(digest)),
          JSON.stringify(referrer.entry),
        );
      if (tag !== undefined) await write(entry(repository, '_tags', tag), digest);
    },

    async removeManifest(repository, reference) {
      using _held = await lock.acquire(`repository ${repository}`);
      if (!isDigest(reference)) return removeFile(entry(repository, '_tags', reference));
      if (!(await removeFile(entry(repository, '_manifests', keyOf(reference))))) return false;
      for (const tag of await names(entry(repository, '_tags'))) {
        const target = await orUndefined(readFile(entry(repository, '_tags', tag), 'utf8'));
        if (target === reference) await rm(entry(repository, '_tags', tag), { force: true });
      }
      for (const subject of await names(entry(repository, '_referrers')))
        await rm(entry(repository, '_referrers', subject, keyOf(reference)), { force: true });
      return true;
    },

    async tags(repository) {
      const known = [...(await names(join(repositories, repository)))].some((name) => name.startsWith('_'));
      return known
        ? [...(await names(entry(repository, '_tags')))].filter((tag) => !tag.endsWith('.tmp')).sort()
        : undefined;
    },

    async referrers(repository, subject) {
      const directory = entry(repository, '_referrers', keyOf(subject));
      const found: Descriptor[] = [];
      for (const name of [...(await names(directory))].sort()) {
        const text = await orUndefined(readFile(join(directory, name), 'utf8'));
        if (text !== undefined) found.push(JSON.parse(text) as Descriptor);
      }
      return found;
    },

    async repositories() {
      const found: string[] = [];
      const walk = async (prefix: string): Promise<void> => {
        const children = await names(join(repositories, prefix));
        if (children.includes('_manifests')) found.push(prefix);
        for (const child of children)
          if (!child.startsWith('_')) await walk(prefix === '' ? child : `${prefix}/${child}`);
      };
      await walk('');
      return found.sort();
    },
  };
  return storage;
}
