import { type CallOptions, isKind, messageOf } from '@berth/base';
import type { FollowedFile, Ingest } from '@berth/content';
import type { Descriptor, Fetcher } from '@berth/oci';
import { isElsewhere } from '@berth/registry-client';
import type { ImageContext } from './context.ts';
import { LayerProgress, type Progress } from './progress.ts';

/** Refs of partial downloads. */
export const DOWNLOAD_PREFIX = 'blob/';

/** Gets the file that a download goes to, to read it meanwhile, and closes it. */
export type Follow = (file: FollowedFile) => void;

export interface FetchBlobOptions extends CallOptions {
  readonly onEvent?: Progress | undefined;
  /**
   * Called once, before the first byte comes in, by a download that this call starts. When the bytes turn out to be
   * wrong and others come from elsewhere, the file is given up although the download goes well.
   */
  readonly follow?: Follow;
}

/**
 * Makes sure a blob is in the store. Calls for the same blob share one download; one that was interrupted, also by the
 * end of the process, goes on where it stopped. Throws `dataLoss` when size or digest are wrong; nothing is kept then.
 */
export async function fetchBlob(
  context: ImageContext,
  source: Fetcher,
  blob: Descriptor,
  options: FetchBlobOptions = {},
): Promise<void> {
  if (context.content.stat(blob.digest)) return;
  await context.downloads.join(blob.digest, options, (signal, emit) =>
    download(context, source, blob, { signal, onEvent: emit, ...(options.follow && { follow: options.follow }) }),
  );
}

async function download(
  context: ImageContext,
  source: Fetcher,
  blob: Descriptor,
  options: FetchBlobOptions,
): Promise<void> {
  const progress = new LayerProgress(blob, options.onEvent);
  if (context.downloadSlots.busy) progress.phase('waiting');
  using _slot = await context.downloadSlots.acquire(options);
  for (let { follow } = options; ; follow = undefined) {
    if (context.content.stat(blob.digest)) return;
    try {
      await attempt(context, source, blob, progress, { signal: options.signal, ...(follow && { follow }) });
      return progress.phase('downloaded');
    } catch (error) {
      if (!isElsewhere(error) && !(error instanceof SpoiledRest)) throw error;
      context.logger.warn('a blob came with wrong bytes, fetching it again', { digest: blob.digest, error });
      progress.phase('retrying', `(${messageOf(error)})`);
    }
  }
}

/** What was kept from an earlier download may be what is wrong; the next one begins at the first byte. */
class SpoiledRest extends Error {}

async function attempt(
  context: ImageContext,
  source: Fetcher,
  blob: Descriptor,
  progress: LayerProgress,
  options: FetchBlobOptions,
): Promise<void> {
  const { signal } = options;
  await using ingest = await context.content.ingest(DOWNLOAD_PREFIX + blob.digest, blob, { signal });
  const resumed = ingest.offset > 0;
  progress.bytes('downloading', ingest.offset);
  if (options.follow) options.follow(ingest.follow());
  try {
    await receive(source, blob, ingest, progress, { signal });
    progress.phase('verifying');
    await ingest.commit(blob);
  } catch (error) {
    if (isElsewhere(error)) await ingest.abort();
    else if (resumed && isKind(error, 'dataLoss')) {
      await ingest.abort();
      throw new SpoiledRest(messageOf(error), { cause: error });
    }
    throw error;
  }
}

async function receive(
  source: Fetcher,
  blob: Descriptor,
  ingest: Ingest,
  progress: LayerProgress,
  options: CallOptions,
): Promise<void> {
  if (ingest.offset >= blob.size) return;
  // The registry client reconnects by itself; a source that ends early is found out by the size check of the commit.
  const range = ingest.offset > 0 ? { range: { start: ingest.offset } } : {};
  for await (const chunk of await source.fetch(blob, { ...options, ...range, transient: true })) {
    await ingest.write(chunk);
    progress.bytes('downloading', ingest.offset);
  }
}
