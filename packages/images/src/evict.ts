import { type CallOptions, isKind, throwIfAborted } from '@berth/base';
import { blobDiskUsage } from '@berth/content';
import type { Digest } from '@berth/oci';
import type { ImageContext } from './context.ts';
import type { EvictedImage, EvictOptions } from './image-service.ts';
import { known, list } from './list.ts';
import { isDangling } from './list-filters.ts';
import { remove } from './remove.ts';

/**
 * Makes room: removes images that no container has, the longest unused first, until `bytes` are freed or only images
 * used since `unusedSince` are left. What two images share goes, and counts, with the last of them.
 */
export async function evict(
  context: ImageContext,
  options: EvictOptions & CallOptions,
): Promise<readonly EvictedImage[]> {
  const evicted: EvictedImage[] = [];
  let freed = 0;
  for (const image of await plan(context, options)) {
    throwIfAborted(options.signal);
    if (freed >= options.bytes) break;
    const done = options.dryRun ? image : await removeAll(context, image, options);
    if (!done) continue;
    evicted.push(done);
    freed += done.bytes;
  }
  return evicted;
}

/** What may go, in the order in which it would, each with what its removal frees once those before it are gone. */
async function plan(context: ImageContext, options: EvictOptions): Promise<readonly EvictedImage[]> {
  const images = await list(context, { all: true });
  const users = new Map<string, number>();
  const partsOf = async (id: Digest, target: (typeof images)[number]['target']) =>
    (await known(context, target)).parts.map((part) => ({
      ...part,
      id,
      bytes: part.kind === 'blob' ? blobDiskUsage(context.content, part.key as Digest) : part.bytes,
    }));
  for (const { id, target } of images)
    for (const { kind, key } of await partsOf(id, target)) users.set(kind + key, (users.get(kind + key) ?? 0) + 1);
  const uses = context.records.uses();
  const parents = new Set(context.records.parents().values());
  const candidates = images
    .filter((image) => image.containers === 0 && !(isDangling(image) && parents.has(image.id)))
    .map((image) => ({ image, usedAt: new Date(uses.get(image.id) ?? image.createdAt.getTime()) }))
    .filter(({ usedAt }) => options.unusedSince === undefined || usedAt < options.unusedSince)
    .sort((a, b) => a.usedAt.getTime() - b.usedAt.getTime());
  const planned: EvictedImage[] = [];
  for (const { image, usedAt } of candidates) {
    let bytes = 0;
    for (const { kind, key, bytes: size } of await partsOf(image.id, image.target)) {
      const left = (users.get(kind + key) ?? 1) - 1;
      users.set(kind + key, left);
      if (left === 0) bytes += size;
    }
    planned.push({
      id: image.id,
      names: image.repoTags.length > 0 ? image.repoTags : image.repoDigests,
      usedAt,
      bytes,
    });
  }
  return planned;
}

async function removeAll(
  context: ImageContext,
  image: EvictedImage,
  options: CallOptions,
): Promise<EvictedImage | undefined> {
  let bytes = 0;
  try {
    for (const name of image.names.length > 0 ? image.names : [image.id])
      bytes += (await remove(context, name, options)).bytes;
  } catch (error) {
    // In use or gone since the plan was made.
    if (isKind(error, 'notFound', 'conflict')) return undefined;
    throw error;
  }
  return { ...image, bytes };
}
