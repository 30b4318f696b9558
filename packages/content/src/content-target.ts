import { randomBytes } from 'node:crypto';
import { type CallOptions, dataLoss, isKind, messageOf, notFound, throwIfAborted } from '@berth/base';
import {
  type ByteStream,
  type Descriptor,
  type Digest,
  isDigest,
  MEDIA_TYPES,
  type ResumablePusher,
  type Target,
} from '@berth/oci';
import type { ContentStore, Ingest } from './content-store.ts';

/** Names of images, which the content store itself knows nothing of. */
export interface TargetNames {
  /** Undefined when there is no such name. */
  resolve(name: string): Descriptor | undefined | Promise<Descriptor | undefined>;
  tag(descriptor: Descriptor, name: string): void | Promise<void>;
}

/** Bytes of a manifest read to find out its media type; no registry accepts more than this. */
const MANIFEST_LIMIT = 4 << 20;

/**
 * A content store with names as a {@link Target}, to copy images from and to. An interrupted push leaves its bytes as
 * the partial ingest {@link pushRef}, also across a restart: `pushFrom` goes on where it was, `push`, whose body starts
 * at the first byte, begins anew.
 */
export function contentTarget(store: ContentStore, names: TargetNames): Target & ResumablePusher {
  return {
    async fetch({ digest }, options = {}) {
      return await store.open(digest, options);
    },
    async exists({ digest }) {
      return store.stat(digest) !== undefined;
    },
    async push(descriptor, body, options = {}) {
      throwIfAborted(options.signal);
      if (store.stat(descriptor.digest)) return;
      await using ingest = await openPush(store, descriptor, options);
      await receive(ingest, descriptor, body);
    },
    async pushFrom(descriptor, openBody, options = {}) {
      throwIfAborted(options.signal);
      if (store.stat(descriptor.digest)) return;
      if (await resume(store, descriptor, openBody, options)) return;
      await using ingest = await openPush(store, descriptor, options);
      await receive(ingest, descriptor, await openBody(0));
    },
    async resolve(reference) {
      const named = await names.resolve(reference);
      if (named) return named;
      const info = isDigest(reference) ? store.stat(reference) : undefined;
      if (!info) throw notFound(`${reference}: not found`);
      return { mediaType: await sniffMediaType(store, info.digest), digest: info.digest, size: info.size };
    },
    async tag(descriptor, reference) {
      await names.tag(descriptor, reference);
    },
  };
}

/** The ingest a push of this blob goes through. */
export const pushRef = (digest: Digest): string => `push/${digest}`;

/** The partial file of an earlier push is begun anew: this body starts at the first byte. Two at once go separate ways. */
async function openPush(store: ContentStore, descriptor: Descriptor, options: CallOptions): Promise<Ingest> {
  try {
    const ingest = await store.ingest(pushRef(descriptor.digest), descriptor, options);
    if (ingest.offset === 0) return ingest;
    await ingest.abort();
    return await store.ingest(pushRef(descriptor.digest), descriptor, options);
  } catch (error) {
    if (!isKind(error, 'conflict')) throw error;
    return await store.ingest(`${pushRef(descriptor.digest)}/${randomBytes(8).toString('hex')}`, descriptor, options);
  }
}

/** False when there is nothing to go on from, or what there was turns out not to be the beginning of this blob. */
async function resume(
  store: ContentStore,
  descriptor: Descriptor,
  openBody: (offset: number) => Promise<ByteStream>,
  options: CallOptions,
): Promise<boolean> {
  await using ingest = await findPartial(store, descriptor, options);
  if (ingest === undefined) return false;
  try {
    await receive(ingest, descriptor, await openBody(ingest.offset));
    return true;
  } catch (error) {
    if (isKind(error, 'dataLoss')) return false;
    throw error;
  }
}

async function findPartial(
  store: ContentStore,
  descriptor: Descriptor,
  options: CallOptions,
): Promise<Ingest | undefined> {
  try {
    const ingest = await store.ingest(pushRef(descriptor.digest), descriptor, options);
    if (ingest.offset > 0) return ingest;
    await ingest.abort();
    return undefined;
  } catch (error) {
    if (isKind(error, 'conflict')) return undefined;
    throw error;
  }
}

async function receive(ingest: Ingest, descriptor: Descriptor, body: ByteStream): Promise<void> {
  try {
    for await (const chunk of body) await ingest.write(chunk);
    await ingest.commit(descriptor);
  } catch (error) {
    if (ingest.ref !== pushRef(descriptor.digest)) await ingest.abort();
    if (isKind(error, 'tooLarge')) throw dataLoss(messageOf(error), { cause: error });
    throw error;
  }
}

/** A manifest says its own media type or shows it by its fields; anything else is bytes. */
async function sniffMediaType(store: ContentStore, digest: Digest): Promise<string> {
  const info = store.stat(digest);
  if (!info || info.size > MANIFEST_LIMIT) return MEDIA_TYPES.octetStream;
  const bytes = await store.read(digest, { limit: MANIFEST_LIMIT });
  if (bytes[0] !== 0x7b) return MEDIA_TYPES.octetStream;
  try {
    return mediaTypeOf(JSON.parse(Buffer.from(bytes).toString('utf8')) as Record<string, unknown>);
  } catch {
    return MEDIA_TYPES.octetStream;
  }
}

function mediaTypeOf(json: Record<string, unknown>): string {
  const version = json['schemaVersion'];
  if (typeof json['mediaType'] === 'string' && (version === 2 || version === 0)) return json['mediaType'];
  if (version !== 2) return MEDIA_TYPES.octetStream;
  if (Array.isArray(json['manifests'])) return MEDIA_TYPES.ociIndex;
  return Array.isArray(json['layers']) ? MEDIA_TYPES.ociManifest : MEDIA_TYPES.octetStream;
}
