import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readlinkSync,
  readSync,
} from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type CallOptions, errnoOf, throwIfAborted } from '@berth/base';
import { deviceParts, getXattr, listXattrs } from '@berth/linux';
import { memberPath } from './member-path.ts';
import { namesIn, RootDirectory } from './root-directory.ts';
import { encodeHeader, endOfArchive, padding } from './tar-encode.ts';
import type { EntryType, TarEntry } from './tar-entry.ts';

const BATCH = 1 << 18;

export interface PackOptions extends CallOptions {
  /** What to pack, relative to the directory, with all below; default `['.']`. Symbolic links are packed as such. */
  readonly paths?: readonly string[];
  /** New name for a member; undefined leaves it out (what is below a directory left out is still asked about). */
  readonly rename?: (path: string) => string | undefined;
  /** Leaves out a path and all below. */
  readonly exclude?: (path: string) => boolean;
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** Follow a symbolic link that is itself one of `paths`, within the directory. */
  readonly followTop?: boolean;
}

/** Something to put into an archive: an entry below the root, or one made up. */
export type PackItem = { readonly path: string; readonly name: string } | { readonly entry: TarEntry };

const typeOf = (stat: BigIntStats): EntryType | undefined => {
  if (stat.isFile()) return 'file';
  if (stat.isDirectory()) return 'directory';
  if (stat.isSymbolicLink()) return 'symlink';
  if (stat.isCharacterDevice()) return 'char';
  if (stat.isBlockDevice()) return 'block';
  return stat.isFIFO() ? 'fifo' : undefined;
};

const readXattrs = (path: string): ReadonlyMap<string, Buffer> | undefined => {
  const names = listXattrs(path).filter((name) => !/^(trusted\.|user\.overlay\.|system\.)/.test(name));
  if (names.length === 0) return undefined;
  return new Map(names.sort().flatMap((name) => [[name, getXattr(path, name) ?? Buffer.alloc(0)] as const]));
};

/** The entry's place as the kernel can open it, with its parent held by descriptor so that nobody can swap it. */
const placeOf = (root: RootDirectory, path: string): string => {
  const parts = memberPath(path);
  const name = parts.at(-1);
  if (name === undefined) return `/proc/self/fd/${root.fd}/.`;
  return `/proc/self/fd/${root.directory(parts.slice(0, -1), { create: false })}/${name}`;
};

