import { createHash } from 'node:crypto';
import { closeSync, readSync, write, writeSync } from 'node:fs';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { cancelled, errnoOf, unavailable } from '@berth/base';
import { type Child, makePipe, setPipeSize, spawnChild } from '@berth/linux';
import { type DiffSource, layerChunks } from './changes.ts';
import { gzipCompressor, type Program } from './compression.ts';

/** What a worker thread is told to do. Plain data. */
export interface WriteJob {
  readonly source: DiffSource;
  /** An open, empty file, readable too; it stays open. */
  readonly fd: number;
  /** Non-zero once the caller has lost interest. */
  readonly cancel: Int32Array;
}

/** A layer archive as it is in a file. */
export interface WrittenArchive {
  /** Digest of the uncompressed archive. */
  readonly diffId: string;
  /** Digest and length of what is in the file. */
  readonly digest: string;
  readonly size: number;
  readonly compression: 'none' | 'gzip';
}

const CHUNK = 1 << 20;
/** Bytes looked at to tell whether compression pays; an archive that ends within them is not worth a process. */
const SAMPLE = 1 << 18;

/** Whether the beginning of a layer is that of one to compress: long enough, and it shrinks. */
export const worthCompressing = (head: Uint8Array): boolean =>
  head.byteLength >= SAMPLE && gzipSync(head.subarray(0, SAMPLE), { level: 1 }).byteLength < 0.9 * SAMPLE;

/** Bytes that {@link worthCompressing} looks at. */
export const COMPRESSION_SAMPLE = SAMPLE;

/** A tar without entries is empty or starts with its end mark, a zero block. */
export const isEmptyArchive = (head: Uint8Array): boolean => head.byteLength === 0 || head[0] === 0;

/**
 * Writes the layer archive of what changed into a file, on the calling thread, by blocking reads and through two
 * buffers: archived, hashed (diff ID), compressed where a fast gzip is installed and it pays, hashed again (blob).
 * Undefined when nothing changed; the file is empty then.
 */
export async function writeArchive(job: WriteJob): Promise<WrittenArchive | undefined> {
  let [buffer, other] = [Buffer.allocUnsafeSlow(CHUNK), Buffer.allocUnsafeSlow(CHUNK)];
  const chunks = layerChunks(job.source, () => {
    [buffer, other] = [other, buffer];
    return buffer;
  });
  try {
    const first = chunks.next();
    if (first.done || isEmptyArchive(first.value)) return undefined;
    const program = gzipCompressor(1);
    return program && worthCompressing(first.value)
      ? await compressed(job, first.value, chunks, program)
      : await plain(job, first.value, chunks);
  } finally {
    chunks.return(undefined);
  }
}

function* unlessCancelled({ cancel }: WriteJob, first: Buffer, rest: Iterable<Buffer>): Generator<Buffer> {
  yield first;
  for (const chunk of rest) {
    if (cancel[0] !== 0) throw cancelled('writing the layer was cancelled');
    yield chunk;
  }
}

const writeAll = (fd: number, bytes: Uint8Array): void => {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
};

/** One chunk is on its way to the file while it is hashed and the next one is read. */
const plain = async (job: WriteJob, first: Buffer, rest: Iterable<Buffer>): Promise<WrittenArchive> => {
  const hash = createHash('sha256');
  let size = 0;
  let writing: Promise<void> | undefined;
  try {
    for (const chunk of unlessCancelled(job, first, rest)) {
      await writing;
      writing = writeAt(job.fd, chunk, size);
      // seen by whoever waits for it, which a failing read may come before
      writing.catch(() => undefined);
      hash.update(chunk);
      size += chunk.length;
    }
    await writing;
  } finally {
    await writing?.catch(() => undefined);
  }
  const digest = `sha256:${hash.digest('hex')}`;
  return { diffId: digest, digest, size, compression: 'none' };
};

const writeAt = async (fd: number, bytes: Buffer, start: number): Promise<void> => {
  for (let at = 0; at < bytes.length; )
    at += (await writeSome(fd, bytes, at, bytes.length - at, start + at)).bytesWritten;
};

const writeSome = promisify(write);

/** The program writes the file itself; what it has written so far is read back and hashed while it works on. */
const compressed = async (
  job: WriteJob,
  first: Buffer,
  rest: Iterable<Buffer>,
  program: Program,
): Promise<WrittenArchive> => {
  const hash = createHash('sha256');
  const blob = new Following(job.fd);
  await feed(program, job.fd, (input) => {
    for (const chunk of unlessCancelled(job, first, rest)) {
      writeAll(input, chunk);
      hash.update(chunk);
      blob.catchUp();
    }
  });
  blob.catchUp();
  return { diffId: `sha256:${hash.digest('hex')}`, ...blob.result(), compression: 'gzip' };
};

/** Hashes a file that grows. */
class Following {
  readonly #fd: number;
  readonly #hash = createHash('sha256');
  readonly #buffer = Buffer.allocUnsafeSlow(CHUNK);
  #size = 0;

  constructor(fd: number) {
    this.#fd = fd;
  }

  catchUp(): void {
    for (;;) {
      const got = readSync(this.#fd, this.#buffer, 0, CHUNK, this.#size);
      if (got === 0) return;
      this.#hash.update(this.#buffer.subarray(0, got));
      this.#size += got;
    }
  }

  result(): Pick<WrittenArchive, 'digest' | 'size'> {
    return { digest: `sha256:${this.#hash.digest('hex')}`, size: this.#size };
  }
}

/** Runs a program that writes to `output` what `give` gives it. */
const feed = async (program: Program, output: number, give: (input: number) => void): Promise<void> => {
  const pipe = makePipe();
  setPipeSize(pipe.write, CHUNK);
  let child: Child;
  try {
    child = spawnChild(program.file, program.args, { stdio: [pipe.read, output, 'ignore'] });
  } catch (error) {
    closeSync(pipe.write);
    throw error;
  } finally {
    closeSync(pipe.read);
  }
  let complete = false;
  try {
    give(pipe.write);
    complete = true;
  } catch (error) {
    // It has stopped reading: its exit tells why.
    if (errnoOf(error) !== 'EPIPE') throw error;
    complete = true;
  } finally {
    closeSync(pipe.write);
    if (!complete) child.kill('SIGKILL');
    await child.exited;
  }
  const { code, signal } = await child.exited;
  if (code !== 0) throw unavailable(`${program.file}: ${signal ?? `exit status ${code}`}`);
};
