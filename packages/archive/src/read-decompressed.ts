import { closeSync, readSync } from 'node:fs';
import { Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { cancelled, type Growth, invalid } from '@berth/base';
import {
  type Child,
  type ChildExit,
  type Inflater,
  makePipe,
  openInflater,
  setPipeSize,
  spawnChild,
} from '@berth/linux';
import { type Compression, decompressor, detectCompression, MAGIC_SIZE, type Program } from './compression.ts';

const CHUNK = 1 << 18;

/** A file that is read once, from its first byte; one that grows is followed to its end. */
export class ArchiveFile {
  readonly fd: number;
  readonly #growth: Growth | undefined;
  #position = 0;

  constructor(fd: number, growth?: Growth) {
    this.fd = fd;
    this.#growth = growth;
  }

  /** The format, by the first bytes. */
  detect(): Compression {
    const head = Buffer.alloc(MAGIC_SIZE);
    let size = 0;
    for (let got = -1; got !== 0 && size < MAGIC_SIZE; size += got) got = this.#readAt(head, size, size);
    return detectCompression(head.subarray(0, size));
  }

  /** Blocks until there are bytes; 0 at the end. Throws `cancelled` when a file that grew has been given up. */
  read(into: Buffer): number {
    const got = this.#readAt(into, 0, this.#position);
    this.#position += got;
    return got;
  }

  #readAt(into: Buffer, offset: number, position: number): number {
    const growth = this.#growth;
    if (growth === undefined) return readSync(this.fd, into, offset, into.length - offset, position);
    growth.wait(position);
    this.#checkGrowth();
    const length = Math.min(into.length - offset, growth.length - position);
    return length === 0 ? 0 : readSync(this.fd, into, offset, length, position);
  }

  /** Blocks until all of it is there. */
  waitForEnd(): void {
    const growth = this.#growth;
    while (growth && !growth.ended) growth.wait(growth.length);
    this.#checkGrowth();
  }

  #checkGrowth(): void {
    if (this.#growth?.givenUp) throw cancelled('the file that was being read stopped growing');
  }
}

/** Chunks to the end, by blocking reads into one buffer: a chunk is valid until the next is asked for. */
function* readAll(read: (into: Buffer) => number): Generator<Buffer> {
  const buffer = Buffer.allocUnsafeSlow(CHUNK);
  for (let size = read(buffer); size > 0; size = read(buffer)) yield buffer.subarray(0, size);
}

function* throughInflater(file: ArchiveFile, inflater: Inflater): Generator<Buffer> {
  for (let size = file.read(inflater.input); size > 0; size = file.read(inflater.input)) yield* inflater.inflate(size);
  inflater.finish();
}

const problemOf = ({ code, signal }: ChildExit): string | undefined =>
  code === 0 ? undefined : (signal ?? `exit status ${code}`);

/** Reads through a child process, whose input is the file itself and whose output a pipe read by blocking calls. */
async function* throughProgram(file: ArchiveFile, program: Program): AsyncGenerator<Iterable<Buffer>> {
  file.waitForEnd();
  const pipe = makePipe();
  setPipeSize(pipe.read, 1 << 20);
  let child: Child;
  try {
    child = spawnChild(program.file, program.args, { stdio: [file.fd, pipe.write, 'ignore'] });
  } catch (error) {
    closeSync(pipe.read);
    throw error;
  } finally {
    closeSync(pipe.write);
  }
  let complete = false;
  try {
    yield readAll((into) => readSync(pipe.read, into));
    complete = true;
  } finally {
    closeSync(pipe.read);
    if (!complete) child.kill('SIGKILL');
    await child.exited;
  }
  const problem = problemOf(await child.exited);
  if (problem !== undefined) throw invalid(`compressed data is damaged (${program.file}: ${problem})`);
}

function* copiesOf(chunks: Iterable<Buffer>): Generator<Buffer> {
  for (const chunk of chunks) yield Buffer.from(chunk);
}

async function* throughNode(file: ArchiveFile, compression: 'gzip' | 'zstd'): AsyncGenerator<Iterable<Buffer>> {
  const source = Readable.from(copiesOf(readAll((into) => file.read(into))), { objectMode: false });
  const stream =
    compression === 'gzip' ? createGunzip({ chunkSize: CHUNK }) : createZstdDecompress({ chunkSize: CHUNK });
  source.on('error', (error) => stream.destroy(error));
  source.pipe(stream);
  try {
    for await (const chunk of stream) yield [chunk as Buffer];
  } catch (error) {
    throw invalid('compressed data is damaged', { cause: error });
  } finally {
    source.destroy();
    stream.destroy();
  }
}

/**
 * Decompressed chunks of a file, in batches that are read by blocking calls: for worker threads. A chunk is valid until
 * the next is asked for. Leaves the file open. Throws `invalid` when the compressed data is damaged or cut short,
 * `cancelled` when a file that grew is given up.
 */
export async function* readDecompressed(file: ArchiveFile, compression: Compression): AsyncGenerator<Iterable<Buffer>> {
  const inflater = compression === 'gzip' ? openInflater() : undefined;
  if (inflater !== undefined) return yield throughInflater(file, inflater);
  const program = decompressor(compression);
  if (program !== undefined) yield* throughProgram(file, program);
  else if (compression === 'gzip' || compression === 'zstd') yield* throughNode(file, compression);
  else yield readAll((into) => file.read(into));
}
