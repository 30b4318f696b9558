import { type CallOptions, isKind } from '@berth/base';
import type { Descriptor, Digest, ImageConfigDocument } from '@berth/oci';
import type { ImageContext } from './context.ts';
import { findImage } from './find.ts';
import { measure, type Part, totalBytes } from './footprint.ts';
import { dateOf } from './history.ts';
import type { ImageSummary, ListOptions } from './image-service.ts';
import { imageFilter } from './list-filters.ts';
import { NamedTarget } from './named-target.ts';
import { choose, storedManifests } from './resolve.ts';

/**
 * All images, newest first. `size` counts what is on disk: every stored blob of the image and its unpacked layers, as
 * dockerd's containerd image store counts. Throws `invalid` for a filter it does not know.
 */
export async function list(context: ImageContext, options: ListOptions = {}): Promise<readonly ImageSummary[]> {
  const images = context.records.allNamed();
  const parents = context.records.parents();
  const intermediate = options.all ? undefined : new Set(parents.values());
  const matches = await imageFilter(context, options.filters ?? {}, images);
  const kept: ImageSummary[] = [];
  for (const image of images.values()) {
    if (image.dangling && intermediate?.has(image.target.digest)) continue;
    const narrowed = matches(
      summarize(context, image, parents.get(image.target.digest), await known(context, image.target)),
    );
    if (narrowed) kept.push(narrowed);
  }
  const summaries = options.sharedSize ? await withSharedSizes(context, kept, images) : kept;
  return [...summaries].sort((a, b) => b.createdAt.getTime() - a.createdAt.getTime() || (a.id < b.id ? -1 : 1));
}

/** One image of the list. Throws `notFound`. */
export async function summary(context: ImageContext, name: string, _options: CallOptions = {}): Promise<ImageSummary> {
  const { target } = findImage(context, name);
  const { parent, lastTagged } = context.records.facts(target.digest);
  const image = context.records.named(target.digest) ?? new NamedTarget(target, [], context.records.parse);
  const found = summarize(context, image, parent, await known(context, target));
  return lastTagged === undefined ? found : { ...found, lastTagged: new Date(lastTagged) };
}

/**
 * What takes reading blobs and asking for sizes. Of an image that is whole it stays right for as long as the image has a
 * name, since nothing of it may go; of one with pieces missing until any blob or layer comes.
 */
export interface KnownSummary {
  readonly whole: boolean;
  readonly generation: string;
  readonly parts: readonly Part[];
  readonly size: number;
  readonly createdAt: Date;
  readonly labels: Readonly<Record<string, string>>;
}

export async function known(context: ImageContext, target: Descriptor): Promise<KnownSummary> {
  const generation = `${context.content.generation} ${context.snapshotter.generation}`;
  const before = context.summaries.get(target.digest);
  if (before?.whole || before?.generation === generation) return before;
  const { parts, whole } = await measure(context, target.digest);
  const config = await configOf(context, target);
  const now = {
    whole,
    generation,
    parts,
    size: totalBytes(parts),
    createdAt: dateOf(config?.created),
    labels: config?.config?.Labels ?? {},
  };
  context.summaries.set(target.digest, now);
  return now;
}

function summarize(
  context: ImageContext,
  { target, shown }: NamedTarget,
  parent: Digest | undefined,
  { size, createdAt, labels }: KnownSummary,
): ImageSummary {
  return {
    id: target.digest,
    ...shown,
    parentId: parent ?? '',
    createdAt,
    size,
    sharedSize: -1,
    labels,
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

/** `sharedSize` is what other images hold too: what removing the image alone would not free. */
async function withSharedSizes(
  context: ImageContext,
  kept: readonly ImageSummary[],
  images: ReadonlyMap<Digest, NamedTarget>,
): Promise<readonly ImageSummary[]> {
  const users = new Map<string, number>();
  for (const { target } of images.values())
    for (const { kind, key } of (await known(context, target)).parts)
      users.set(kind + key, (users.get(kind + key) ?? 0) + 1);
  return await Promise.all(
    kept.map(async (image) => {
      const { parts } = await known(context, image.target);
      return { ...image, sharedSize: totalBytes(parts.filter(({ kind, key }) => (users.get(kind + key) ?? 0) > 1)) };
    }),
  );
}
