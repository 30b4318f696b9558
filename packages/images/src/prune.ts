import { type CallOptions, isKind, throwIfAborted } from '@berth/base';
import { pruneIngests } from '@berth/content';
import { type Digest, familiarString, type Reference, tryParseReference } from '@berth/oci';
import { sweep } from './collectables.ts';
import type { ImageContext } from './context.ts';
import type { ImageSummary, RemovedItem } from './image-service.ts';
import { endLeftLeases } from './lease.ts';
import { list } from './list.ts';
import { isDangling } from './list-filters.ts';
import { isDanglingName, recordNameOf } from './names.ts';
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

/**
 * Of an image that nothing uses all: by every name, since an ID with several would be refused without force. With the
 * last one the image goes, and the digests of its tags with it. A container keeps the name it was made with; when it
 * was made by ID or digest, one of them, the last.
 */
function namesToPrune(context: ImageContext, image: ImageSummary): readonly string[] {
  const users = context.inUse(image.id);
  if (users.length === 0) return isDangling(image) ? [image.id] : [...image.repoTags, ...image.repoDigests];
  const names = context.records
    .withDigest(image.id as Digest)
    .flatMap(({ name }) => (isDanglingName(name) ? [] : [name]));
  const used = new Set(users.map(({ name }) => name && tryParseReference(name)).flatMap((r) => (r ? namesOf(r) : [])));
  const byId = users.some(({ name }) => !name || isIdOf(name, image.id) || name.endsWith(`@${image.id}`));
  const left = names.sort().filter((name) => !used.has(name));
  const kept = byId && left.length === names.length ? left.slice(0, -1) : left;
  return kept.map((name) => familiarString(name));
}

/** A record's name, and for `repository:tag@digest` also that of the tag. */
const namesOf = (reference: Reference): readonly string[] => {
  const { digest: _digest, ...tagged } = reference;
  return reference.tag === undefined ? [recordNameOf(reference)] : [recordNameOf(reference), recordNameOf(tagged)];
};

const isIdOf = (name: string, id: string): boolean => id.startsWith(`sha256:${name.replace(/^sha256:/, '')}`);

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
    if (options.matches?.(image) === false) continue;
    for (const name of namesToPrune(context, image)) {
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
