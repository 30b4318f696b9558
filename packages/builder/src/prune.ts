import type { NodeRef } from '@berth/state';
import type { BuildServiceDeps, PruneOptions } from './build-service.ts';
import type { BuildCache } from './cache/build-cache.ts';

export async function prune(
  deps: BuildServiceDeps & { readonly cache: BuildCache },
  options: PruneOptions,
): Promise<{ readonly removed: readonly string[]; readonly bytes: number }> {
  const records = deps.cache.list();
  let left = records.reduce((sum, record) => sum + record.bytes, 0);
  const removed: string[] = [];
  const candidates: NodeRef[] = [];
  let estimate = 0;
  for (const record of records) {
    if (options.ids && !options.ids.includes(record.id)) continue;
    if (options.before && record.usedAt >= options.before) continue;
    if (options.keepBytes !== undefined && left <= options.keepBytes) break;
    candidates.push(...deps.cache.references(record.id));
    deps.cache.remove(record.id);
    removed.push(record.id);
    left -= record.bytes;
    estimate += record.bytes;
  }
  if (removed.length === records.length) deps.cache.forgetNotes();
  if (removed.length === 0) return { removed, bytes: 0 };
  const { bytes } = deps.collect ? await deps.collect(candidates) : { bytes: estimate };
  return { removed, bytes };
}
