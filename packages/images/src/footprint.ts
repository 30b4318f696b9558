import { chainIds, childrenOf, type Descriptor, type Digest, type Manifest } from '@berth/oci';
import type { NodeRef } from '@berth/state';
import type { ImageContext } from './context.ts';
import { isContainerImage } from './documents.ts';

/** A stored object that belongs to an image, and the bytes it takes on disk. */
export interface Part extends NodeRef {
  readonly kind: 'blob' | 'snapshot';
  readonly bytes: number;
}

/**
 * Every stored blob an image's target reaches, what came with it about it, and the committed snapshots of its layers. What an index names but was
 * not pulled is left out. A manifest that names itself, or others in a circle, is visited once.
 */
export async function footprint(context: ImageContext, target: Digest): Promise<readonly Part[]> {
  return (await measure(context, target)).parts;
}

/** The footprint, and whether it is all there could be: nothing that the image names is missing. */
export async function measure(
  context: ImageContext,
  target: Digest,
): Promise<{ readonly parts: readonly Part[]; readonly whole: boolean }> {
  const parts = new Map<string, Part>();
  let whole = true;
  const queue: Digest[] = [target];
  const aside = new Set<Digest>();
  for (let digest = queue.pop(); digest !== undefined; digest = queue.pop()) {
    const info = context.content.stat(digest);
    if (!info) whole = false;
    if (!info || parts.has(digest)) continue;
    parts.set(digest, { kind: 'blob', key: digest, bytes: info.size });
    const document = await context.documents.tryManifest(digest);
    if (!document) continue;
    const referrers = context.records.referrers(digest).map((each) => each.target.digest);
    queue.push(...childrenOf(document).map((child) => child.digest), ...referrers);
    for (const each of referrers) aside.add(each);
    // a signature may look like an image; nothing of it is ever unpacked
    if (aside.has(digest)) continue;
    for (const chainId of await chainOf(context, document)) {
      if (!context.snapshotter.stat(chainId)) {
        whole = false;
        continue;
      }
      const { bytes } = await context.snapshotter.usage(chainId);
      parts.set(`snapshot ${chainId}`, { kind: 'snapshot', key: chainId, bytes });
    }
  }
  return { parts: [...parts.values()], whole };
}

/** Chain IDs of the layers of a stored image manifest; none for an index or an artifact. */
export async function chainOf(
  context: Pick<ImageContext, 'content' | 'documents'>,
  document: Manifest,
): Promise<readonly Digest[]> {
  if (document.kind === 'index' || !isContainerImage(document.image)) return [];
  if (!context.content.stat(document.image.config.digest)) return [];
  try {
    const config = await context.documents.config(document.image.config.digest);
    return chainIds(config.rootfs.diff_ids as readonly Digest[]);
  } catch {
    // A configuration that cannot be decoded was never unpacked.
    return [];
  }
}

export const totalBytes = (parts: Iterable<Part>): number => {
  let bytes = 0;
  for (const part of parts) bytes += part.bytes;
  return bytes;
};

/** What a descriptor of a name needs to be a database record. */
export const bare = ({ mediaType, digest, size }: Descriptor): Descriptor => ({ mediaType, digest, size });
