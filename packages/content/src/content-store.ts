import type { CallOptions, Growth } from '@berth/base';
import type { ByteRange, ByteStream, Descriptor, Digest } from '@berth/oci';

/**
 * The content-addressed blob store: an OCI image layout on disk (`blobs/sha256/<hex>`), blobs exactly as received.
 *
 * Life of a blob: `ingest(ref)` opens (or reopens after a restart) a partial file; `write` appends; `commit` checks
 * size and digest, flushes, renames it into place and records it in the database in one step. Until then the blob does
 * not exist. A failed check removes the partial file. A partial file that is neither committed nor aborted stays,
 * with a record, and `ingest` with the same ref continues at `offset`.
 *
 *     await using ingest = await store.ingest('pull/sha256:abc', descriptor);
 *     for await (const chunk of await remote.fetch(descriptor, { range: { start: ingest.offset } })) await ingest.write(chunk);
 *     await ingest.commit(descriptor);
 *
 * Errors: `notFound`, `dataLoss` (digest or size differ), `conflict` (the same ingest is open already), `tooLarge`
 * (more bytes than expected), `exhausted` (no space), `invalid` (not a digest).
 */
export interface ContentStore {
  /** Grows whenever a blob is added or removed. */
  readonly generation: number;
  /** Undefined when the blob is not in the store. */
  stat(digest: Digest): BlobInfo | undefined;
  open(digest: Digest, options?: CallOptions & { readonly range?: ByteRange }): Promise<ByteStream>;
  /** Whole blob in memory, for manifests and configurations; `tooLarge` above `limit` bytes (default 8 MiB). */
  read(digest: Digest, options?: CallOptions & { readonly limit?: number }): Promise<Uint8Array>;
  /** Absolute path of the committed blob file, read-only by contract. */
  path(digest: Digest): string;
  ingest(ref: string, expected?: Pick<Descriptor, 'digest' | 'size'>, options?: CallOptions): Promise<Ingest>;
  /** Stores a small blob in one go; no error when it is there already. */
  write(mediaType: string, data: Uint8Array, options?: CallOptions): Promise<Descriptor>;
  list(): Iterable<BlobInfo>;
  ingests(): Iterable<IngestInfo>;
  remove(digest: Digest): Promise<void>;
}

export interface BlobInfo {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly createdAt: Date;
}

export interface IngestInfo {
  readonly ref: string;
  readonly offset: number;
  /** Bytes in allocated blocks. */
  readonly diskUsage: number;
  readonly startedAt: Date;
  readonly updatedAt: Date;
}

/** What was written to an ingest's file. */
export interface Filled {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
}

/** A partial file to read while it grows. Disposing closes it; the ingest goes on. */
export interface FollowedFile extends Disposable {
  /** Open for reading. Use positions. */
  readonly fd: number;
  /** Complete once the blob has been verified and published; given up when this ingest ends in any other way. */
  readonly growth: Growth;
}

export interface Ingest extends AsyncDisposable {
  readonly ref: string;
  /** Bytes already stored: where the next write goes. */
  readonly offset: number;
  write(chunk: Uint8Array): Promise<void>;
  /**
   * Has the whole blob written by somebody else, a thread for instance: `write` gets the descriptor of the empty file,
   * open for reading and writing, and tells the sha256 and the number of the bytes it wrote; undefined for none. In place
   * of `write`, before `commit`. Throws `conflict` (bytes are there already), `dataLoss` (the file has another size).
   */
  fill<F extends Filled>(write: (descriptor: number) => Promise<F | undefined>): Promise<F | undefined>;
  /** The file itself, from its first byte, for whoever can use the bytes before they are verified. */
  follow(): FollowedFile;
  /** Digest of all bytes so far (sha256 unless the expected digest says otherwise): for a stream whose digest is not known before its end. */
  digest(): Promise<Digest>;
  /** Verifies and publishes; the ingest is closed afterwards whatever the outcome. */
  commit(expected: Pick<Descriptor, 'digest' | 'size'>): Promise<BlobInfo>;
  /** Removes the partial file and its record. Disposing without it keeps them for a resume. */
  abort(): Promise<void>;
}
