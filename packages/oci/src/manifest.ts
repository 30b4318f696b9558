import type { Descriptor } from './descriptor.ts';
import type { Digest } from './digest.ts';
import { isUnknownPlatform, type Platform, platformRank } from './platform.ts';

/** OCI image manifest or docker schema 2 manifest (image-spec `manifest.md`). */
export interface ImageManifest {
  readonly schemaVersion: 2;
  readonly mediaType?: string;
  readonly artifactType?: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly subject?: Descriptor;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** OCI image index or docker manifest list (image-spec `image-index.md`). */
export interface ImageIndex {
  readonly schemaVersion: 2;
  readonly mediaType?: string;
  readonly artifactType?: string;
  readonly manifests: readonly Descriptor[];
  readonly subject?: Descriptor;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** A decoded manifest, whichever it is; `mediaType` is always known here. */
export type Manifest =
  | { readonly kind: 'image'; readonly mediaType: string; readonly image: ImageManifest }
  | { readonly kind: 'index'; readonly mediaType: string; readonly index: ImageIndex };

/** What must be in a store before the manifest itself: config, then layers; or the index's manifests. */
export function childrenOf(manifest: Manifest): readonly Descriptor[] {
  return manifest.kind === 'image' ? [manifest.image.config, ...manifest.image.layers] : manifest.index.manifests;
}

/** What a manifest is about, and how it is listed among the referrers of that (distribution-spec); undefined without a `subject`. */
export function referrerOf(
  { mediaType, digest, size }: Descriptor,
  manifest: Manifest,
): { readonly subject: Digest; readonly descriptor: Descriptor } | undefined {
  const content = manifest.kind === 'image' ? manifest.image : manifest.index;
  if (content.subject === undefined) return undefined;
  return { subject: content.subject.digest, descriptor: { mediaType, digest, size, ...selfDescription(manifest) } };
}

/** The artifact type and the annotations that a manifest gives itself. */
export function selfDescription(manifest: Manifest): Pick<Descriptor, 'artifactType' | 'annotations'> {
  const { artifactType, annotations } = manifest.kind === 'image' ? manifest.image : manifest.index;
  const type = artifactType ?? (manifest.kind === 'image' ? manifest.image.config.mediaType : undefined);
  return {
    ...(type === undefined ? {} : { artifactType: type }),
    ...(annotations === undefined ? {} : { annotations }),
  };
}

const ATTESTATION = 'vnd.docker.reference.type';

/** True for BuildKit's attestation manifests, which list themselves in an index beside the images they describe. */
export function isAttestation(descriptor: Descriptor): boolean {
  return descriptor.annotations?.[ATTESTATION] === 'attestation-manifest' || isUnknownPlatform(descriptor.platform);
}

/**
 * The manifests of an index that run on `wanted`, best first as containerd orders them: exact platform, then
 * compatible ones, then those that name no platform. Attestations are left out.
 */
export function selectManifests(index: ImageIndex, wanted: Platform): readonly Descriptor[] {
  const ranked = index.manifests.flatMap((descriptor, position) => {
    if (isAttestation(descriptor)) return [];
    const rank = descriptor.platform === undefined ? 1000 : platformRank(wanted, descriptor.platform);
    return rank === undefined ? [] : [{ descriptor, rank, position }];
  });
  return ranked.sort((a, b) => a.rank - b.rank || a.position - b.position).map(({ descriptor }) => descriptor);
}
