import { type CallOptions, invalid, messageOf, notFound, shortId, throwIfAborted } from '@berth/base';
import {
  chainIds,
  type Descriptor,
  type Digest,
  familiarString,
  formatPlatform,
  type ImageManifest,
  isAttestation,
  matchPlatform,
  type Platform,
  parseReference,
  type Reference,
  type Resolver,
  selectManifests,
  withDefaultTag,
} from '@berth/oci';
import { isRateLimited } from '@berth/registry-client';
import { sweepQuietly } from './collectables.ts';
import type { ImageContext } from './context.ts';
import { checkedDiffIds, isContainerImage } from './documents.ts';
import { emitTransfer } from './events.ts';
import { fetchBlob } from './fetch-blob.ts';
import { fetchReferrers } from './fetch-referrers.ts';
import { bare } from './footprint.ts';
import type { PullOptions, PullResult, RegistryCredential } from './image-service.ts';
import { allOrNone, ensureLayers, planLayers } from './layer-work.ts';
import { blobRef, endLeftLeases, openLease, snapshotRef } from './lease.ts';
import { recordNameOf } from './names.ts';
import { fetchDocument, fetchWhole, type Pull, seen } from './pull-work.ts';
import type { ReferrerRecord } from './records.ts';
import { platformOf } from './resolve.ts';
import { canUnpack } from './unpack.ts';

/** How long the finished layers of a pull wait for the next try after the daemon was killed, milliseconds. */
const RESUMABLE = 24 * 3600 * 1000;

const purposeOf = (reference: Reference): string => `pull ${recordNameOf(reference)}`;

/**
 * Fetches an image and unpacks it. Of an index the index itself and the one manifest for the platform are stored. The
 * name is assigned at the very end; a pull that is cut short leaves no image, but what it fetched of the layer it was
 * at stays for the next one. Throws `notFound` (no such image or platform), `dataLoss`, and the registry's errors.
 */
export async function pull(context: ImageContext, name: string, options: PullOptions): Promise<PullResult> {
  const discarded: Digest[] = [];
  const result = await pullLeased(context, name, options, discarded);
  if (discarded.length > 0) await sweepQuietly(context, 'pull', discarded.map(blobRef));
  return result;
}

async function pullLeased(
  context: ImageContext,
  name: string,
  options: PullOptions,
  discarded: Digest[],
): Promise<PullResult> {
  const reference = withDefaultTag(parseReference(name));
  const repository = context.registry.repository(reference, credentialOf(options));
  const tagOrDigest = reference.digest ?? reference.tag ?? 'latest';
  const target = await resolveTarget(context, reference, repository, options);
  options.onProgress?.({ type: 'message', id: tagOrDigest, text: `Pulling from ${reference.path}` });
  if (reference.digest !== undefined && target.digest !== reference.digest)
    throw invalid(`the registry answered ${target.digest} when asked for ${reference.digest}`);
  using lease = openLease(context, purposeOf(reference), [], { outlives: RESUMABLE });
  const work: Pull = { context, reference, source: repository, lease, options, discarded };
  const { descriptor, manifest, attestations } = await fetchManifest(work, target);
  await fetchImage(work, descriptor, manifest);
  await fetchAttestations(work, attestations);
  const wanted = options.referrers ?? context.referrers;
  const referrers = wanted ? await fetchReferrers(work, repository, [target, descriptor]) : [];
  return assign(work, target, referrers);
}

/** Throws `invalid` for a reference with a tag or digest, `notFound` for a repository without tags. */
export async function pullAll(
  context: ImageContext,
  name: string,
  options: PullOptions,
): Promise<readonly PullResult[]> {
  const reference = parseReference(name);
  if (reference.tag !== undefined || reference.digest !== undefined)
    throw invalid("tag can't be used with --all-tags/-a");
  const repository = context.registry.repository(reference, credentialOf(options));
  if (!repository.tags) throw notFound(`the registry of ${name} does not list tags`);
  const results: PullResult[] = [];
  for (const tag of await repository.tags(options))
    results.push(await pull(context, familiarString({ ...reference, tag }), options));
  if (results.length === 0) throw notFound(`no tags found for ${name}`);
  return results;
}

/**
 * What the registry has under a name. A registry that counts requests and has had enough of ours does not keep anybody
 * from working with what is stored: that is taken, and said.
 */
async function resolveTarget(
  context: ImageContext,
  reference: Reference,
  repository: Resolver,
  options: PullOptions,
): Promise<Descriptor> {
  try {
    return bare(await repository.resolve(reference.digest ?? reference.tag ?? 'latest', options));
  } catch (error) {
    const stored = isRateLimited(error) ? context.records.get(recordNameOf(reference)) : undefined;
    if (stored === undefined) throw error;
    const text = `The registry refuses for now: ${messageOf(error)}. Using the image that is stored; it may be out of date.`;
    options.onProgress?.({ type: 'message', text });
    return bare(stored.target);
  }
}

export const credentialOf = ({ credential }: PullOptions): { readonly credential?: RegistryCredential } =>
  credential ? { credential } : {};

