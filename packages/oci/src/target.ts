import type { CallOptions } from '@berth/base';
import type { Descriptor } from './descriptor.ts';

/**
 * Where images live: a registry repository, the content store, an image layout or archive.
 *
 * A Target is a set of one-method roles. `copyGraph(from, to, root)` moves a descriptor with everything it refers to
 * from any Target to any other; pull, push, save, load and mirror are that one function.
 *
 * Vocabulary: a *blob* is bytes named by a digest; a *manifest* is a blob that refers to others; a *reference* is a
 * mutable name (tag) or a digest within this target.
 *
 *     const root = await from.resolve('1.0');
 *     await copyGraph(from, to, root, { signal });
 *     await to.tag(root, '1.0');
 *
 * Errors: `notFound` (no such blob or reference), `dataLoss` (bytes do not match digest or size), `unauthorized`,
 * `forbidden`, `unavailable`, `tooLarge`, `cancelled`.
 */
export type Target = Fetcher & Pusher & Resolver & Tagger;

export type ByteStream = AsyncIterable<Uint8Array>;

/** Half-open byte range `[start, end)`; without `end`, to the end. */
export interface ByteRange {
  readonly start: number;
  readonly end?: number;
}

export interface FetchOptions extends CallOptions {
  readonly range?: ByteRange;
  /**
   * The caller is done with a chunk when it asks for the next: its memory may be taken back then. That of a large blob
   * makes for one collection of garbage after another otherwise.
   */
  readonly transient?: boolean;
}

export interface Fetcher {
  /**
   * Streams a blob or manifest. A whole fetch is checked against size and digest by whoever stores it (see
   * `ContentStore.ingest`); a ranged one cannot be.
   */
  fetch(descriptor: Descriptor, options?: FetchOptions): Promise<ByteStream>;
}

export interface Pusher {
  exists(descriptor: Descriptor, options?: CallOptions): Promise<boolean>;
  /** Stores `body`, which must have the descriptor's size and digest, else `dataLoss` and nothing is kept. */
  push(descriptor: Descriptor, body: ByteStream, options?: CallOptions): Promise<void>;
}

export interface Resolver {
  /** The descriptor a tag or digest stands for; `notFound` otherwise. */
  resolve(reference: string, options?: CallOptions): Promise<Descriptor>;
}

export interface Tagger {
  tag(descriptor: Descriptor, reference: string, options?: CallOptions): Promise<void>;
}

/** Optional role: takes a blob from another repository on the same registry without sending its bytes. */
export interface CrossMounter {
  /** True when mounted; false when the registry asks for an upload instead. */
  mount(descriptor: Descriptor, fromRepository: string, options?: CallOptions): Promise<boolean>;
}

/** Optional role: manifests whose `subject` is the given one. */
export interface ReferrerLister {
  referrers(subject: Descriptor, options?: CallOptions): Promise<readonly Descriptor[]>;
}

/** Optional role. */
export interface Deleter {
  delete(descriptor: Descriptor, options?: CallOptions): Promise<void>;
}

/**
 * Optional role of a target that keeps part of an interrupted transfer: `open` is called with the number of bytes it
 * has already, and must return the rest. Same guarantees as `push`.
 */
export interface ResumablePusher {
  pushFrom(descriptor: Descriptor, open: (offset: number) => Promise<ByteStream>, options?: CallOptions): Promise<void>;
}

const has = (target: object, method: string): boolean =>
  method in target && typeof (target as Record<string, unknown>)[method] === 'function';

export function isFetcher(target: object): target is Fetcher {
  return has(target, 'fetch');
}

export function isCrossMounter(target: object): target is CrossMounter {
  return has(target, 'mount');
}

export function isReferrerLister(target: object): target is ReferrerLister {
  return has(target, 'referrers');
}

export function isDeleter(target: object): target is Deleter {
  return has(target, 'delete');
}

export function isResumablePusher(target: object): target is ResumablePusher {
  return has(target, 'pushFrom');
}
