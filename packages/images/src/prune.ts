import { type CallOptions, isKind, throwIfAborted } from '@berth/base';
import { pruneIngests } from '@berth/content';
import { sweep } from './collectables.ts';
import type { ImageContext } from './context.ts';
import type { ImageSummary, RemovedItem } from './image-service.ts';
import { endLeftLeases } from './lease.ts';
import { list } from './list.ts';
import { isDangling } from './list-filters.ts';
import { remove } from './remove.ts';

export interface PruneOptions extends CallOptions {
  /** Only images without a name; otherwise every image that no container uses. */
  readonly dangling: boolean;
  readonly matches?: (image: ImageSummary) => boolean;
}

/** Gives up downloads that nobody is at, and the finished layers of pulls that were cut short. */
async function prunePartial(context: ImageContext, options: PruneOptions): Promise<number> {
  endLeftLeases(context, 'pull ');
  // those that end in this very millisecond too: one that is open is passed over anyhow
  const until = new Date(context.clock.now().getTime() + 1);
  const freed = await pruneIngests(context.content, until, options);
  return freed + (await sweep(context));
}

/** Removes images that nothing uses. `bytes` is what the file systems got back. */
export async function prune(
  context: ImageContext,
  options: PruneOptions,
): Promise<{ readonly removed: readonly RemovedItem[]; readonly bytes: number }> {
  const removed: RemovedItem[] = [];
  let bytes = 0;
  for (const image of await list(context, { all: true })) {
    throwIfAborted(options.signal);
    if (options.dangling && !isDangling(image)) continue;
    if (context.inUse(image.id).length > 0 || options.matches?.(image) === false) continue;
    // By every name, since an ID with several names would be refused without force. With the last the image goes, and
    // the digests of its tags with it.
    const names = isDangling(image) ? [image.id] : [...image.repoTags, ...image.repoDigests];
    for (const name of names) {
      try {
        const result = await remove(context, name, options);
        removed.push(...result.items);
        bytes += result.bytes;
      } catch (error) {
        // Gone, or in use since the list was made.
        if (!isKind(error, 'notFound', 'conflict')) throw error;
      }
    }
  }
  bytes += await prunePartial(context, options);
  if (removed.length > 0 || bytes > 0) context.emit('image', 'prune', '', { reclaimed: String(bytes) });
  return { removed, bytes };
}
