import type { ImageContext } from './context.ts';
import { DOWNLOAD_PREFIX } from './fetch-blob.ts';
import { UNPACK_PREFIX } from './layer-work.ts';
import { LOAD_PREFIX } from './load-spool.ts';
import { STREAM_PREFIX } from './store-stream.ts';

/** How long a partial download waits for the next pull, milliseconds. */
const KEPT_DOWNLOAD = 7 * 24 * 3600 * 1000;

/**
 * At daemon start, before any other call: removes what a killed process left half done and nobody can go on with.
 * Referrers of what is gone are forgotten. Partial downloads stay for the next pull, for a week; leases are ended by `openLeases`.
 */
export async function recover(context: ImageContext): Promise<void> {
  const snapshots = [...context.snapshotter.list()].filter(
    ({ kind, key }) => kind === 'active' && key.startsWith(UNPACK_PREFIX),
  );
  for (const { key } of snapshots) await context.snapshotter.remove(key);
  const oldest = context.clock.now().getTime() - KEPT_DOWNLOAD;
  const ingests = [...context.content.ingests()].filter(
    ({ ref, updatedAt }) =>
      ref.startsWith(STREAM_PREFIX) ||
      ref.startsWith(LOAD_PREFIX) ||
      (ref.startsWith(DOWNLOAD_PREFIX) && updatedAt.getTime() < oldest),
  );
  for (const { ref } of ingests) {
    await using ingest = await context.content.ingest(ref);
    await ingest.abort();
  }
  // A blob that a crash spoiled was thrown away when the store was opened.
  const loose = context.records
    .allReferrers()
    .filter(({ subject, target }) => !context.content.stat(subject) || !context.content.stat(target.digest));
  for (const referrer of loose) context.records.deleteReferrer(referrer);
  if (snapshots.length + ingests.length > 0)
    context.logger.info('removed what the last run left half done', {
      snapshots: snapshots.length,
      ingests: ingests.length,
    });
}
