import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { PassThrough, Readable, type Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip, createZstdCompress, createZstdDecompress } from 'node:zlib';
import { type CallOptions, invalid, throwIfAborted, unavailable } from '@berth/base';
import type { ByteStream } from '@berth/oci';
import {
  type Compression,
  decompressor,
  detectCompression,
  gzipCompressor,
  MAGIC_SIZE,
  type Program,
} from './compression.ts';
import { peek } from './peek.ts';

async function* throughProgram(
  source: ByteStream,
  program: Program,
  signal: AbortSignal | undefined,
): ByteStreamGenerator {
  const child = spawn(program.file, program.args, { stdio: ['pipe', 'pipe', 'ignore'] });
  const spawnFailed = once(child, 'error').then(([error]) => error as unknown);
  spawnFailed.catch(() => undefined);
  const exited = new Promise<number | string | null>((resolve) =>
    child.once('exit', (code, by) => resolve(code ?? by)),
  );
  if (child.pid === undefined) throw unavailable(`${program.file}: cannot be run`, { cause: await spawnFailed });
  let sourceError: unknown;
  const fed = pipeline(Readable.from(source, { objectMode: false }), child.stdin).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'EPIPE') return;
    sourceError = error;
    child.kill('SIGKILL');
  });
  const onAbort = (): boolean => child.kill('SIGKILL');
  signal?.addEventListener('abort', onAbort, { once: true });
  let complete = false;
  try {
    for await (const chunk of child.stdout) yield chunk as Buffer;
    complete = true;
  } finally {
    signal?.removeEventListener('abort', onAbort);
    if (!complete) child.kill('SIGKILL');
    child.stdin.destroy();
    await Promise.all([fed, exited]);
  }
  throwIfAborted(signal);
  if (sourceError !== undefined) throw sourceError;
  const code = await exited;
  if (code !== 0) throw invalid(`compressed data is damaged (${program.file}: ${code})`);
}

type ByteStreamGenerator = AsyncGenerator<Uint8Array>;

async function* throughNode(source: ByteStream, stream: Transform, options: CallOptions): ByteStreamGenerator {
  let sourceError: unknown;
  async function* watched(): ByteStreamGenerator {
    try {
      yield* source;
    } catch (error) {
      sourceError = error;
      throw error;
    }
  }
  const out = new PassThrough();
  const done = pipeline(Readable.from(watched(), { objectMode: false }), stream, out).catch((error: unknown) => error);
  try {
    for await (const chunk of out) {
      throwIfAborted(options.signal);
      yield chunk as Buffer;
    }
  } catch (error) {
    throwIfAborted(options.signal);
    if (sourceError !== undefined) throw sourceError;
    const isCodecError = typeof (error as NodeJS.ErrnoException).code === 'string';
    throw isCodecError ? invalid('compressed data is damaged', { cause: error }) : error;
  } finally {
    out.destroy();
    await done;
  }
}

/**
 * The plain bytes of a stream that may be gzip, zstd, xz or bzip2, as its first bytes say; anything else is passed on.
 * Throws `invalid` when the compressed data is damaged or cut short.
 */
export async function* decompress(source: ByteStream, options: CallOptions = {}): AsyncGenerator<Uint8Array> {
  throwIfAborted(options.signal);
  const { head, rest } = await peek(source, MAGIC_SIZE);
  const compression = detectCompression(head);
  const program = decompressor(compression);
  if (program !== undefined) yield* throughProgram(rest, program, options.signal);
  else if (compression === 'gzip') yield* throughNode(rest, createGunzip(), options);
  else if (compression === 'zstd') yield* throughNode(rest, createZstdDecompress(), options);
  else yield* rest;
}

/** Compresses a stream; gzip by a fast program when one is installed. */
export async function* compress(
  source: ByteStream,
  compression: Extract<Compression, 'none' | 'gzip' | 'zstd'>,
  options: CallOptions & { readonly level?: 0 | 1 | 2 | 3 } = {},
): AsyncGenerator<Uint8Array> {
  throwIfAborted(options.signal);
  const program = compression === 'gzip' ? gzipCompressor(options.level ?? 1) : undefined;
  if (program !== undefined) yield* throughProgram(source, program, options.signal);
  else if (compression === 'gzip') yield* throughNode(source, createGzip({ level: 1 }), options);
  else if (compression === 'zstd') yield* throughNode(source, createZstdCompress(), options);
  else yield* source;
}
