import type { Digest } from '@berth/oci';
import type { ImageContext } from './context.ts';
import type { HistoryEntry, ResolvedImage } from './image-service.ts';
import { type PlatformOption, resolve, resolveTarget } from './resolve.ts';

/** How far back a line of parents is followed. */
const MAX_PARENTS = 256;

/**
 * The image's steps, newest first. A step's size is what its layer takes on disk unpacked, or as stored when it was
 * never unpacked. A step whose image exists here under a known parent carries that image's ID, others `<missing>`.
 */
export async function history(
  context: ImageContext,
  name: string,
  options: PlatformOption = {},
): Promise<readonly HistoryEntry[]> {
  const image = await resolve(context, name, options);
  const steps = image.config.history ?? [];
  const sizes = await layerSizes(context, image);
  const owners = await stepOwners(context, image, options);
  let layer = 0;
  const entries = steps.map((step, at): HistoryEntry => {
    const size = step.empty_layer ? 0 : (sizes[layer++] ?? 0);
    const owner = owners.get(at + 1);
    return {
      id: owner ?? '<missing>',
      createdAt: dateOf(step.created),
      createdBy: step.created_by ?? '',
      tags: owner ? tagsOf(context, owner) : [],
      size,
      comment: step.comment ?? '',
    };
  });
  return entries.reverse();
}

/** A configuration's time, the epoch when it has none or a malformed one. */
export function dateOf(text: string | undefined): Date {
  const time = text === undefined ? Number.NaN : Date.parse(text);
  return new Date(Number.isNaN(time) ? 0 : time);
}

async function layerSizes(context: ImageContext, image: ResolvedImage): Promise<readonly number[]> {
  const sizes: number[] = [];
  for (const [at, chainId] of image.chainIds.entries()) {
    const unpacked = context.snapshotter.stat(chainId) && (await context.snapshotter.usage(chainId));
    sizes.push(unpacked?.bytes ?? image.layers[at]?.size ?? 0);
  }
  return sizes;
}

/** Image whose newest step is the n-th of this history. */
async function stepOwners(
  context: ImageContext,
  image: ResolvedImage,
  options: PlatformOption,
): Promise<ReadonlyMap<number, Digest>> {
  const owners = new Map([[image.config.history?.length ?? 0, image.id]]);
  let parent = context.records.facts(image.id).parent;
  for (let count = 0; parent !== undefined && count < MAX_PARENTS; count++) {
    const target = context.records.named(parent)?.target;
    if (!target) break;
    const resolved = await resolveTarget(context, target, parent, options).catch(() => undefined);
    const steps = resolved?.config.history?.length;
    if (steps !== undefined && !owners.has(steps)) owners.set(steps, parent);
    parent = context.records.facts(parent).parent;
  }
  return owners;
}

const tagsOf = (context: ImageContext, id: Digest): readonly string[] =>
  context.records.named(id)?.shown.repoTags ?? [];
