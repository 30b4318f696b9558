import { type Descriptor, type Digest, decodeManifest, digestOf, MEDIA_TYPES, referrerOf } from '@berth/oci';
import type { FetchedManifest } from './manifests.ts';

/** Tag under which registries without a referrers API list what refers to a manifest (distribution-spec). */
export function referrersTag(subject: Digest): string {
  return subject.replace(':', '-');
}

/** How a manifest that has a `subject` is listed; undefined for one that has none. */
export function referrerEntry({ descriptor, bytes }: FetchedManifest): ReturnType<typeof referrerOf> {
  return referrerOf(descriptor, decodeManifest(bytes, descriptor.mediaType));
}

/** The list with one more entry, as an index to push; undefined when it is in already. */
export function addReferrer(listed: readonly Descriptor[], entry: Descriptor): FetchedManifest | undefined {
  if (listed.some(({ digest }) => digest === entry.digest)) return undefined;
  const index = { schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests: [...listed, entry] };
  const bytes = Buffer.from(JSON.stringify(index));
  return { descriptor: { mediaType: MEDIA_TYPES.ociIndex, digest: digestOf(bytes), size: bytes.byteLength }, bytes };
}
