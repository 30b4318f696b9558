import { createHash, type Hash } from 'node:crypto';
import { closeSync, openSync, renameSync } from 'node:fs';
import { type FileHandle, rm } from 'node:fs/promises';
import { conflict, dataLoss, type EngineError, Growth, kindOf, throwIfAborted, tooLarge, wrap } from '@berth/base';
import { type Descriptor, type Digest, digestAlgorithm, parseDigest } from '@berth/oci';
import type { BlobInfo, Filled, FollowedFile, Ingest } from './content-store.ts';
import { feedHash, hashFile } from './hash-file.ts';

const BUFFER_SIZE = 1 << 20;
/** Full buffers that wait while a write is under way, to go with the next one: on a busy machine each turn costs. */
const MAX_WAITING = 4;
/** Chunks from here on are written as they come, smaller ones are gathered. */
const DIRECT_SIZE = 256 << 10;
const DONE = Promise.resolve();

/** What is left of `chunks` after the first `length` bytes. */
const without = (chunks: readonly Uint8Array[], length: number): readonly Uint8Array[] => {
  let skip = length;
  return chunks.flatMap((chunk) => {
    const gone = Math.min(skip, chunk.byteLength);
    skip -= gone;
    return gone === chunk.byteLength ? [] : [chunk.subarray(gone)];
  });
};

/** What an ingest asks of the store it belongs to. */
export interface IngestHost {
  /** Where a blob's file belongs. */
  blobPath(digest: string): string;
  committed(digest: Digest): BlobInfo | undefined;
  /** Notes what the partial file will become, so that a crash between rename and record can be mended. */
  expect(ref: string, digest: Digest, size: number): void;
  record(digest: Digest, size: number, ref: string): BlobInfo;
  /** The ingest is open no longer; `kept` when its partial file stays for a resume. */
  closed(ref: string, kept: boolean): void;
}

export interface OpenIngest {
  readonly ref: string;
  readonly path: string;
  readonly file: FileHandle;
  /** Bytes in the file already. */
  readonly stored: number;
  readonly expected: Pick<Descriptor, 'digest' | 'size'> | undefined;
  readonly signal: AbortSignal | undefined;
}

/**
 * A partial blob in a file. The bytes are hashed on this thread while the thread pool writes them: one pass, no re-read.
 * One write is under way at a time, so that a kill leaves no gap before bytes that a resume would count on.
 */
export class FileIngest implements Ingest {
  readonly ref: string;
  readonly #host: IngestHost;
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #expected: Pick<Descriptor, 'digest' | 'size'> | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #algorithm: string;
  #hash: Hash | undefined;
  /** The digest of a file that was filled by somebody else. */
  #told: Digest | undefined;
  #stored: number;
  #buffer: Buffer | undefined;
  readonly #spare: Buffer[] = [];
  #filled = 0;
  #waiting: Buffer[] = [];
  /** Set while buffers are being written. */
  #writing: Promise<void> | undefined;
  #open = true;
  #failure: EngineError | undefined;
  readonly #followers: Growth[] = [];
  /** Bytes in the file, without those on their way. */
  #written: number;

  constructor(host: IngestHost, opened: OpenIngest) {
    this.#host = host;
    this.ref = opened.ref;
    this.#path = opened.path;
    this.#file = opened.file;
    this.#stored = opened.stored;
    this.#written = opened.stored;
    this.#expected = opened.expected;
    this.#signal = opened.signal;
    this.#algorithm = opened.expected ? digestAlgorithm(opened.expected.digest) : 'sha256';
    if (opened.stored === 0) this.#hash = createHash(this.#algorithm);
  }

  get offset(): number {
    return this.#stored + this.#filled;
  }

  write(chunk: Uint8Array): Promise<void> {
    const small = chunk.length < DIRECT_SIZE && this.#filled + chunk.length < BUFFER_SIZE;
    if (!small || this.#hash === undefined || !this.#mayTake(chunk.length)) return this.#writeSlow(chunk);
    this.#gather(chunk);
    return DONE;
  }

  #mayTake(length: number): boolean {
    if (!this.#open || this.#failure || this.#told !== undefined || this.#signal?.aborted) return false;
    return this.#expected === undefined || this.offset + length <= this.#expected.size;
  }

  #gather(chunk: Uint8Array): void {
    if (this.#buffer === undefined) {
      this.#buffer = this.#spare.pop() ?? Buffer.allocUnsafeSlow(BUFFER_SIZE);
    }
    this.#buffer.set(chunk, this.#filled);
    this.#filled += chunk.length;
  }

