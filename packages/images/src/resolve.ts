import { type CallOptions, invalid, isKind, notFound } from '@berth/base';
import {
  chainIds,
  type Descriptor,
  formatPlatform,
  type ImageConfigDocument,
  type ImageManifest,
  isAttestation,
  type Platform,
  platformRank,
} from '@berth/oci';
import type { ImageContext } from './context.ts';
import { checkedDiffIds, isContainerImage, whyNoImage } from './documents.ts';
import { findImage } from './find.ts';
import type { ResolvedImage } from './image-service.ts';

export interface PlatformOption extends CallOptions {
  readonly platform?: Platform | undefined;
}

export async function resolve(
  context: ImageContext,
  name: string,
  options: PlatformOption = {},
): Promise<ResolvedImage> {
  return await resolveTarget(context, findImage(context, name).target, name, options);
}

/** As `resolve`, for a target known by its descriptor; `name` is for messages. */
export async function resolveTarget(
  context: ImageContext,
  target: Descriptor,
  name: string,
  options: PlatformOption = {},
): Promise<ResolvedImage> {
  const found = choose(context, await storedManifests(context, target, options), options.platform);
  if (found === undefined) {
    const wanted = formatPlatform(options.platform ?? context.hostPlatform);
    throw notFound(`image with reference ${name} was found but does not provide the specified platform (${wanted})`);
  }
  const { descriptor, manifest, config } = found;
  const diffIds = checkedDiffIds(config, manifest.layers);
  return {
    id: target.digest,
    target,
    manifest: descriptor,
    config,
    configDescriptor: manifest.config,
    layers: manifest.layers,
    diffIds,
    chainIds: chainIds(diffIds),
    platform: platformOf(config),
    ...(context.records.named(target.digest)?.shown ?? { repoTags: [], repoDigests: [] }),
  };
}

/** A container image whose manifest and configuration are in the store. */
export interface StoredManifest {
  readonly descriptor: Descriptor;
  readonly manifest: ImageManifest;
  readonly config: ImageConfigDocument;
}

/** What was asked for; when nobody asked, what runs here, else the first there is. */
export function choose(
  context: ImageContext,
  stored: readonly StoredManifest[],
  platform: Platform | undefined,
): StoredManifest | undefined {
  const best = bestOf(stored, platform ?? context.hostPlatform);
  return best ?? (platform ? undefined : stored[0]);
}

function bestOf(stored: readonly StoredManifest[], wanted: Platform): StoredManifest | undefined {
  const ranked = stored.flatMap((image) => {
    const rank = platformRank(wanted, platformOf(image.config));
    return rank === undefined ? [] : [{ image, rank }];
  });
  return ranked.sort((a, b) => a.rank - b.rank)[0]?.image;
}

export const platformOf = (config: ImageConfigDocument): Platform => ({
  os: config.os,
  architecture: config.architecture,
  ...(config.variant ? { variant: config.variant } : {}),
  ...(config['os.version'] ? { 'os.version': config['os.version'] } : {}),
});

/**
 * Every container image under a target that is stored, in the index's order. Entries that were not pulled, that are no
 * images or are malformed are left out; a target that is itself no image throws `invalid`.
 */
export async function storedManifests(
  context: ImageContext,
  target: Descriptor,
  options: CallOptions = {},
): Promise<readonly StoredManifest[]> {
  const document = await context.documents.manifest(target.digest, options);
  if (document.kind === 'index') {
    const entries: (StoredManifest | undefined)[] = [];
    for (const entry of document.index.manifests) entries.push(await storedEntry(context, entry, options));
    return entries.filter((entry) => entry !== undefined);
  }
  const problem = whyNoImage(document.image);
  if (problem !== undefined) throw invalid(`${target.digest} is not a container image: ${problem}`);
  const config = await context.documents.config(document.image.config.digest, options);
  return [{ descriptor: target, manifest: document.image, config }];
}

/** Whether a target is a manifest of something else than a container image: a chart, a signature. */
export async function isArtifact(context: ImageContext, target: Descriptor): Promise<boolean> {
  const document = await context.documents.manifest(target.digest);
  return document.kind === 'image' && !isContainerImage(document.image);
}

async function storedEntry(
  context: ImageContext,
  entry: Descriptor,
  options: CallOptions,
): Promise<StoredManifest | undefined> {
  if (isAttestation(entry)) return undefined;
  try {
    const document = await context.documents.tryManifest(entry.digest);
    if (document?.kind !== 'image' || !isContainerImage(document.image)) return undefined;
    if (!context.content.stat(document.image.config.digest)) return undefined;
    const config = await context.documents.config(document.image.config.digest, options);
    return { descriptor: entry, manifest: document.image, config };
  } catch (error) {
    // A malformed sibling must not hide the platform that was asked for.
    if (isKind(error, 'invalid', 'notFound', 'tooLarge')) return undefined;
    throw error;
  }
}

/** Whether the configuration and every layer are in the store. */
export const isComplete = (context: ImageContext, manifest: ImageManifest): boolean =>
  [manifest.config, ...manifest.layers].every((blob) => context.content.stat(blob.digest) !== undefined);
