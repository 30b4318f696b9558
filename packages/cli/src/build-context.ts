import { existsSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, relative, resolve } from 'node:path';
import type { Upload } from '@berth/client/light';
import type { Context } from './context.ts';
import { ExitError } from './failure.ts';

export interface BuildContext {
  /** A context that the daemon fetches itself. */
  readonly remote?: string;
  /** The Dockerfile's path within the context. */
  readonly dockerfile?: string;
  readonly upload?: Upload;
}

const REMOTE = /^(https?:\/\/|git:\/\/|git@|github\.com\/)/;

/** Where a build's files come from: a directory, a URL, or stdin (an archive, or a Dockerfile alone). */
export async function openContext(context: Context, source: string, file: string | undefined): Promise<BuildContext> {
  if (source === '-') return fromStdin(context, file);
  if (REMOTE.test(source)) return { remote: source, ...(file === undefined ? {} : { dockerfile: file }) };
  return fromDirectory(context, source, file);
}

async function fromStdin(context: Context, file: string | undefined): Promise<BuildContext> {
  if (file === '-') throw new ExitError(1, "invalid argument: can't use stdin for both build context and dockerfile");
  const chunks = context.stdin[Symbol.asyncIterator]() as AsyncIterableIterator<Buffer>;
  // An archive shows itself by its first block; it need not come in one chunk.
  let head: Buffer = Buffer.alloc(0);
  let ended = false;
  while (head.length < 512 && !ended) {
    const next = await chunks.next();
    if (next.done) ended = true;
    else head = Buffer.concat([head, next.value]);
  }
  if (isArchive(head)) return { upload: joined(head, chunks), ...(file === undefined ? {} : { dockerfile: file }) };
  const parts: Buffer[] = [];
  for await (const part of joined(head, chunks)) parts.push(Buffer.from(part));
  return { upload: await dockerfileArchive(Buffer.concat(parts)) };
}

async function* joined(head: Buffer, rest: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield head;
  yield* rest;
}

const MAGIC: readonly (readonly number[])[] = [
  [0x1f, 0x8b], // gzip
  [0x42, 0x5a, 0x68], // bzip2
  [0xfd, 0x37, 0x7a, 0x58, 0x5a], // xz
  [0x28, 0xb5, 0x2f, 0xfd], // zstd
];

const isArchive = (head: Buffer): boolean =>
  head.subarray(257, 262).toString('latin1') === 'ustar' ||
  MAGIC.some((magic) => magic.every((byte, at) => head[at] === byte));

/** An archive of a Dockerfile alone. */
async function dockerfileArchive(content: Buffer, name = 'Dockerfile'): Promise<Buffer> {
  const { mkdtempSync, rmSync, writeFileSync } = await import('node:fs');
  const { tmpdir } = await import('node:os');
  const { packDirectory } = await import('@berth/archive');
  const directory = mkdtempSync(join(tmpdir(), 'berth-build-'));
  try {
    writeFileSync(join(directory, name), content);
    return Buffer.concat(await Array.fromAsync(packDirectory(directory, { paths: [name], owner: { uid: 0, gid: 0 } })));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function fromDirectory(context: Context, source: string, file: string | undefined): Promise<BuildContext> {
  const root = resolve(source);
  const stat = statSync(root, { throwIfNoEntry: false });
  if (stat === undefined) throw new ExitError(1, `unable to prepare context: path "${source}" not found`);
  if (!stat.isDirectory()) throw new ExitError(1, `unable to prepare context: context must be a directory: ${root}`);
  const outside = await outsideDockerfile(context, root, file);
  const dockerfile = outside?.name ?? (file === undefined ? 'Dockerfile' : relative(root, resolve(file)));
  if (outside === undefined && !existsSync(join(root, dockerfile))) {
    throw new ExitError(
      1,
      `unable to prepare context: unable to evaluate symlinks in Dockerfile path: lstat ${join(root, dockerfile)}: no such file or directory`,
    );
  }
  return { dockerfile, upload: await contextArchive(root, dockerfile, outside) };
}

interface Outside {
  readonly name: string;
  readonly content: Buffer;
}

/** A Dockerfile from stdin or from outside the context travels under a name of its own. */
async function outsideDockerfile(
  context: Context,
  root: string,
  file: string | undefined,
): Promise<Outside | undefined> {
  if (file === undefined) return undefined;
  const name = `.dockerfile.${process.pid}${Date.now().toString(36)}`;
  if (file === '-')
    return { name, content: Buffer.concat(await Array.fromAsync(context.stdin as AsyncIterable<Buffer>)) };
  const path = resolve(file);
  const inside = relative(root, path);
  if (!inside.startsWith('..') && !isAbsolute(inside)) return undefined;
  return { name, content: readFileSync(path) };
}

async function contextArchive(
  root: string,
  dockerfile: string,
  outside: Outside | undefined,
): Promise<AsyncIterable<Uint8Array>> {
  const { packDirectory } = await import('@berth/archive');
  const ignore = await ignored(root, dockerfile);
  // What is left out is asked about one by one, since an exception may bring back what is below it.
  const packed = packDirectory(root, {
    owner: { uid: 0, gid: 0 },
    rename: (path) => (path !== '.' && ignore(path) ? undefined : path),
  });
  if (outside === undefined) return packed;
  return withDockerfile(packed, await dockerfileArchive(outside.content, outside.name));
}

const BLOCK = 512;

/** The Dockerfile's archive without its end, then the context's. */
async function* withDockerfile(packed: AsyncIterable<Uint8Array>, dockerfile: Buffer): AsyncGenerator<Uint8Array> {
  let end = dockerfile.length;
  while (end >= BLOCK && dockerfile.subarray(end - BLOCK, end).every((byte) => byte === 0)) end -= BLOCK;
  yield dockerfile.subarray(0, end);
  yield* packed;
}

/** The Dockerfile and the ignore file itself are always sent: the daemon needs them. */
async function ignored(root: string, dockerfile: string): Promise<(path: string) => boolean> {
  const own = join(dirname(dockerfile), `${basename(dockerfile)}.dockerignore`);
  const file = [own, '.dockerignore'].find((name) => existsSync(join(root, name)));
  if (file === undefined) return () => false;
  const { parseDockerignore } = await import('@berth/dockerfile');
  const rules = parseDockerignore(readFileSync(join(root, file), 'utf8'));
  return (path) => path !== dockerfile && path !== '.dockerignore' && rules.ignores(path);
}
