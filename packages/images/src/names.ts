import {
  type Digest,
  familiarString,
  normalizedString,
  parseReference,
  type Reference,
  withDefaultTag,
} from '@berth/oci';

/** The name that keeps an image which lost its last one. */
const DANGLING = '<none>@';
export const danglingName = (digest: Digest): string => `${DANGLING}${digest}`;
export const isDanglingName = (name: string): boolean => name.startsWith(DANGLING);

/** The record name of what a user typed: `busybox` is `docker.io/library/busybox:latest`. Throws `invalid`. */
export const recordName = (text: string): string => recordNameOf(parseReference(text));

/** The record name of a reference; a tag beside a digest means nothing, as in docker. */
export function recordNameOf(reference: Reference): string {
  if (reference.digest === undefined) return normalizedString(withDefaultTag(reference));
  const { tag: _ignored, ...exact } = reference;
  return normalizedString(exact);
}

export const familiarOf = (text: string): string => familiarString(withDefaultTag(parseReference(text)));

/** Of a record name; such names are never malformed. */
export type ParseName = (name: string) => Reference;

/** References among the record names of one image. */
export const referencesOf = (names: readonly string[], parse: ParseName = parseReference): readonly Reference[] =>
  names.filter((name) => !isDanglingName(name)).map((name) => parse(name));

/** The two lists docker shows: names with tags, and `repository@digest` for every repository that has the image. */
export interface RepositoryNames {
  readonly repoTags: readonly string[];
  readonly repoDigests: readonly string[];
}

export function repositoryNames(names: readonly string[], digest: Digest, parse?: ParseName): RepositoryNames {
  const references = referencesOf(names, parse);
  const repoTags = references.filter((reference) => reference.tag !== undefined).map((r) => familiarString(r));
  const repoDigests = references.map(({ domain, path }) => familiarString({ domain, path, digest }));
  return { repoTags: [...new Set(repoTags)].sort(), repoDigests: [...new Set(repoDigests)].sort() };
}
