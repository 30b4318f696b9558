import { shortId } from '@berth/base';
import { copyGraph, type Descriptor, graphDigests, type Pusher, type Reference, type Tagger } from '@berth/oci';
import type { ImageContext } from './context.ts';
import { cosignTag } from './cosign-tag.ts';
import type { PushOptions } from './image-service.ts';
import { blobRef, type Lease } from './lease.ts';
import { referrersUnder } from './referrers.ts';
import { storeFetcher } from './store-fetcher.ts';

/**
 * Sends what is stored about an image after the image. The registry, or the tag that stands in for its referrers API,
 * lists those that name their subject; those of cosign get their tags. Throws what the registry refuses.
 */
export async function pushReferrers(
  context: ImageContext,
  root: Descriptor,
  to: Pusher & Tagger,
  { domain, path }: Reference,
  lease: Lease,
  options: PushOptions,
): Promise<void> {
  const referrers = await referrersUnder(context, root);
  lease.add(referrers.map(({ target }) => blobRef(target.digest)));
  for (const { subject, target, suffix } of referrers) {
    const graph = await copyGraph(storeFetcher(context), to, target, {
      signal: options.signal,
      concurrency: context.limits.maxConcurrentUploads,
      trustExistingManifests: true,
    });
    if (suffix !== undefined) await to.tag(target, cosignTag(subject, suffix), options);
    for (const digest of graphDigests(graph)) context.records.addSource(digest, domain, path);
    options.onProgress?.({ type: 'message', id: shortId(target.digest), text: 'Pushed referrer' });
  }
}
