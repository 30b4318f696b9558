import type { CallOptions } from '@berth/base';
import type { ByteRange, ByteStream, Descriptor, Digest } from '@berth/oci';

/** A manifest as it was pushed. */
export interface StoredManifest {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly bytes: Uint8Array;
}

/**
 * What a registry keeps. A blob is stored once and *linked* into the repositories that may serve it; a repository
 * exists from its first link on. Names, tags and digests given here have been checked.
 */
export interface RegistryStorage {
  /** Size in bytes of a blob linked into the repository. */
  blobSize(repository: string, digest: Digest): Promise<number | undefined>;
  readBlob(repository: string, digest: Digest, range: ByteRange): ByteStream;
  /** Links a blob of another repository; false when that does not have it. */
  mountBlob(repository: string, digest: Digest, from: string): Promise<boolean>;
  /** False when it was not linked. */
  unlinkBlob(repository: string, digest: Digest): Promise<boolean>;

  startUpload(repository: string): Promise<string>;
  /** Bytes received; undefined for an unknown upload. */
  uploadSize(repository: string, id: string): Promise<number | undefined>;
  /** Appends and returns the new size; what arrived before a failure is kept. */
  appendUpload(repository: string, id: string, body: ByteStream, options?: CallOptions): Promise<number>;
  /** Checks the digest, stores and links the blob. Throws `dataLoss`; the upload is gone either way. */
  commitUpload(repository: string, id: string, digest: Digest): Promise<void>;
  /** False for an unknown upload. */
  cancelUpload(repository: string, id: string): Promise<boolean>;

  /** By tag or digest. */
  manifest(repository: string, reference: string): Promise<StoredManifest | undefined>;
  hasManifest(repository: string, digest: Digest): Promise<boolean>;
  putManifest(
    repository: string,
    manifest: StoredManifest,
    options: { readonly tag?: string; readonly referrer?: { readonly subject: Digest; readonly entry: Descriptor } },
  ): Promise<void>;
  /** Removes a manifest and the tags on it, or one tag. False when there is none. */
  removeManifest(repository: string, reference: string): Promise<boolean>;
  /** Sorted; undefined for an unknown repository. */
  tags(repository: string): Promise<readonly string[] | undefined>;
  referrers(repository: string, subject: Digest): Promise<readonly Descriptor[]>;
  /** Sorted. */
  repositories(): Promise<readonly string[]>;
}
