import { posix } from 'node:path';
import { type CallOptions, dataLoss, invalid, randomId, throwIfAborted, tooLarge } from '@berth/base';
import { type ByteStream, type Digest, MAX_IMAGE_CONFIG_SIZE, parseDigest, readAll } from '@berth/oci';
import type { ImageContext } from './context.ts';
import { blobRef, type Lease } from './lease.ts';
import { storeStream } from './store-stream.ts';
import { readTar, type TarEntry } from './tar-read.ts';

/** Refs of blobs that are being loaded. */
export const LOAD_PREFIX = 'load/';

/** A file of the archive that went into the store. */
export interface SpooledBlob {
  readonly digest: Digest;
  readonly size: number;
  /** Whether the store did not have it before. */
  readonly fresh: boolean;
}

/** What one pass over an image archive leaves: documents in memory, everything else in the content store. */
export interface Spool {
  /** A document by its path in the archive, following links; undefined when the archive has none. */
  text(path: string): Promise<Uint8Array | undefined>;
  /** A stored file by its path, following links. */
  blob(path: string): Promise<SpooledBlob | undefined>;
  readonly paths: readonly string[];
  /** Blobs that the store did not have before. */
  readonly fresh: ReadonlySet<Digest>;
}

const MAX_TEXT_TOTAL = 64 * 1024 * 1024;
const MAX_LINKS = 16;

/** Files that say what the rest means; blobs of a layout are never among them. */
const isDocument = (path: string): boolean =>
  /(?:^|\/)(?:json|VERSION|repositories|oci-layout|[^/]+\.json)$/.test(path);

const BLOB_PATH = /^blobs\/([a-z0-9+._-]+)\/([0-9a-f]+)$/;

/**
 * Reads an archive once, from a pipe if need be. A file under `blobs/` must have the digest its path says; others get
 * theirs while they are stored. Throws `dataLoss`, `invalid` (not a tar), `tooLarge` (too many files or documents).
 */
export async function spoolArchive(
  context: ImageContext,
  lease: Lease,
  archive: ByteStream,
  options: CallOptions,
): Promise<Spool> {
  const texts = new Map<string, Uint8Array>();
  const blobs = new Map<string, SpooledBlob>();
  const links = new Map<string, string>();
  let files = 0;
  let textBytes = 0;
  for await (const entry of readTar(archive)) {
    throwIfAborted(options.signal);
    if (++files > context.limits.maxArchiveFiles)
      throw tooLarge(`the archive has more than ${context.limits.maxArchiveFiles} files`);
    const path = safePath(entry.path);
    if (path === undefined || entry.type === 'directory') continue;
    if (entry.type === 'symlink') links.set(path, posix.join(posix.dirname(path), entry.linkPath));
    else if (entry.type === 'hardlink') links.set(path, entry.linkPath);
    else if (entry.type !== 'file') throw invalid(`the archive holds ${path}, which is no regular file`);
    else if (isDocument(path)) {
      textBytes += entry.size;
      if (entry.size > MAX_IMAGE_CONFIG_SIZE || textBytes > MAX_TEXT_TOTAL)
        throw tooLarge(`${path} of the archive has ${entry.size} bytes`);
      texts.set(path, await readAll(entry.body, MAX_IMAGE_CONFIG_SIZE, options));
    } else blobs.set(path, await storeFile(context, lease, path, entry, options));
  }
  if (files === 0) throw invalid('the archive is empty');
  return spool(context, texts, blobs, links, options);
}

function spool(
  context: ImageContext,
  texts: ReadonlyMap<string, Uint8Array>,
  blobs: ReadonlyMap<string, SpooledBlob>,
  links: ReadonlyMap<string, string>,
  options: CallOptions,
): Spool {
  const follow = (path: string): string | undefined => {
    let at = safePath(path);
    for (let count = 0; at !== undefined && links.has(at); count++) {
      if (count > MAX_LINKS) throw invalid(`links of ${path} in the archive go in circles`);
      at = safePath(links.get(at) ?? '');
    }
    return at;
  };
  return {
    paths: [...texts.keys(), ...blobs.keys()],
    fresh: new Set([...blobs.values()].filter((blob) => blob.fresh).map(({ digest }) => digest)),
    async text(path) {
      const at = follow(path);
      if (at === undefined) return undefined;
      const stored = blobs.get(at);
      return stored
        ? await context.content.read(stored.digest, { ...options, limit: MAX_IMAGE_CONFIG_SIZE })
        : texts.get(at);
    },
    async blob(path) {
      const at = follow(path);
      return at === undefined ? undefined : blobs.get(at);
    },
  };
}

/** Relative, without `.`; undefined for the root itself. Throws `invalid` for a path that leaves the archive. */
function safePath(path: string): string | undefined {
  const clean = posix.normalize(`./${path}`).replace(/\/+$/, '');
  if (clean === '..' || clean.startsWith('../')) throw invalid(`path ${path.slice(0, 200)} leaves the archive`);
  return clean === '.' || clean === '' ? undefined : clean;
}

async function storeFile(
  context: ImageContext,
  lease: Lease,
  path: string,
  entry: TarEntry,
  options: CallOptions,
): Promise<SpooledBlob> {
  const named = BLOB_PATH.exec(path);
  if (!named) return { ...(await storeStream(context, lease, entry.body, '', options)), fresh: false };
  const expected = { digest: parseDigest(`${named[1]}:${named[2]}`), size: entry.size };
  lease.add([blobRef(expected.digest)]);
  const stored = context.content.stat(expected.digest);
  if (stored) {
    if (stored.size === entry.size) return { ...expected, fresh: false };
    throw dataLoss(`${path} of the archive has ${entry.size} bytes, but the blob of this digest has ${stored.size}`);
  }
  await using ingest = await context.content.ingest(LOAD_PREFIX + randomId(), expected, options);
  try {
    for await (const chunk of entry.body) await ingest.write(chunk);
    await ingest.commit(expected);
  } catch (error) {
    await ingest.abort();
    throw error;
  }
  return { ...expected, fresh: true };
}
