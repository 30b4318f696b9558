import { invalid, tooLarge } from '@berth/base';
import {
  childrenOf,
  type Descriptor,
  type Digest,
  type Fetcher,
  isManifestType,
  MAX_MANIFEST_SIZE,
  type Manifest,
  type Reference,
} from '@berth/oci';
import type { ImageContext } from './context.ts';
import { fetchBlob } from './fetch-blob.ts';
import type { PullOptions } from './image-service.ts';
import { blobRef, type Lease } from './lease.ts';

/** One pull under way. */
export interface Pull {
  readonly context: ImageContext;
  readonly reference: Reference;
  readonly source: Fetcher;
  readonly lease: Lease;
  readonly options: PullOptions;
  /** What was fetched and turned out not to be wanted. */
  readonly discarded: Digest[];
}

/** Fetches a manifest and reads it. Throws `tooLarge`, `invalid`, and what the registry refuses. */
export async function fetchDocument(pull: Pull, descriptor: Descriptor): Promise<Manifest> {
  if (descriptor.size > MAX_MANIFEST_SIZE)
    throw tooLarge(
      `manifest ${descriptor.digest} has ${descriptor.size} bytes; at most ${MAX_MANIFEST_SIZE} are accepted`,
    );
  if (descriptor.mediaType !== '' && !isManifestType(descriptor.mediaType))
    throw invalid(`unsupported manifest media type ${descriptor.mediaType.slice(0, 200)}`);
  pull.lease.add([blobRef(descriptor.digest)]);
  await fetchBlob(pull.context, pull.source, descriptor, pull.options);
  seen(pull, descriptor.digest);
  return await pull.context.documents.manifest(descriptor.digest, pull.options);
}

/** Indexes in what is fetched whole. */
const MAX_DEPTH = 3;

/** Fetches a manifest and everything it names; nothing of it is unpacked. */
export async function fetchWhole(pull: Pull, descriptor: Descriptor, depth = MAX_DEPTH): Promise<Manifest> {
  const document = await fetchDocument(pull, descriptor);
  const { signal } = pull.options;
  if (document.kind === 'index') {
    if (depth === 0) throw invalid(`${descriptor.digest}: indexes in indexes in indexes`);
    for (const entry of document.index.manifests) await fetchWhole(pull, entry, depth - 1);
    return document;
  }
  const blobs = childrenOf(document);
  pull.lease.add(blobs.map((blob) => blobRef(blob.digest)));
  for (const blob of blobs) {
    await fetchBlob(pull.context, pull.source, blob, { signal });
    seen(pull, blob.digest);
  }
  return document;
}

/** Notes where a blob is, so that a push need not send it there. */
export const seen = (pull: Pull, digest: Digest): void =>
  pull.context.records.addSource(digest, pull.reference.domain, pull.reference.path);
