import { type CallOptions, dataLoss, invalid, throwIfAborted } from '@berth/base';
import {
  type ByteStream,
  chainIds,
  childrenOf,
  type Descriptor,
  type Digest,
  familiarString,
  type Platform,
  parseReference,
} from '@berth/oci';
import type { ArchivedImage } from './archived-image.ts';
import { sweepQuietly } from './collectables.ts';
import type { ImageContext } from './context.ts';
import { checkedDiffIds } from './documents.ts';
import { dropManifest } from './drop-manifest.ts';
import { emitImage } from './events.ts';
import type { LoadedImage, TransferEvent } from './image-service.ts';
import { blobRef, type Lease, openLease, snapshotRef, watchOthers } from './lease.ts';
import { imagesOfDockerArchive } from './load-docker-archive.ts';
import { imagesOfLayout } from './load-layout.ts';
import { spoolArchive } from './load-spool.ts';
import { imagesOfV1Archive } from './load-v1-archive.ts';
import { choose, isArtifact, isComplete, platformOf, type StoredManifest, storedManifests } from './resolve.ts';
import { unpack } from './unpack.ts';

export interface LoadOptions extends CallOptions {
  /** Of an index only these are kept, and unpacked; an image must have one of them. */
  readonly platforms?: readonly Platform[];
  readonly onProgress?: (event: TransferEvent) => void;
}

/**
 * Takes images from an archive in one pass. An archive that is both an OCI layout and a docker-archive is read as the
 * layout, so that manifests keep their digests. Everything is stored, checked and unpacked before the first name is
 * assigned; after an error nothing of the archive is left. Throws `invalid`, `dataLoss`, `tooLarge`, `notFound`.
 */
export async function load(
  context: ImageContext,
  archive: ByteStream,
  options: LoadOptions = {},
): Promise<readonly LoadedImage[]> {
  try {
    using lease = openLease(context, 'load');
    return await loadLeased(context, lease, archive, options);
  } finally {
    // Whatever no name holds now: all of it after an error, files that no image of the archive uses otherwise.
    await sweepQuietly(context, 'load');
  }
}

async function loadLeased(
  context: ImageContext,
  lease: Lease,
  archive: ByteStream,
  options: LoadOptions,
): Promise<readonly LoadedImage[]> {
  using others = watchOthers(context, lease);
  const spool = await spoolArchive(context, lease, context.layerTools.decompress(archive, options), options);
  const images =
    (await imagesOfLayout(context, spool)) ??
    (await imagesOfDockerArchive(context, lease, spool, options)) ??
    (await imagesOfV1Archive(context, lease, spool, options));
  if (!images) throw invalid('invalid archive: does not contain a manifest.json or an index.json');
  const fresh = { has: (digest: Digest) => spool.fresh.has(digest) && !others.has(blobRef(digest)) };
  for (const image of images) await verify(context, lease, image, fresh, options);
  throwIfAborted(options.signal);
  return publish(context, images);
}

/** What only this load brought: nobody else counts on it. */
type Fresh = Pick<ReadonlySet<Digest>, 'has'>;

/** At least one platform must be there in full, and it must unpack. */
async function verify(
  context: ImageContext,
  lease: Lease,
  { target, names, about }: ArchivedImage,
  fresh: Fresh,
  options: LoadOptions,
): Promise<void> {
  if (context.content.stat(target.digest)?.size !== target.size)
    throw dataLoss(`the archive names ${target.digest} with ${target.size} bytes but does not hold it`);
  if (about || (await isArtifact(context, target))) return await verifyArtifact(context, target);
  const whole = (await storedManifests(context, target, options)).filter(
    (each) => isComplete(context, each.manifest) && sizesMatch(context, each),
  );
  const { platforms = [] } = options;
  const wanted = platforms.length > 0 ? platforms : [undefined];
  const chosen = new Set(
    wanted.map((platform) => choose(context, whole, platform)).filter((each) => each !== undefined),
  );
  if (chosen.size === 0)
    throw dataLoss(
      `the archive does not hold ${names[0] ?? target.digest} in full${platforms.length > 0 ? ' for the platform asked for' : ''}: layers are missing`,
    );
  for (const each of chosen) await unpackChosen(context, lease, each, options);
  if (platforms.length > 0) await dropOthers(context, target, new Set([...chosen].map(digestOfStored)), fresh);
}

const digestOfStored = ({ descriptor }: StoredManifest): Digest => descriptor.digest;

/** Takes away what the archive brought of an index for other platforms, with what the index says about those. */
async function dropOthers(
  context: ImageContext,
  target: Descriptor,
  wanted: ReadonlySet<Digest>,
  fresh: Fresh,
): Promise<void> {
  const document = await context.documents.manifest(target.digest);
  if (document.kind === 'image') return;
  for (const { digest, annotations } of document.index.manifests) {
    const isWanted = wanted.has(digest) || wanted.has(annotations?.['vnd.docker.reference.digest'] as Digest);
    if (isWanted || !fresh.has(digest) || !context.content.stat(digest)) continue;
    if (context.records.withDigest(digest).length === 0) await dropManifest(context, digest);
  }
}

async function unpackChosen(
  context: ImageContext,
  lease: Lease,
  { manifest, config }: StoredManifest,
  { signal, onProgress }: LoadOptions,
): Promise<void> {
  const diffIds = checkedDiffIds(config, manifest.layers);
  const platform = platformOf(config);
  if (platform.os !== 'linux') return;
  const chain = chainIds(diffIds);
  lease.add(chain.map(snapshotRef));
  await unpack(context, { layers: manifest.layers, diffIds, chainIds: chain, platform }, { signal, onProgress });
}

async function verifyArtifact(context: ImageContext, target: ArchivedImage['target']): Promise<void> {
  for (const blob of childrenOf(await context.documents.manifest(target.digest)))
    if (context.content.stat(blob.digest)?.size !== blob.size)
      throw dataLoss(`the archive does not hold ${blob.digest} of the artifact ${target.digest}`);
}

const sizesMatch = (context: ImageContext, { manifest }: StoredManifest): boolean =>
  [manifest.config, ...manifest.layers].every((blob) => context.content.stat(blob.digest)?.size === blob.size);

function publish(context: ImageContext, images: readonly ArchivedImage[]): readonly LoadedImage[] {
  context.records.transaction(() => {
    for (const { target, names, about } of images) {
      if (about) {
        context.records.addReferrer({ target, ...about });
        continue;
      }
      for (const name of names) context.records.put(name, target);
      context.records.keepDangling(target);
    }
  });
  if (images.some(({ about }) => about)) context.summaries.clear();
  return images.flatMap(({ target, names, about }): readonly LoadedImage[] => {
    if (about) return [];
    emitImage(context, 'load', target.digest);
    const id = target.digest;
    return names.length === 0 ? [{ id }] : names.map((name) => ({ id, name: familiarString(parseReference(name)) }));
  });
}
