import { randomBytes } from 'node:crypto';
import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { open, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type CallOptions,
  type Clock,
  conflict,
  createSystemClock,
  dataLoss,
  errnoOf,
  kindOf,
  type Logger,
  notFound,
  silentLogger,
  throwIfAborted,
  tooLarge,
  wrap,
} from '@berth/base';
import {
  type ByteRange,
  type ByteStream,
  type Descriptor,
  type Digest,
  digestAlgorithm,
  digestOf,
  parseDigest,
} from '@berth/oci';
import type { State } from '@berth/state';
import type { BlobInfo, ContentStore, Ingest, IngestInfo } from './content-store.ts';
import { allocated } from './disk-report.ts';
import { FileIngest, type IngestHost } from './file-ingest.ts';
import { createFlusher, type Flusher } from './flusher.ts';
import { createLayout, type LayoutPaths, layoutPaths } from './layout.ts';
import { type Mended, mend, sizeOf } from './mend.ts';
import { readBlob, resolveRange } from './read-blob.ts';
import { type BlobRow, createRecords, type IngestRow, type Records } from './records.ts';

export interface ContentStoreOptions extends CallOptions {
  /** Directory of the image layout, created when missing. */
  readonly root: string;
  readonly state: State;
  readonly clock?: Pick<Clock, 'now'>;
  readonly logger?: Logger;
}

/** A store this process opened: disposing waits for background flushes. Dispose it before its {@link State}. */
export interface OpenedContentStore extends ContentStore, AsyncDisposable {
  readonly root: string;
  /** What opening it put right. */
  readonly mended: Mended;
}

const READ_LIMIT = 8 << 20;

/**
 * Opens the content store of a data root, mending what a crash left half done.
 *
 * Durability: a commit verifies, renames and records without waiting for the device; the bytes are flushed in the
 * background and the record is then marked durable. A killed process loses nothing. After a power cut the blobs not
 * marked are verified here, and damaged ones dropped, so the store never serves bytes that do not match.
 */
export async function openContentStore(options: ContentStoreOptions): Promise<OpenedContentStore> {
  const { root, state } = options;
  const clock = options.clock ?? createSystemClock();
  const logger = options.logger ?? silentLogger;
  mkdirSync(root, { recursive: true });
  const paths = layoutPaths(root);
  const records = createRecords(state);
  await createLayout(paths);
  const mended = await mend(paths, records, clock.now().getTime(), logger, options);
  const flusher = createFlusher((path, error) => {
    if (errnoOf(error) !== 'ENOENT') logger.warn('a blob could not be flushed to the device', { path, error });
  });
  const store = new FileContentStore(paths, records, clock, flusher, mended, logger);
  for (const row of records.blobs()) if (!row.durable) store.flush(row.digest);
  return store;
}

class FileContentStore implements OpenedContentStore {
  readonly root: string;
  readonly mended: Mended;
  readonly #paths: LayoutPaths;
  readonly #records: Records;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #flusher: Flusher;
  readonly #logger: Logger;
  readonly #openRefs = new Set<string>();
  readonly #host: IngestHost;
  #generation = 0;