export function timestampOf(ns: bigint): TarEntry['mtime'] {
  const nanos = ((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  return { seconds: Number((ns - nanos) / 1_000_000_000n), nanos: Number(nanos) };
}

const describe = (
  place: string,
  name: string,
  stat: BigIntStats,
  type: EntryType,
  owner: PackOptions['owner'],
): TarEntry => {
  const device = type === 'char' || type === 'block' ? deviceParts(stat.rdev) : { major: 0, minor: 0 };
  return {
    name: type === 'directory' && !name.endsWith('/') ? `${name}/` : name,
    type,
    linkName: type === 'symlink' ? readlinkSync(place) : '',
    mode: Number(stat.mode) & 0o7777,
    uid: owner?.uid ?? Number(stat.uid),
    gid: owner?.gid ?? Number(stat.gid),
    size: type === 'file' ? Number(stat.size) : 0,
    mtime: timestampOf(stat.mtimeNs),
    ...device,
    xattrs: readXattrs(place),
    sparse: undefined,
  };
};

function* fileData(place: string, size: number): Generator<Buffer> {
  const fd = openSync(place, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    if (!fstatSync(fd).isFile()) return;
    for (let at = 0; at < size; ) {
      const buffer = Buffer.allocUnsafe(Math.min(BATCH, size - at));
      const got = readSync(fd, buffer, 0, buffer.length, at);
      // A file that shrank meanwhile is filled up: its size is in the archive already.
      yield got === 0 ? Buffer.alloc(buffer.length) : buffer.subarray(0, got);
      at += got === 0 ? buffer.length : got;
    }
  } finally {
    closeSync(fd);
  }
}

const isGone = (error: unknown): boolean => errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR';

function* packItem(
  root: RootDirectory,
  item: { readonly path: string; readonly name: string },
  links: Map<string, string>,
  owner: PackOptions['owner'],
): Generator<Buffer> {
  let entry: TarEntry;
  let place: string;
  try {
    place = placeOf(root, item.path);
    const stat = lstatSync(place, { bigint: true });
    const type = typeOf(stat);
    if (type === undefined) return;
    entry = describe(place, item.name, stat, type, owner);
    const id = type !== 'directory' && stat.nlink > 1n ? `${stat.dev}:${stat.ino}` : undefined;
    const first = id === undefined ? undefined : links.get(id);
    if (id !== undefined && first === undefined) links.set(id, item.name);
    if (first !== undefined) entry = { ...entry, type: 'link', linkName: first, size: 0, xattrs: undefined };
  } catch (error) {
    if (isGone(error)) return;
    throw error;
  }
  yield encodeHeader(entry);
  if (entry.type !== 'file' || entry.size === 0) return;
  yield* fileData(place, entry.size);
  yield padding(entry.size);
}

/** The archive of `items`, entries below `dir`; vanished ones are left out. */
export async function* packItems(
  dir: string,
  items: (root: RootDirectory) => Iterable<PackItem>,
  options: Pick<PackOptions, 'signal' | 'owner'> = {},
): AsyncGenerator<Uint8Array> {
  using root = new RootDirectory(dir);
  const links = new Map<string, string>();
  let batch: Buffer[] = [];
  let size = 0;
  for (const item of items(root)) {
    const pieces = 'entry' in item ? [encodeHeader(item.entry)] : packItem(root, item, links, options.owner);
    for (const piece of pieces) {
      batch.push(piece);
      size += piece.length;
      if (size < BATCH) continue;
      throwIfAborted(options.signal);
      yield Buffer.concat(batch);
      batch = [];
      size = 0;
      await nextTurn();
    }
  }
  yield Buffer.concat([...batch, endOfArchive()]);
}

/** Names of a directory in byte order; none when it is no directory (any more). */
export function sortedNames(root: RootDirectory, parts: readonly string[]): readonly string[] {
  try {
    return [...namesIn(root.directory(parts, { create: false }))].sort();
  } catch {
    return [];
  }
}

function* walk(root: RootDirectory, path: string, options: PackOptions): Generator<PackItem> {
  if (path !== '.' && options.exclude?.(path)) return;
  const name = options.rename === undefined ? path : options.rename(path);
  if (name !== undefined) yield { path, name };
  let stat: { isDirectory(): boolean } | undefined;
  try {
    stat = lstatSync(placeOf(root, path), { throwIfNoEntry: false });
  } catch (error) {
    if (!isGone(error)) throw error;
  }
  if (!stat?.isDirectory()) return;
  for (const child of sortedNames(root, memberPath(path)))
    yield* walk(root, path === '.' ? child : `${path}/${child}`, options);
}

/**
 * A tar archive of (part of) a directory, in a deterministic order: names in byte order, a directory before what is in
 * it, later names of a file as hard links. Owners, modes, nanosecond times and extended attributes are kept; sockets
 * are left out. Symbolic links are never followed out of the directory. Throws `notFound` when a path is missing.
 */
export async function* packDirectory(dir: string, options: PackOptions = {}): AsyncGenerator<Uint8Array> {
  const paths = options.paths ?? ['.'];
  yield* packItems(
    dir,
    function* (root) {
      for (const path of paths) {
        const parts = memberPath(path);
        const start = parts.length === 0 ? '.' : parts.join('/');
        lstatSync(placeOf(root, start));
        if (options.followTop && start !== '.' && isDirectoryLink(root, parts)) yield* walkLinked(root, start, options);
        else yield* walk(root, start, options);
      }
    },
    options,
  );
}

const isDirectoryLink = (root: RootDirectory, parts: readonly string[]): boolean => {
  try {
    return lstatSync(placeOf(root, parts.join('/'))).isSymbolicLink() && root.directory(parts, { create: false }) >= 0;
  } catch {
    return false;
  }
};

function* walkLinked(root: RootDirectory, path: string, options: PackOptions): Generator<PackItem> {
  yield { path: `${path}/.`, name: options.rename?.(path) ?? path };
  for (const child of sortedNames(root, memberPath(path))) yield* walk(root, `${path}/${child}`, options);
}