  async #writeSlow(chunk: Uint8Array): Promise<void> {
    this.#check();
    if (this.#told !== undefined) throw conflict(`ingest ${this.ref} has been filled`);
    throwIfAborted(this.#signal);
    if (!this.#mayTake(chunk.length)) {
      await this.abort();
      throw tooLarge(
        `${this.ref}: more bytes than the expected ${this.#expected?.size} of ${this.#expected?.digest} were received`,
      );
    }
    if (this.#hash === undefined) await this.#rebuildHash();
    if (this.#filled + chunk.length < BUFFER_SIZE && chunk.length < DIRECT_SIZE) {
      this.#gather(chunk);
      return;
    }
    await this.#flush();
    if (chunk.length < DIRECT_SIZE) {
      this.#gather(chunk);
      return;
    }
    await this.#settle();
    await this.#store(chunk);
  }

  #check(): void {
    if (this.#failure) throw this.#failure;
    if (!this.#open) throw conflict(`ingest ${this.ref} is closed`);
  }

  /** A resumed ingest reads what it has once, when the first further byte (or the commit) needs the hash. */
  async #rebuildHash(): Promise<void> {
    const hash = createHash(this.#algorithm);
    const length = await feedHash(hash, this.#path, { length: this.#stored, signal: this.#signal });
    if (length !== this.#stored) throw dataLoss(`the partial file of ${this.ref} shrank while it was open`);
    this.#hash = hash;
  }

  /** Hands over what was gathered to be written; waits while too much of it waits already. */
  async #flush(): Promise<void> {
    const buffer = this.#buffer;
    if (buffer === undefined || this.#filled === 0) return;
    const bytes = buffer.subarray(0, this.#filled);
    this.#buffer = undefined;
    this.#filled = 0;
    this.#stored += bytes.length;
    this.#waiting.push(bytes);
    this.#writing ??= this.#writeWaiting();
    this.#hash?.update(bytes);
    while (this.#waiting.length >= MAX_WAITING) await this.#turn;
    if (this.#failure) throw this.#failure;
  }

  /** The write under way. */
  #turn: Promise<void> = DONE;

  /** Never rejects: a failure is kept and thrown by whatever comes next. */
  async #writeWaiting(): Promise<void> {
    while (this.#waiting.length > 0 && !this.#failure) {
      const batch = this.#waiting;
      this.#waiting = [];
      this.#turn = this.#writeAll(batch, this.#written).catch(() => undefined);
      await this.#turn;
      for (const { buffer } of batch) if (this.#spare.length < MAX_WAITING) this.#spare.push(Buffer.from(buffer));
    }
    this.#waiting = [];
    this.#writing = undefined;
  }

  async #settle(): Promise<void> {
    await this.#writing;
    if (this.#failure) throw this.#failure;
  }

  /** Writes bytes that stay the caller's, with nothing else under way: they are in the file when this returns. */
  async #store(bytes: Uint8Array): Promise<void> {
    const position = this.#stored;
    this.#stored += bytes.length;
    const written = this.#writeAll([bytes], position);
    this.#hash?.update(bytes);
    await written;
  }

  async #writeAll(batch: readonly Uint8Array[], start: number): Promise<void> {
    let at = start;
    try {
      for (let rest = batch; rest.length > 0; ) {
        const { bytesWritten } = await this.#file.writev(rest, at);
        at += bytesWritten;
        rest = without(rest, bytesWritten);
        this.#grown(at);
      }
    } catch (error) {
      const full = kindOf(error) === 'exhausted';
      this.#failure = wrap(full ? `no space left to store ${this.ref}` : `write ${this.ref}`, error);
      // what follows a gap must not be mistaken for received bytes by a resume
      await this.#file.truncate(at).catch(() => undefined);
      throw this.#failure;
    }
  }

  #grown(length: number): void {
    this.#written = length;
    for (const growth of this.#followers) growth.grow(length);
  }

  async fill<F extends Filled>(write: (descriptor: number) => Promise<F | undefined>): Promise<F | undefined> {
    this.#check();
    throwIfAborted(this.#signal);
    if (this.offset > 0) throw conflict(`ingest ${this.ref} holds bytes already`);
    try {
      const filled = await write(this.#file.fd);
      const { size } = await this.#file.stat();
      if (size !== (filled?.size ?? 0))
        throw dataLoss(`${this.ref}: ${filled?.size ?? 0} bytes were to be written, the file has ${size}`);
      this.#stored = size;
      this.#grown(size);
      this.#told = filled?.digest;
      return filled;
    } catch (error) {
      await this.abort();
      throw kindOf(error) === 'exhausted' ? wrap(`no space left to store ${this.ref}`, error) : error;
    }
  }

  follow(): FollowedFile {
    this.#check();
    const fd = openSync(this.#path, 'r');
    const growth = new Growth();
    growth.grow(this.#written);
    this.#followers.push(growth);
    return { fd, growth, [Symbol.dispose]: () => closeSync(fd) };
  }

  async digest(): Promise<Digest> {
    this.#check();
    if (this.#told !== undefined) return this.#told;
    if (this.#hash === undefined) await this.#rebuildHash();
    await this.#flush();
    return `${this.#algorithm}:${this.#hash?.copy().digest('hex')}` as Digest;
  }

  async commit(expected: Pick<Descriptor, 'digest' | 'size'>): Promise<BlobInfo> {
    this.#check();
    let verified = false;
    try {
      throwIfAborted(this.#signal);
      if (this.#hash === undefined) await this.#rebuildHash();
      await this.#flush();
      await this.#settle();
      await this.#verify(expected);
      verified = true;
      return await this.#publish(expected);
    } catch (error) {
      if (!verified && kindOf(error) === 'dataLoss') await this.abort();
      throw error;
    } finally {
      await this[Symbol.asyncDispose]();
    }
  }

  async #verify(expected: Pick<Descriptor, 'digest' | 'size'>): Promise<void> {
    const algorithm = digestAlgorithm(parseDigest(expected.digest));
    if (this.#stored !== expected.size)
      throw dataLoss(`${expected.digest}: expected ${expected.size} bytes, received ${this.#stored}`, {
        details: { digest: expected.digest, expectedSize: expected.size, size: this.#stored },
      });
    const actual =
      this.#told !== undefined && algorithm === 'sha256'
        ? this.#told
        : algorithm === this.#algorithm && this.#told === undefined
          ? `${algorithm}:${this.#hash?.digest('hex')}`
          : (await hashFile(this.#path, algorithm, { signal: this.#signal })).digest;
    if (actual !== expected.digest)
      throw dataLoss(`${expected.digest}: the received bytes have digest ${actual}`, {
        details: { digest: expected.digest, actual },
      });
  }

  async #publish({ digest, size }: Pick<Descriptor, 'digest' | 'size'>): Promise<BlobInfo> {
    const present = this.#host.committed(digest);
    if (present) {
      for (const growth of this.#followers) growth.complete();
      await this.abort();
      return present;
    }
    if (this.#expected?.digest !== digest) this.#host.expect(this.ref, digest, size);
    // no await from here on: nobody in this process sees the file without its record
    renameSync(this.#path, this.#host.blobPath(digest));
    const info = this.#host.record(digest, size, this.ref);
    this.#open = false;
    for (const growth of this.#followers) growth.complete();
    await this.#close(false);
    return info;
  }

  async abort(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    this.#filled = 0;
    this.#waiting = [];
    await this.#writing;
    await rm(this.#path, { force: true });
    await this.#close(false);
  }

  async #close(kept: boolean): Promise<void> {
    for (const growth of this.#followers) growth.giveUp();
    try {
      await this.#file.close();
    } finally {
      this.#host.closed(this.ref, kept);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    try {
      if (!this.#failure) await this.#flush();
      await this.#settle();
    } catch {
      // the bytes that could not be stored are asked for again by the resume
    } finally {
      await this.#close(true);
    }
  }
}
