import { type Digest, digestHex } from '@berth/oci';

/** What cosign attaches to an image by a tag of its own: signatures, attestations, bills of materials. */
export const COSIGN_SUFFIXES: readonly string[] = ['sig', 'att', 'sbom'];

/** `sha256-<hex>.sig`. */
export const cosignTag = (subject: Digest, suffix: string): string =>
  `${subject.slice(0, subject.indexOf(':'))}-${digestHex(subject)}.${suffix}`;

/** What a tag of cosign's says; undefined for other tags. */
export function parseCosignTag(tag: string): { readonly subject: Digest; readonly suffix: string } | undefined {
  const found = /^sha256-([0-9a-f]{64})\.([a-z]+)$/.exec(tag);
  const suffix = found?.[2] ?? '';
  return COSIGN_SUFFIXES.includes(suffix) ? { subject: `sha256:${found?.[1]}` as Digest, suffix } : undefined;
}