async function fetchManifest(
  pull: Pull,
  target: Descriptor,
): Promise<{
  readonly descriptor: Descriptor;
  readonly manifest: ImageManifest;
  readonly attestations: readonly Descriptor[];
}> {
  const document = await fetchDocument(pull, target);
  if (document.kind === 'image') return { descriptor: target, manifest: document.image, attestations: [] };
  const wanted = pull.options.platform ?? pull.context.hostPlatform;
  const [chosen] = selectManifests(document.index, wanted);
  if (!chosen) throw noPlatform(wanted);
  const entry = await fetchDocument(pull, chosen);
  if (entry.kind === 'index')
    throw invalid(`the index ${target.digest} holds another index for ${formatPlatform(wanted)}`);
  const attestations = document.index.manifests.filter(
    (each) => isAttestation(each) && each.annotations?.['vnd.docker.reference.digest'] === chosen.digest,
  );
  return { descriptor: chosen, manifest: entry.image, attestations };
}

/**
 * What an index says about the chosen manifest (provenance, bill of materials) comes along, so that it can be listed,
 * saved and pushed. An image is as good without: whatever fails here is logged only.
 */
async function fetchAttestations(pull: Pull, attestations: readonly Descriptor[]): Promise<void> {
  for (const attestation of attestations) {
    try {
      await fetchWhole(pull, attestation);
    } catch (error) {
      throwIfAborted(pull.options.signal);
      pull.discarded.push(attestation.digest);
      pull.context.logger.warn('an attestation could not be pulled', { attestation: attestation.digest, error });
    }
  }
}

const noPlatform = (platform: Platform): Error =>
  notFound(`no matching manifest for ${formatPlatform(platform)} in the manifest list entries`);

async function fetchImage(pull: Pull, descriptor: Descriptor, manifest: ImageManifest): Promise<void> {
  const { context, options } = pull;
  pull.lease.add([manifest.config, ...manifest.layers].map((blob) => blobRef(blob.digest)));
  const signal = options.signal;
  if (!isContainerImage(manifest)) {
    const blobs = [...new Map([manifest.config, ...manifest.layers].map((blob) => [blob.digest, blob])).values()];
    return await fetchAll(pull, blobs, { signal });
  }
  await fetchBlob(context, pull.source, manifest.config, { signal });
  seen(pull, manifest.config.digest);
  const config = await context.documents.config(manifest.config.digest, { signal });
  const platform = platformOf(config);
  if (options.platform && !matchPlatform(options.platform, platform))
    throw notFound(
      `image with reference ${familiarString(pull.reference)} was found but its platform (${formatPlatform(platform)}) does not match the specified platform (${formatPlatform(options.platform)})`,
      { details: { digest: descriptor.digest } },
    );
  const diffIds = checkedDiffIds(config, manifest.layers);
  announce(pull, manifest.layers);
  if (!canUnpack({ platform })) return await fetchAll(pull, manifest.layers, { signal });
  const chain = chainIds(diffIds);
  pull.lease.add(chain.map(snapshotRef));
  const plans = planLayers({ layers: manifest.layers, diffIds, chainIds: chain });
  await ensureLayers(context, { plans, source: pull.source }, { signal, onEvent: options.onProgress });
  for (const layer of manifest.layers) seen(pull, layer.digest);
}

async function fetchAll(pull: Pull, blobs: readonly Descriptor[], options: CallOptions): Promise<void> {
  await allOrNone(blobs, options, async (blob, _at, signal) => {
    const { onProgress } = pull.options;
    await fetchBlob(pull.context, pull.source, blob, { signal, onEvent: onProgress });
    seen(pull, blob.digest);
    onProgress?.({ type: 'layer', digest: blob.digest, phase: 'complete' });
  });
}

function announce(pull: Pull, layers: readonly Descriptor[]): void {
  for (const layer of layers)
    if (!pull.context.content.stat(layer.digest))
      pull.options.onProgress?.({ type: 'message', id: shortId(layer.digest), text: 'Pulling fs layer' });
}

function assign(pull: Pull, target: Descriptor, referrers: readonly ReferrerRecord[]): PullResult {
  const { context, reference } = pull;
  const before = context.records.transaction(() => {
    context.records.setFacts(target.digest, { lastTagged: context.clock.now().getTime() });
    for (const referrer of referrers) context.records.addReferrer(referrer);
    return context.records.put(recordNameOf(reference), target);
  });
  if (referrers.length > 0) context.summaries.clear();
  endLeftLeases(context, purposeOf(reference));
  emitTransfer(context, 'pull', reference, target.digest);
  const result = { reference: familiarString(reference), target, changed: before?.digest !== target.digest };
  const status = result.changed ? 'Downloaded newer image for' : 'Image is up to date for';
  pull.options.onProgress?.({ type: 'message', text: `Digest: ${target.digest}` });
  pull.options.onProgress?.({ type: 'message', text: `Status: ${status} ${result.reference}` });
  return result;
}
