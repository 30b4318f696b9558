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
  /** A whole blob that is small enough to be kept in memory; undefined for others. */
  smallBlob(digest: Digest): Promise<Uint8Array | undefined>;
  /** Links a blob of another repository; false when that does not have it. */
  mountBlob(repository: string, digest: Digest, from: string): Promise<boolean>;
  /** False when it was not linked. */
  unlinkBlob(repository: string, digest: Digest): Promise<boolean>;

  startUpload(repository: string): Promise<string>;
  /** Bytes received; undefined for an unknown upload. */
  uploadSize(repository: string, id: string): Promise<number | undefined>;
  /**
   * Appends and returns the new size; what arrived before a failure is kept. One at a time for an upload. Throws
   * `conflict` when the upload does not have `at` bytes, `notFound` when there is none.
   */
  appendUpload(
    repository: string,
    id: string,
    body: ByteStream,
    options?: CallOptions & { readonly at?: number | undefined },
  ): Promise<number>;
  /** Checks the digest, stores and links the blob. Throws `dataLoss`; the upload is gone either way. */
  commitUpload(repository: string, id: string, digest: Digest): Promise<void>;
  /** False for an unknown upload. */
  cancelUpload(repository: string, id: string): Promise<boolean>;
  /** Gives up uploads that nothing was added to for so many milliseconds; returns how many. */
  expireUploads(olderThanMs: number): Promise<number>;

  /** By tag or digest. */
  manifest(repository: string, reference: string): Promise<StoredManifest | undefined>;
  hasManifest(repository: string, digest: Digest): Promise<boolean>;
  putManifest(
    repository: string,
    manifest: StoredManifest,
    options: {
      readonly tag?: string;
      readonly referrer?: { readonly subject: Digest; readonly entry: Descriptor };
      /** Called while nothing of the repository can be collected; what it throws stops the put. */
      readonly check?: () => Promise<void>;
    },
  ): Promise<void>;
  /** Removes a manifest and the tags on it, or one tag. False when there is none. */
  removeManifest(repository: string, reference: string): Promise<boolean>;
  /** Sorted; undefined for an unknown repository. */
  tags(repository: string): Promise<readonly string[] | undefined>;
  referrers(repository: string, subject: Digest): Promise<readonly Descriptor[]>;
  /** Sorted. */
  repositories(): Promise<readonly string[]>;
  /**
   * Deletes blobs that no manifest names and, with `untagged`, manifests that no tag and no kept index leads to (with
   * what refers to them). What is younger than `minAgeMs` (default an hour) stays: a push may be about to name it. May
   * run while the registry serves.
   */
  collect(options?: CollectOptions): Promise<Collected>;
}

export interface CollectOptions extends CallOptions {
  readonly minAgeMs?: number;
  readonly untagged?: boolean;
  /** True: tells what would go, and lets it be. */
  readonly dryRun?: boolean;
}

export interface Collected {
  readonly manifests: number;
  readonly blobs: number;
  readonly bytes: number;
}
