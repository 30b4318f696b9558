import { COMPRESSION_SAMPLE, isEmptyArchive, worthCompressing } from '@berth/archive';
import { type CallOptions, invalid, notFound, randomId } from '@berth/base';
import { type ByteStream, chainId, type Digest, MEDIA_TYPES, streamOf } from '@berth/oci';
import type { ImageContext } from './context.ts';
import type { LayerChanges } from './deps.ts';
import type { WrittenLayer } from './image-service.ts';
import { blobRef, type Lease, openLease, snapshotRef } from './lease.ts';
import { Hashing, STREAM_PREFIX, storeStream } from './store-stream.ts';
import { withTree } from './with-tree.ts';

export interface WriteLayerOptions extends CallOptions {
  readonly parentChainId?: Digest;
  readonly commit: boolean;
}

/**
 * One pass: the changes are archived, hashed (diff ID), compressed where a fast gzip is installed (else stored as they
 * are) and hashed again (blob) on their way into the store; for more than a few files in a thread of their own. With
 * `commit` the active snapshot itself becomes the layer's committed snapshot. The result is held for a minute, or until
 * `create` makes an image of it. Throws `notFound` (no such snapshot), `invalid` (not an active one).
 */
export async function writeLayer(
  context: ImageContext,
  snapshotKey: string,
  options: WriteLayerOptions,
): Promise<WrittenLayer> {
  const snapshot = context.snapshotter.stat(snapshotKey);
  if (!snapshot) throw notFound(`snapshot ${snapshotKey} not found`);
  if (snapshot.kind !== 'active') throw invalid(`snapshot ${snapshotKey} is ${snapshot.kind}, not active`);
  using lease = openLease(context, 'write-layer', [snapshotRef(snapshotKey)]);
  const layer = await withChanges(context, snapshotKey, snapshot.parent, (changes) =>
    storeChanges(context, lease, changes, options),
  );
  if (layer === undefined) return {};
  const parent = options.parentChainId;
  const chain = chainId(parent, layer.diffId);
  const hold = openLease(context, 'written-layer', [blobRef(layer.descriptor.digest), snapshotRef(chain)]);
  context.pendingLayers.hold(layer.descriptor.digest, hold);
  if (options.commit && !context.snapshotter.stat(chain)) await context.snapshotter.commit(chain, snapshotKey);
  return { layer: { ...layer, chainId: chain } };
}

async function withChanges<T>(
  context: ImageContext,
  key: string,
  parent: string | undefined,
  work: (changes: LayerChanges) => Promise<T>,
): Promise<T> {
  const { snapshotter } = context;
  const upper = snapshotter.diffPath(key);
  if (upper !== undefined) return await work({ type: 'overlay', upper, lowers: snapshotter.lowerPaths(key) });
  const [lower] = parent === undefined ? [] : snapshotter.lowerPaths(key);
  return await withTree(context, await snapshotter.mounts(key), async (directory) =>
    work({ type: 'trees', upper: directory, lower }),
  );
}

/** The blob is leased before it exists; nothing stays of it when there is nothing to store, or on failure. */
async function storeChanges(
  context: ImageContext,
  lease: Lease,
  changes: LayerChanges,
  options: CallOptions,
): Promise<StoredLayer | undefined> {
  if (!context.layerTools.mayDiffer(changes)) return undefined;
  await using ingest = await context.content.ingest(STREAM_PREFIX + randomId(), undefined, options);
  const written = await ingest.fill((descriptor) => context.layerTools.write(changes, descriptor, options));
  if (written === undefined) {
    await ingest.abort();
    return undefined;
  }
  const { diffId, digest, size } = written;
  const mediaType = written.compression === 'gzip' ? MEDIA_TYPES.ociLayerGzip : MEDIA_TYPES.ociLayer;
  try {
    lease.add([blobRef(digest)]);
    await ingest.commit({ digest, size });
  } catch (error) {
    await ingest.abort();
    throw error;
  }
  return { descriptor: { mediaType, digest, size }, diffId };
}

type StoredLayer = Omit<NonNullable<WrittenLayer['layer']>, 'chainId'>;

/**
 * Stores an uncompressed layer archive; undefined when it holds nothing. It is compressed on the way when that is quick
 * and pays: small layers and those whose beginning does not shrink stay as they are.
 */
export async function storeLayer(
  context: ImageContext,
  lease: Lease,
  archive: ByteStream | undefined,
  options: CallOptions,
): Promise<StoredLayer | undefined> {
  if (archive === undefined) return undefined;
  const { compress } = context.layerTools;
  const { head, whole } = await beginning(archive);
  if (isEmptyArchive(head)) {
    await whole.return(undefined);
    return undefined;
  }
  if (!compress || !worthCompressing(head)) {
    const descriptor = await storeStream(context, lease, whole, MEDIA_TYPES.ociLayer, options);
    return { descriptor, diffId: descriptor.digest };
  }
  const plain = new Hashing();
  const packed = compress(plain.pass(whole), options);
  const descriptor = await storeStream(context, lease, packed, MEDIA_TYPES.ociLayerGzip, options);
  return { descriptor, diffId: plain.digest };
}

/** A layer without a file: the two blocks of zeros that end every archive. */
export async function storeEmptyLayer(context: ImageContext, lease: Lease, options: CallOptions): Promise<StoredLayer> {
  const archive = streamOf(new Uint8Array(1024));
  const descriptor = await storeStream(context, lease, archive, MEDIA_TYPES.ociLayer, options);
  return { descriptor, diffId: descriptor.digest };
}

async function beginning(
  archive: ByteStream,
): Promise<{ readonly head: Uint8Array; readonly whole: AsyncGenerator<Uint8Array> }> {
  const chunks = archive[Symbol.asyncIterator]();
  let head: Uint8Array = new Uint8Array(0);
  while (head.byteLength < COMPRESSION_SAMPLE) {
    const next = await chunks.next();
    if (next.done) break;
    head = head.byteLength === 0 ? next.value : Buffer.concat([head, next.value]);
  }
  return { head, whole: startingWith(head, chunks) };
}

async function* startingWith(head: Uint8Array, rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    if (head.byteLength > 0) yield head;
    for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
  } finally {
    await rest.return?.();
  }
}
