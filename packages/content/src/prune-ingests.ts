import { type CallOptions, isKind, throwIfAborted } from '@berth/base';
import type { ContentStore } from './content-store.ts';

/** Gives up partial blobs that nothing was added to since `before` and that nobody is receiving; returns bytes freed. */
export async function pruneIngests(store: ContentStore, before: Date, options: CallOptions = {}): Promise<number> {
  let freed = 0;
  for (const { ref, diskUsage, updatedAt } of [...store.ingests()]) {
    throwIfAborted(options.signal);
    if (updatedAt < before && (await giveUp(store, ref))) freed += diskUsage;
  }
  return freed;
}

async function giveUp(store: ContentStore, ref: string): Promise<boolean> {
  try {
    await using ingest = await store.ingest(ref);
    await ingest.abort();
    return true;
  } catch (error) {
    if (isKind(error, 'conflict')) return false;
    throw error;
  }
}
