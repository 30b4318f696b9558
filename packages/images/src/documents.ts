import { type CallOptions, dataLoss, invalid, tooLarge } from '@berth/base';
import type { ContentStore } from '@berth/content';
import {
  type Descriptor,
  type Digest,
  decodeImageConfig,
  decodeManifest,
  type ImageConfigDocument,
  type ImageManifest,
  isConfigType,
  isLayerType,
  MAX_IMAGE_CONFIG_SIZE,
  MAX_MANIFEST_SIZE,
  type Manifest,
} from '@berth/oci';
import type { ImageLimits } from './deps.ts';
import { LeastRecent } from './least-recent.ts';

/** Reads manifests, indexes and configurations from the store, decoded once and kept for as long as they are used. */
export interface Documents {
  /** Throws `notFound` (blob not in the store), `invalid` (not a manifest), `tooLarge`. */
  manifest(digest: Digest, options?: CallOptions): Promise<Manifest>;
  /** As `manifest`, but undefined for a blob that is missing, too large or no manifest. */
  tryManifest(digest: Digest): Promise<Manifest | undefined>;
  config(digest: Digest, options?: CallOptions): Promise<ImageConfigDocument>;
}

/** Decoded documents kept in memory: a few kilobytes each. */
const CACHED = 2048;

export function createDocuments(content: ContentStore, limits: ImageLimits): Documents {
  const manifests = new LeastRecent<Manifest>(CACHED);
  const configs = new LeastRecent<ImageConfigDocument>(CACHED);
  /** Blobs known to be no manifest; a digest's bytes never change. */
  const others = new LeastRecent<true>(16 * CACHED);

  const manifest = async (digest: Digest, options: CallOptions = {}): Promise<Manifest> => {
    const cached = content.stat(digest) && manifests.get(digest);
    if (cached) return cached;
    const bytes = await content.read(digest, { ...options, limit: MAX_MANIFEST_SIZE });
    const document = checkBounds(decodeManifest(bytes), limits);
    manifests.set(digest, document);
    return document;
  };

  return {
    manifest,
    async tryManifest(digest) {
      const info = content.stat(digest);
      if (info === undefined || info.size > MAX_MANIFEST_SIZE || others.get(digest)) return undefined;
      const cached = manifests.get(digest);
      if (cached) return cached;
      try {
        if (await startsAsJson(content, digest)) return await manifest(digest);
      } catch {
        // Not a manifest after all: an image configuration is JSON too.
      }
      if (content.stat(digest)) others.set(digest, true);
      return undefined;
    },
    async config(digest, options = {}) {
      const cached = content.stat(digest) && configs.get(digest);
      if (cached) return cached;
      const config = decodeImageConfig(await content.read(digest, { ...options, limit: MAX_IMAGE_CONFIG_SIZE }));
      configs.set(digest, config);
      return config;
    },
  };
}

/** Bounds that only an engine has, on top of the decoder's. */
export function checkBounds(document: Manifest, limits: ImageLimits): Manifest {
  if (document.kind === 'image' && document.image.layers.length > limits.maxLayers)
    throw tooLarge(`manifest lists ${document.image.layers.length} layers; at most ${limits.maxLayers} are accepted`);
  if (document.kind === 'index' && document.index.manifests.length > limits.maxIndexEntries)
    throw tooLarge(
      `index lists ${document.index.manifests.length} manifests; at most ${limits.maxIndexEntries} are accepted`,
    );
  return document;
}

async function startsAsJson(content: ContentStore, digest: Digest): Promise<boolean> {
  for await (const chunk of await content.open(digest, { range: { start: 0, end: 16 } }))
    return /^\s*\{/.test(Buffer.from(chunk).toString('latin1'));
  return false;
}

/** The image manifest of a descriptor that must not be an index. */
export function asImage(document: Manifest, digest: Digest): ImageManifest {
  if (document.kind === 'image') return document.image;
  throw invalid(`${digest} is an index where an image manifest is needed`);
}

/** Whether a manifest is a container image, not an attestation, chart or other artifact. */
export const isContainerImage = (manifest: ImageManifest): boolean => whyNoImage(manifest) === undefined;

/** What keeps a manifest from being a container image; cosign's signatures have an image's configuration. */
export function whyNoImage({ config, layers }: ImageManifest): string | undefined {
  if (!isConfigType(config.mediaType)) return `its configuration has the type ${config.mediaType}`;
  const other = layers.find(({ mediaType }) => !isLayerType(mediaType));
  return other && `it holds ${other.mediaType} instead of layers`;
}

/** The configuration's layer digests, one per manifest layer; throws `dataLoss` when they are not as many. */
export function checkedDiffIds(config: ImageConfigDocument, layers: readonly Descriptor[]): readonly Digest[] {
  const ids = config.rootfs.diff_ids as readonly Digest[];
  if (ids.length !== layers.length)
    throw dataLoss(`the image's configuration names ${ids.length} layers, its manifest ${layers.length}`);
  return ids;
}
