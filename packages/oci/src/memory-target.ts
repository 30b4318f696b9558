import { type CallOptions, notFound, throwIfAborted } from '@berth/base';
import { decodeManifest } from './decode-manifest.ts';
import type { Descriptor } from './descriptor.ts';
import { type Digest, isDigest } from './digest.ts';
import { referrerOf } from './manifest.ts';
import { isManifestType } from './media-types.ts';
import { readAll, streamOf, verifyStream } from './streams.ts';
import type { Deleter, ReferrerLister, Target } from './target.ts';

/** A Target that keeps everything in memory, for tests and small tools. */
export type MemoryTarget = Target & Deleter & ReferrerLister & { readonly digests: () => readonly Digest[] };

interface Stored {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

const plain = ({ mediaType, digest, size }: Descriptor): Descriptor => ({ mediaType, digest, size });

const describeReferrer = ({ descriptor, bytes }: Stored, subject: Digest): readonly Descriptor[] => {
  if (!isManifestType(descriptor.mediaType)) return [];
  const referrer = referrerOf(descriptor, decodeManifest(bytes, descriptor.mediaType));
  return referrer?.subject === subject ? [referrer.descriptor] : [];
};

export function createMemoryTarget(): MemoryTarget {
  const blobs = new Map<Digest, Stored>();
  const tags = new Map<string, Descriptor>();
  const find = (digest: Digest): Stored => {
    const stored = blobs.get(digest);
    if (stored === undefined) throw notFound(`${digest}: not found`);
    return stored;
  };
  return {
    async fetch(descriptor, options = {}) {
      throwIfAborted(options.signal);
      return streamOf(find(descriptor.digest).bytes.subarray(options.range?.start ?? 0, options.range?.end));
    },
    async exists(descriptor) {
      return blobs.has(descriptor.digest);
    },
    async push(descriptor, body, options: CallOptions = {}) {
      throwIfAborted(options.signal);
      const bytes = await readAll(verifyStream(body, descriptor, options), descriptor.size, options);
      blobs.set(descriptor.digest, { descriptor: plain(descriptor), bytes });
    },
    async resolve(reference) {
      const tagged = tags.get(reference);
      if (tagged !== undefined) return tagged;
      if (isDigest(reference)) return find(reference).descriptor;
      throw notFound(`${reference}: not found`);
    },
    async tag(descriptor, reference) {
      tags.set(reference, find(descriptor.digest).descriptor);
    },
    async delete(descriptor) {
      find(descriptor.digest);
      blobs.delete(descriptor.digest);
      for (const [tag, target] of tags) if (target.digest === descriptor.digest) tags.delete(tag);
    },
    async referrers(subject) {
      return [...blobs.values()].flatMap((stored) => describeReferrer(stored, subject.digest));
    },
    digests: () => [...blobs.keys()],
  };
}
