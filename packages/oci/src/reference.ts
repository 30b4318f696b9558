import { invalid } from '@berth/base';
import { type Digest, parseDigest } from './digest.ts';

/**
 * An image name as docker understands it: `[domain/]path[:tag][@digest]`, after normalization (`busybox` is
 * `docker.io/library/busybox`).
 */
export interface Reference {
  /** Registry host and port, e.g. `docker.io`, `localhost:5000`, `[::1]:5000`. */
  readonly domain: string;
  /** Repository within the registry, e.g. `library/busybox`. */
  readonly path: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

export const DEFAULT_DOMAIN = 'docker.io';
export const DEFAULT_TAG = 'latest';
const LEGACY_DEFAULT_DOMAIN = 'index.docker.io';
const OFFICIAL_PREFIX = 'library/';
const MAX_PATH = 255;

const LABEL = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const HOST = `(?:${LABEL}(?:\\.${LABEL})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?`;
const COMPONENT = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*';
const PATH = `${COMPONENT}(?:/${COMPONENT})*`;
const TAG = '[\\w][\\w.-]{0,127}';
const DIGEST = '[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}';

const REFERENCE = new RegExp(`^(?:(${HOST})/)?(${PATH})(?::(${TAG}))?(?:@(${DIGEST}))?$`);
const REPOSITORY_PATH = new RegExp(`^${PATH}$`);
const TAG_ONLY = new RegExp(`^${TAG}$`);
const IDENTIFIER = /^[a-f0-9]{64}$/;

/** Longest input looked at: host 255, path 255, tag 128, sha512 digest and separators. */
const MAX_INPUT = 1024;

const splitDomain = (name: string): readonly [domain: string, rest: string] => {
  const slash = name.indexOf('/');
  const first = name.slice(0, slash);
  const isHost = slash > 0 && (/[.:]/.test(first) || first === 'localhost' || first.toLowerCase() !== first);
  const [given, rest] = isHost ? [first, name.slice(slash + 1)] : [DEFAULT_DOMAIN, name];
  const domain = given === LEGACY_DEFAULT_DOMAIN ? DEFAULT_DOMAIN : given;
  return [domain, domain === DEFAULT_DOMAIN && !rest.includes('/') ? OFFICIAL_PREFIX + rest : rest];
};

const match = (text: string): RegExpExecArray => {
  const found = REFERENCE.exec(text);
  if (found !== null) return found;
  if (REFERENCE.test(text.toLowerCase())) throw invalid('invalid reference format: repository name must be lowercase');
  throw invalid('invalid reference format');
};

/** Parses what a user typed and fills in docker's defaults, except the tag. Throws `invalid` in dockerd's words. */
export function parseReference(text: string): Reference {
  if (IDENTIFIER.test(text))
    throw invalid(`invalid repository name (${text}), cannot specify 64-byte hexadecimal strings`);
  if (text.length > MAX_INPUT) throw invalid('invalid reference format');
  const [domain, rest] = splitDomain(text);
  const colon = rest.search(/[:@]/);
  const remote = colon < 0 ? rest : rest.slice(0, colon);
  if (remote !== remote.toLowerCase())
    throw invalid(`invalid reference format: repository name (${remote}) must be lowercase`);
  const [, host = '', path = '', tag, digest] = match(`${domain}/${rest}`);
  if (path.length > MAX_PATH) throw invalid(`repository name must not be more than ${MAX_PATH} characters`);
  return {
    domain: host,
    path,
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest: parseDigest(digest) }),
  };
}

/** Like `parseReference`, undefined instead of an error. */
export function tryParseReference(text: string): Reference | undefined {
  try {
    return parseReference(text);
  } catch {
    return undefined;
  }
}

const toReference = (from: Reference | string): Reference => (typeof from === 'string' ? parseReference(from) : from);
const suffix = ({ tag, digest }: Reference): string =>
  (tag === undefined ? '' : `:${tag}`) + (digest === undefined ? '' : `@${digest}`);

/** The reference with `:latest` when it has neither tag nor digest. */
export function withDefaultTag(reference: Reference): Reference {
  return reference.tag === undefined && reference.digest === undefined ? { ...reference, tag: DEFAULT_TAG } : reference;
}

/** Domain and path in full, without tag and digest: `docker.io/library/busybox`. */
export function normalizedName(from: Reference | string): string {
  const { domain, path } = toReference(from);
  return `${domain}/${path}`;
}

/** As users see it, without tag and digest: `busybox`, `user/app`, `localhost:5000/app`. */
export function familiarName(from: Reference | string): string {
  const { domain, path } = toReference(from);
  if (domain !== DEFAULT_DOMAIN) return `${domain}/${path}`;
  const short = path.startsWith(OFFICIAL_PREFIX) ? path.slice(OFFICIAL_PREFIX.length) : path;
  return short.includes('/') ? path : short;
}

/** `docker.io/library/busybox:1.0@sha256:...`. */
export function normalizedString(from: Reference | string): string {
  const reference = toReference(from);
  return normalizedName(reference) + suffix(reference);
}

/** `busybox:1.0@sha256:...`. */
export function familiarString(from: Reference | string): string {
  const reference = toReference(from);
  return familiarName(reference) + suffix(reference);
}

/** True for the path of a repository on a registry (`library/busybox`), within its length limit. */
export function isRepositoryPath(text: string): boolean {
  return text.length <= MAX_PATH && REPOSITORY_PATH.test(text);
}

export function isTag(text: string): boolean {
  return TAG_ONLY.test(text);
}
