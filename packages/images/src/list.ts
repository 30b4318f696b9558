import { isKind } from '@berth/base';
import type { Descriptor, Digest, ImageConfigDocument } from '@berth/oci';
import type { ImageContext } from './context.ts';
import { footprint, type Part, totalBytes } from './footprint.ts';
import { dateOf } from './history.ts';
import type { ImageSummary, ListOptions } from './image-service.ts';
import { imageFilter } from './list-filters.ts';
import { repositoryNames } from './names.ts';
import { isDanglingName } from './records.ts';
import { choose, storedManifests } from './resolve.ts';

/**
 * All images, newest first. `size` counts what is on disk: every stored blob of the image and its unpacked layers, as
 * dockerd's containerd image store counts. Throws `invalid` for a filter it does not know.
 */
export async function list(context: ImageContext, options: ListOptions = {}): Promise<readonly ImageSummary[]> {
  const images = groupByTarget(context);
  const parents = context.records.parents();
  const matches = await imageFilter(context, options.filters ?? {}, images);
  const parts = new Map<Digest, readonly Part[]>();
  const kept: ImageSummary[] = [];
  for (const image of images.values()) {
    if (!options.all && image.dangling && [...parents.values()].includes(image.target.digest)) continue;
    const summary = await summarize(context, image, parents, parts);
    const narrowed = matches(summary);
    if (narrowed) kept.push(narrowed);
  }
  const summaries = options.sharedSize ? await withSharedSizes(context, kept, images, parts) : kept;
  return [...summaries].sort((a, b) => b.createdAt.getTime() - a.createdAt.getTime() || (a.id < b.id ? -1 : 1));
}

/** All names of one target. */
export interface NamedTarget {
  readonly target: Descriptor;
  readonly names: string[];
  readonly dangling: boolean;
}

export function groupByTarget(context: ImageContext): ReadonlyMap<Digest, NamedTarget> {
  const images = new Map<Digest, NamedTarget>();
  for (const { name, target } of context.records.all()) {
    const image = images.get(target.digest);
    if (image) image.names.push(name);
    else images.set(target.digest, { target, names: [name], dangling: isDanglingName(name) });
  }
  return images;
}

async function summarize(
  context: ImageContext,
  image: NamedTarget,
  parents: ReadonlyMap<Digest, Digest>,
  parts: Map<Digest, readonly Part[]>,
): Promise<ImageSummary> {
  const { target, names } = image;
  const held = await footprint(context, target.digest);
  parts.set(target.digest, held);
  const config = await configOf(context, target);
  return {
    id: target.digest,
    ...repositoryNames(names, target.digest),
    parentId: parents.get(target.digest) ?? '',
    createdAt: dateOf(config?.created),
    size: totalBytes(held),
    sharedSize: -1,
    labels: config?.config?.Labels ?? {},
    containers: context.inUse(target.digest).length,
    target,
  };
}

async function configOf(context: ImageContext, target: Descriptor): Promise<ImageConfigDocument | undefined> {
  try {
    return choose(context, await storedManifests(context, target), undefined)?.config;
  } catch (error) {
    // One damaged or foreign object must not take the whole list away.
    if (isKind(error, 'invalid', 'notFound', 'tooLarge', 'dataLoss')) return undefined;
    throw error;
  }
}

async function withSharedSizes(
  context: ImageContext,
  kept: readonly ImageSummary[],
  images: ReadonlyMap<Digest, NamedTarget>,
  parts: Map<Digest, readonly Part[]>,
): Promise<readonly ImageSummary[]> {
  const users = new Map<string, number>();
  for (const digest of images.keys())
    for (const part of parts.get(digest) ?? (await footprint(context, digest)))
      users.set(part.kind + part.key, (users.get(part.kind + part.key) ?? 0) + 1);
  return kept.map((summary) => {
    const shared = (parts.get(summary.id) ?? []).filter((part) => (users.get(part.kind + part.key) ?? 0) > 1);
    return { ...summary, sharedSize: totalBytes(shared) };
  });
}
