import { type CallOptions, dataLoss, invalid } from '@berth/base';
import { type Descriptor, type Digest, decodeImageConfig, digestOf, MEDIA_TYPES } from '@berth/oci';
import { type ArchivedImage, archiveNames } from './archived-image.ts';
import type { ImageContext } from './context.ts';
import { checkedDiffIds } from './documents.ts';
import { blobRef, type Lease } from './lease.ts';
import type { Spool } from './load-spool.ts';

interface Entry {
  readonly config: string;
  readonly names: readonly string[];
  readonly layers: readonly string[];
}

const MAX_IMAGES = 4096;

/** Images of `docker save` before 25 (a `manifest.json`); undefined when the archive has none. */
export async function imagesOfDockerArchive(
  context: ImageContext,
  lease: Lease,
  spool: Spool,
  options: CallOptions,
): Promise<readonly ArchivedImage[] | undefined> {
  const text = await spool.text('manifest.json');
  if (!text) return undefined;
  const images: ArchivedImage[] = [];
  for (const entry of parseEntries(text)) {
    const config = await spool.text(entry.config);
    if (!config) throw dataLoss(`the archive lacks the image configuration ${entry.config}`);
    const names = archiveNames(entry.names);
    images.push({ target: await storeManifest(context, lease, spool, config, entry.layers, options), names });
  }
  return images;
}

function parseEntries(text: Uint8Array): readonly Entry[] {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(text));
  } catch (error) {
    throw invalid("the archive's manifest.json is not valid JSON", { cause: error });
  }
  if (!Array.isArray(value) || value.length > MAX_IMAGES)
    throw invalid("the archive's manifest.json is no list of images");
  return value.map((item: unknown) => {
    const { Config, RepoTags, Layers } = Object(item) as Record<string, unknown>;
    if (typeof Config !== 'string') throw invalid("an image of the archive's manifest.json has no Config");
    return { config: Config, names: strings(RepoTags ?? [], 'RepoTags'), layers: strings(Layers ?? [], 'Layers') };
  });
}

function strings(value: unknown, field: string): readonly string[] {
  if (Array.isArray(value) && value.every((item): item is string => typeof item === 'string')) return value;
  throw invalid(`${field} in the archive's manifest.json is not a list of strings`);
}

/**
 * Makes the manifest that such an archive does not have. The configuration keeps its bytes, layers are stored as they
 * came: a plain tar stays one, so nothing is ever compressed again.
 */
export async function storeManifest(
  context: ImageContext,
  lease: Lease,
  spool: Spool,
  config: Uint8Array,
  paths: readonly string[],
  options: CallOptions,
): Promise<Descriptor> {
  if (paths.length > context.limits.maxLayers) throw invalid(`the archive names ${paths.length} layers for one image`);
  const layers: Descriptor[] = [];
  for (const path of paths) layers.push(await layerOf(context, spool, path));
  checkPlainLayers(checkedDiffIds(decodeImageConfig(config), layers), layers);
  const configDescriptor = { mediaType: MEDIA_TYPES.ociConfig, digest: digestOf(config), size: config.byteLength };
  const mediaType = MEDIA_TYPES.ociManifest;
  const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, config: configDescriptor, layers }));
  const descriptor = { mediaType, digest: digestOf(manifest), size: manifest.byteLength };
  lease.add([blobRef(configDescriptor.digest), blobRef(descriptor.digest)]);
  await context.content.write(configDescriptor.mediaType, config, options);
  await context.content.write(mediaType, manifest, options);
  return descriptor;
}

async function layerOf(context: ImageContext, spool: Spool, path: string): Promise<Descriptor> {
  const blob = await spool.blob(path);
  if (!blob) throw dataLoss(`the archive lacks the layer ${path}`);
  return { mediaType: await layerType(context, blob.digest), digest: blob.digest, size: blob.size };
}

async function layerType(context: ImageContext, digest: Digest): Promise<string> {
  let magic = '';
  for await (const chunk of await context.content.open(digest, { range: { start: 0, end: 4 } }))
    magic += Buffer.from(chunk).toString('hex');
  if (magic.startsWith('1f8b')) return MEDIA_TYPES.ociLayerGzip;
  return magic === '28b52ffd' ? MEDIA_TYPES.ociLayerZstd : MEDIA_TYPES.ociLayer;
}

function checkPlainLayers(diffIds: readonly Digest[], layers: readonly Descriptor[]): void {
  for (const [at, { mediaType, digest }] of layers.entries())
    if (mediaType === MEDIA_TYPES.ociLayer && digest !== diffIds[at])
      throw dataLoss(`layer ${at + 1} of the archive is ${digest}, but its configuration says ${diffIds[at]}`);
}
