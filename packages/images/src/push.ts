import { invalid, notFound } from '@berth/base';
import {
  type CopyEvent,
  type CopyPhase,
  childrenOf,
  copyGraph,
  type Descriptor,
  type Digest,
  familiarString,
  formatPlatform,
  graphDigests,
  isConfigType,
  isManifestType,
  type Manifest,
  normalizedName,
  parseReference,
  withDefaultTag,
} from '@berth/oci';
import type { ImageContext } from './context.ts';
import { emitTransfer } from './events.ts';
import { findImage } from './find.ts';
import { bare } from './footprint.ts';
import type { PushOptions, PushResult } from './image-service.ts';
import { blobRef, openLease } from './lease.ts';
import { type LayerEvent, LayerProgress, type Progress } from './progress.ts';
import { credentialOf } from './pull.ts';
import { pushReferrers } from './push-referrers.ts';
import { choose, isComplete, storedManifests } from './resolve.ts';
import { storeFetcher } from './store-fetcher.ts';

/**
 * Sends an image as it is stored, byte for byte. What the repository has is skipped, what another repository of the
 * registry is known to have is mounted. Of an index that was pulled for one platform only, that platform's manifest is
 * pushed under the tag, as dockerd does; with `platform`, always that one. Throws `notFound`, `dataLoss`, and the
 * registry's errors.
 */
export async function push(context: ImageContext, name: string, options: PushOptions): Promise<PushResult> {
  const reference = withDefaultTag(parseReference(name));
  if (reference.tag === undefined) throw invalid('cannot push a digest reference');
  const { target } = findImage(context, name);
  using lease = openLease(context, 'push', [blobRef(target.digest)]);
  const root = await whatToPush(context, target, name, options);
  lease.add([blobRef(root.digest)]);
  const to = context.registry.repository(reference, credentialOf(options));
  options.onProgress?.({ type: 'message', text: `The push refers to repository [${normalizedName(reference)}]` });
  const graph = await copyGraph(storeFetcher(context), to, root, {
    signal: options.signal,
    concurrency: context.limits.maxConcurrentUploads,
    trustExistingManifests: true,
    mount: (blob) => context.records.sources(blob.digest, reference.domain).find((at) => at !== reference.path),
    onProgress: reporter(options.onProgress),
  });
  await to.tag(root, reference.tag, options);
  if (options.referrers ?? context.referrers) await pushReferrers(context, root, to, reference, lease, options);
  for (const digest of graphDigests(graph)) context.records.addSource(digest, reference.domain, reference.path);
  emitTransfer(context, 'push', reference, target.digest);
  return { tag: reference.tag, digest: root.digest, size: root.size };
}

/** Throws `invalid` for a reference with a tag or digest, `notFound` when nothing here has the repository's name. */
export async function pushAll(
  context: ImageContext,
  name: string,
  options: PushOptions,
): Promise<readonly PushResult[]> {
  const reference = parseReference(name);
  if (reference.tag !== undefined || reference.digest !== undefined)
    throw invalid("tag can't be used with --all-tags/-a");
  const prefix = `${normalizedName(reference)}:`;
  const tagged = context.records.all().filter((record) => record.name.startsWith(prefix));
  if (tagged.length === 0) throw notFound(`An image does not exist locally with the tag: ${familiarString(reference)}`);
  const results: PushResult[] = [];
  for (const record of tagged) results.push(await push(context, familiarString(parseReference(record.name)), options));
  return results;
}

async function whatToPush(
  context: ImageContext,
  target: Descriptor,
  name: string,
  options: PushOptions,
): Promise<Descriptor> {
  const document = await context.documents.manifest(target.digest, options);
  if (document.kind === 'image') return target;
  if (!options.platform && (await isWhole(context, document, []))) return target;
  const stored = (await storedManifests(context, target, options)).filter((each) => isComplete(context, each.manifest));
  const chosen = choose(context, stored, options.platform);
  if (chosen) return bare(chosen.descriptor);
  const wanted = formatPlatform(options.platform ?? context.hostPlatform);
  throw notFound(`image ${name} does not provide the platform ${wanted} in full; pull it first`);
}

/** Whether everything under an index is stored. */
async function isWhole(context: ImageContext, document: Manifest, path: readonly Digest[]): Promise<boolean> {
  for (const child of childrenOf(document)) {
    if (!context.content.stat(child.digest)) return false;
    if (!isManifestType(child.mediaType)) continue;
    if (path.includes(child.digest)) return false;
    if (!(await isWhole(context, await context.documents.manifest(child.digest), [...path, child.digest])))
      return false;
  }
  return true;
}

const PHASES: Readonly<Record<CopyPhase, LayerEvent['phase'] | undefined>> = {
  waiting: 'preparing',
  exists: 'exists',
  copying: 'pushing',
  copied: 'pushed',
  mounted: 'mounted',
  skipped: 'exists',
};

/** Shows layers only: a user knows nothing of manifests and configurations. */
function reporter(emit: Progress | undefined): (event: CopyEvent) => void {
  const layers = new Map<Digest, LayerProgress>();
  return ({ phase, descriptor, current, note }) => {
    if (isManifestType(descriptor.mediaType) || isConfigType(descriptor.mediaType)) return;
    const progress = layers.get(descriptor.digest) ?? new LayerProgress(descriptor, emit);
    layers.set(descriptor.digest, progress);
    if (phase === 'copying') progress.bytes('pushing', current);
    else progress.phase(PHASES[phase] ?? 'pushed', note);
  };
}