  constructor(
    paths: LayoutPaths,
    records: Records,
    clock: Pick<Clock, 'now'>,
    flusher: Flusher,
    mended: Mended,
    logger: Logger,
  ) {
    this.#logger = logger;
    this.root = paths.root;
    this.mended = mended;
    this.#paths = paths;
    this.#records = records;
    this.#clock = clock;
    this.#flusher = flusher;
    this.#host = {
      blobPath: (digest) => paths.blob(digest),
      committed: (digest) => this.stat(digest),
      expect: (ref, digest, size) => records.expect(ref, digest, size),
      record: (digest, size, ref) => this.#record(digest, size, ref),
      closed: (ref, kept) => this.#closed(ref, kept),
    };
  }

  get generation(): number {
    return this.#generation;
  }

  stat(digest: Digest): BlobInfo | undefined {
    const row = this.#records.blob(digest);
    return row && blobInfo(row);
  }

  path(digest: Digest): string {
    return this.#paths.blob(digest);
  }

  async open(digest: Digest, options: CallOptions & { readonly range?: ByteRange } = {}): Promise<ByteStream> {
    throwIfAborted(options.signal);
    const { size } = this.#existing(digest);
    return readBlob(digest, this.#paths.blob(digest), resolveRange(size, options.range), options);
  }

  async read(digest: Digest, options: CallOptions & { readonly limit?: number } = {}): Promise<Uint8Array> {
    const { size } = this.#existing(digest);
    const limit = options.limit ?? READ_LIMIT;
    if (size > limit) throw tooLarge(`blob ${digest} has ${size} bytes, more than the ${limit} allowed here`);
    throwIfAborted(options.signal);
    const data = await this.#readWhole(digest);
    if (digestOf(data, digestAlgorithm(digest)) !== digest)
      throw dataLoss(`blob ${digest} is damaged on disk: its bytes do not have this digest`);
    return data;
  }

  async #readWhole(digest: Digest): Promise<Uint8Array> {
    try {
      return await readFile(this.#paths.blob(digest));
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') throw notFound(`blob ${digest} not found`, { cause: error });
      throw wrap(`read blob ${digest}`, error);
    }
  }

  #existing(digest: Digest): BlobRow {
    parseDigest(digest);
    const row = this.#records.blob(digest);
    if (!row) throw notFound(`blob ${digest} not found`);
    return row;
  }

  async ingest(
    ref: string,
    expected?: Pick<Descriptor, 'digest' | 'size'>,
    options: CallOptions = {},
  ): Promise<Ingest> {
    throwIfAborted(options.signal);
    if (expected) parseDigest(expected.digest);
    if (this.#openRefs.has(ref)) throw conflict(`${ref} is being received already`);
    this.#openRefs.add(ref);
    try {
      return await this.#openIngest(ref, expected, options.signal);
    } catch (error) {
      this.#openRefs.delete(ref);
      throw kindOf(error) === 'exhausted' ? wrap(`no space left to store ${ref}`, error) : error;
    }
  }

  async #openIngest(
    ref: string,
    expected: Pick<Descriptor, 'digest' | 'size'> | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Ingest> {
    const before = this.#records.ingest(ref);
    const stored = before ? this.#resumable(before, expected) : 0;
    const now = this.#clock.now().getTime();
    const row: IngestRow = {
      ref,
      file: before?.file ?? randomBytes(10).toString('hex'),
      expected_digest: expected?.digest ?? before?.expected_digest ?? null,
      expected_size: expected?.size ?? before?.expected_size ?? null,
      started_at: stored > 0 && before ? before.started_at : now,
      updated_at: now,
    };
    this.#records.putIngest(row);
    const path = join(this.#paths.ingest, row.file);
    const file = await open(path, stored > 0 ? 'r+' : 'w+', 0o644).catch((error: unknown) => {
      if (stored === 0) this.#records.removeIngest(ref);
      throw error;
    });
    return new FileIngest(this.#host, { ref, path, file, stored, expected, signal });
  }

  /** Bytes of an earlier try that this one can go on from: none when it was to become another blob. */
  #resumable(row: IngestRow, expected: Pick<Descriptor, 'digest' | 'size'> | undefined): number {
    const stored = sizeOf(join(this.#paths.ingest, row.file)) ?? 0;
    if (!expected) return stored;
    const same = row.expected_digest === null || row.expected_digest === expected.digest;
    return same && stored <= expected.size ? stored : 0;
  }

  #record(digest: Digest, size: number, ref: string | undefined): BlobInfo {
    const now = this.#clock.now();
    this.#generation++;
    try {
      this.#records.addBlob(digest, size, now.getTime(), { durable: false, ...(ref === undefined ? {} : { ref }) });
    } catch (error) {
      // A file without a record must not stay.
      rmSync(this.#paths.blob(digest), { force: true });
      throw error;
    }
    this.flush(digest);
    return { digest, size, createdAt: now };
  }

  flush(digest: Digest): void {
    this.#flusher.add(this.#paths.blob(digest), () => this.#records.setDurable(digest));
  }

  #closed(ref: string, kept: boolean): void {
    this.#openRefs.delete(ref);
    try {
      if (kept) this.#records.touchIngest(ref, this.#clock.now().getTime());
      else this.#records.removeIngest(ref);
    } catch (error) {
      // A full disk: the next ingest of the same name, or the next start, finds the record and puts it right.
      this.#logger.warn('record of an ingest could not be brought up to date', { ref, error });
    }
  }

  async write(mediaType: string, data: Uint8Array, options: CallOptions = {}): Promise<Descriptor> {
    throwIfAborted(options.signal);
    const digest = digestOf(data);
    const descriptor: Descriptor = { mediaType, digest, size: data.length };
    if (this.#records.blob(digest)) return descriptor;
    const temporary = join(this.#paths.ingest, `${randomBytes(10).toString('hex')}.small`);
    try {
      await writeFile(temporary, data, { flag: 'wx' });
      if (this.#records.blob(digest)) await rm(temporary, { force: true });
      else {
        renameSync(temporary, this.#paths.blob(digest));
        this.#record(digest, data.length, undefined);
      }
    } catch (error) {
      await rm(temporary, { force: true });
      throw wrap(kindOf(error) === 'exhausted' ? `no space left to store ${digest}` : `store ${digest}`, error);
    }
    return descriptor;
  }

  *list(): Iterable<BlobInfo> {
    for (const row of this.#records.blobs()) yield blobInfo(row);
  }

  *ingests(): Iterable<IngestInfo> {
    for (const row of this.#records.ingests())
      yield {
        ref: row.ref,
        offset: sizeOf(join(this.#paths.ingest, row.file)) ?? 0,
        diskUsage: allocated(join(this.#paths.ingest, row.file)),
        startedAt: new Date(row.started_at),
        updatedAt: new Date(row.updated_at),
      };
  }

  async remove(digest: Digest): Promise<void> {
    this.#existing(digest);
    const trash = join(this.#paths.ingest, `${randomBytes(10).toString('hex')}.removed`);
    this.#records.removeBlob(digest);
    this.#generation++;
    // moved away before anything is awaited: the same blob may be stored again while this one is being deleted
    try {
      renameSync(this.#paths.blob(digest), trash);
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw wrap(`remove blob ${digest}`, error);
    }
    await rm(trash, { force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#flusher.idle();
  }
}

const blobInfo = (row: BlobRow): BlobInfo => ({
  digest: row.digest,
  size: row.size,
  createdAt: new Date(row.created_at),
});
