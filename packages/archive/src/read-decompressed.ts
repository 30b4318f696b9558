import { closeSync, readSync } from 'node:fs';
import { Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { invalid } from '@berth/base';
import { type Child, type ChildExit, makePipe, setPipeSize, spawnChild } from '@berth/linux';
import { type Compression, decompressor, detectCompression, MAGIC_SIZE, type Program } from './compression.ts';

const CHUNK = 1 << 18;

/** The format of the open file `fd`, whose position stays as it is. */
export function detectFile(fd: number): Compression {
  const head = Buffer.alloc(MAGIC_SIZE);
  const size = readSync(fd, head, 0, MAGIC_SIZE, 0);
  return detectCompression(head.subarray(0, size));
}

/** Chunks of `fd` to its end, by blocking reads into one buffer: a chunk is valid until the next is asked for. */
function* readAll(fd: number): Generator<Buffer> {
  const buffer = Buffer.allocUnsafeSlow(CHUNK);
  for (let size = readSync(fd, buffer); size > 0; size = readSync(fd, buffer)) yield buffer.subarray(0, size);
}

const problemOf = ({ code, signal }: ChildExit): string | undefined =>
  code === 0 ? undefined : (signal ?? `exit status ${code}`);

/** Reads through a child process, whose input is `fd` itself and whose output a pipe read by blocking calls. */
async function* throughProgram(fd: number, program: Program): AsyncGenerator<Iterable<Buffer>> {
  const pipe = makePipe();
  setPipeSize(pipe.read, 1 << 20);
  let child: Child;
  try {
    child = spawnChild(program.file, program.args, { stdio: [fd, pipe.write, 'ignore'] });
  } catch (error) {
    closeSync(pipe.read);
    throw error;
  } finally {
    closeSync(pipe.write);
  }
  let complete = false;
  try {
    yield readAll(pipe.read);
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

async function* throughNode(fd: number, compression: 'gzip' | 'zstd'): AsyncGenerator<Iterable<Buffer>> {
  const source = Readable.from(copiesOf(readAll(fd)), { objectMode: false });
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
 * Decompressed chunks of the open file or pipe `fd`, in batches that are read by blocking calls: for worker threads.
 * Leaves `fd` open. Throws `invalid` when the compressed data is damaged or cut short.
 */
export async function* readDecompressed(fd: number, compression: Compression): AsyncGenerator<Iterable<Buffer>> {
  const program = decompressor(compression);
  if (program !== undefined) yield* throughProgram(fd, program);
  else if (compression === 'gzip' || compression === 'zstd') yield* throughNode(fd, compression);
  else yield readAll(fd);
}
