import type { CallOptions } from '@berth/base';
import { childrenOf, type Descriptor, type Digest, selfDescription } from '@berth/oci';
import type { ImageContext } from './context.ts';
import { findImage } from './find.ts';
import { footprint, totalBytes } from './footprint.ts';
import type { ReferrerSummary } from './image-service.ts';
import type { ReferrerRecord } from './records.ts';

/** What is stored about an image and about its referrers, each once. Throws `notFound`, `invalid`. */
export async function referrers(
  context: ImageContext,
  name: string,
  _options: CallOptions = {},
): Promise<readonly ReferrerSummary[]> {
  const found = await referrersUnder(context, findImage(context, name).target);
  return await Promise.all(found.map((referrer) => summarize(context, referrer)));
}

/** Referrers of a manifest, of the manifests of an index, and of those referrers, as far as they are stored. */
export async function referrersUnder(context: ImageContext, target: Descriptor): Promise<readonly ReferrerRecord[]> {
  const found = new Map<string, ReferrerRecord>();
  const seen = new Set<Digest>();
  const queue: Digest[] = [target.digest];
  for (let digest = queue.pop(); digest !== undefined; digest = queue.pop()) {
    if (seen.has(digest) || !context.content.stat(digest)) continue;
    seen.add(digest);
    const document = await context.documents.tryManifest(digest);
    if (document?.kind === 'index') queue.push(...childrenOf(document).map((child) => child.digest));
    for (const referrer of context.records.referrers(digest)) {
      if (!context.content.stat(referrer.target.digest)) continue;
      found.set(`${digest} ${referrer.target.digest}`, referrer);
      queue.push(referrer.target.digest);
    }
  }
  return [...found.values()];
}

async function summarize(context: ImageContext, { subject, target, suffix }: ReferrerRecord): Promise<ReferrerSummary> {
  const document = await context.documents.tryManifest(target.digest);
  return {
    subject,
    descriptor: { ...target, ...(document ? selfDescription(document) : {}) },
    content: totalBytes(await footprint(context, target.digest)),
    ...(suffix === undefined ? {} : { suffix }),
  };
}
