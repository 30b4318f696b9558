import { readlinkSync, readSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type CallOptions, errnoOf, throwIfAborted } from '@berth/base';
import {
  closeFd,
  type EntryStat,
  FILE_TYPE,
  getXattr,
  listXattrs,
  O,
  openAt,
  readXattrsFd,
  SyscallError,
} from '@berth/linux';
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

const TYPES = new Map<number, EntryType>([
  [FILE_TYPE.file, 'file'],
  [FILE_TYPE.directory, 'directory'],
  [FILE_TYPE.symlink, 'symlink'],
  [FILE_TYPE.character, 'char'],
  [FILE_TYPE.block, 'block'],
  [FILE_TYPE.fifo, 'fifo'],
]);

const typeOf = (stat: EntryStat): EntryType | undefined => TYPES.get(stat.mode & FILE_TYPE.mask);

export const isDirectory = (stat: EntryStat): boolean => (stat.mode & FILE_TYPE.mask) === FILE_TYPE.directory;

/** Attributes that belong to the file: neither overlay's bookkeeping nor what the kernel makes up. */
const isOwnAttribute = (name: string): boolean => !/^(trusted\.|user\.overlay\.|system\.)/.test(name);

const sortedAttributes = (all: Iterable<readonly [string, Buffer]>): ReadonlyMap<string, Buffer> | undefined => {
  const own = [...all].filter(([name]) => isOwnAttribute(name)).sort(([a], [b]) => (a < b ? -1 : 1));
  return own.length === 0 ? undefined : new Map(own);
};

const readXattrs = (path: string): ReadonlyMap<string, Buffer> | undefined =>
  sortedAttributes(listXattrs(path).map((name) => [name, getXattr(path, name) ?? Buffer.alloc(0)]));

/** An entry's place: its directory, held by descriptor so that nobody can swap it, and its name there. */
interface Place {
  readonly directory: number;
  readonly name: string;
}

const placeOf = (root: RootDirectory, parts: readonly string[]): Place => {
  const name = parts.at(-1);
  if (name === undefined) return { directory: root.fd, name: '.' };
  return { directory: root.directory(parts.slice(0, -1), { create: false }), name };
};

const pathOf = ({ directory, name }: Place): string => `/proc/self/fd/${directory}/${name}`;

/** Opened for reading, or undefined when it has become something else meanwhile. */
interface OpenFile extends Disposable {
  readonly fd: number;
  readonly stat: EntryStat;
}

const openFile = (root: RootDirectory, { directory, name }: Place): OpenFile | undefined => {
  const fd = openAt(directory, name, O.rdonly | O.nofollow | O.nonblock);
  try {
    const stat = root.statOf(fd);
    if (typeOf(stat) === 'file') return { fd, stat, [Symbol.dispose]: () => closeFd(fd) };
  } catch (error) {
    closeFd(fd);
    throw error;
  }
  closeFd(fd);
  return undefined;
};

const describe = (
  name: string,
  stat: EntryStat,
  type: EntryType,
  more: Pick<TarEntry, 'linkName' | 'xattrs'>,
  owner: PackOptions['owner'],
): TarEntry => ({
  name: type === 'directory' && !name.endsWith('/') ? `${name}/` : name,
  type,
  mode: stat.mode & 0o7777,
  uid: owner?.uid ?? stat.uid,
  gid: owner?.gid ?? stat.gid,
  size: type === 'file' ? stat.size : 0,
  mtime: stat.mtime,
  ...(type === 'char' || type === 'block' ? stat.device : { major: 0, minor: 0 }),
  ...more,
  sparse: undefined,
});

/** Where archives are put together: fills one buffer after the other. */
class Filling {
  readonly #next: () => Buffer;
  #buffer: Buffer;
  #at = 0;

  /** `next` gives the buffer to go on with: the same one when whoever takes the chunks is done with each at once. */
  constructor(next: () => Buffer) {
    this.#next = next;
    this.#buffer = next();
  }

  *add(bytes: Uint8Array): Generator<Buffer> {
    for (let from = 0; from < bytes.length; ) {
      const part = bytes.subarray(from, from + this.#buffer.length - this.#at);
      this.#buffer.set(part, this.#at);
      from += part.length;
      yield* this.#advance(part.length);
    }
  }

  /** The file's first `size` bytes, read in place. One that shrank meanwhile is filled up: its size is written already. */
  *addFile(fd: number, size: number): Generator<Buffer> {
    for (let done = 0; done < size; ) {
      const room = Math.min(size - done, this.#buffer.length - this.#at);
      const got = readSync(fd, this.#buffer, this.#at, room, done);
      if (got === 0) this.#buffer.fill(0, this.#at, this.#at + room);
      done += got || room;
      yield* this.#advance(got || room);
    }
  }

  *rest(): Generator<Buffer> {
    if (this.#at > 0) yield this.#buffer.subarray(0, this.#at);
  }

  *#advance(length: number): Generator<Buffer> {
    this.#at += length;
    if (this.#at < this.#buffer.length) return;
    yield this.#buffer;
    this.#buffer = this.#next();
    this.#at = 0;
  }
}

const isGone = (error: unknown): boolean => errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR';

/** Remembers the first name of each file that has several. */
type Links = Map<string, string>;

const linkTo = (stat: EntryStat, name: string, links: Links): string | undefined => {
  if (stat.links < 2) return undefined;
  const first = links.get(stat.identity);
  if (first === undefined) links.set(stat.identity, name);
  return first;
};

function* packItem(
  root: RootDirectory,
  item: { readonly path: string; readonly name: string },
  into: Filling,
  links: Links,
  owner: PackOptions['owner'],
): Generator<Buffer> {
  const parts = memberPath(item.path);
  const seen = root.stat(parts);
  const type = seen && typeOf(seen);
  if (seen === undefined || type === undefined) return;
  const place = placeOf(root, parts);
  using file = type === 'file' ? openFile(root, place) : undefined;
  if (type === 'file' && file === undefined) return;
  const stat = file?.stat ?? seen;
  const first = type === 'directory' ? undefined : linkTo(stat, item.name, links);
  if (first !== undefined) {
    yield* into.add(encodeHeader(describe(item.name, stat, 'link', { linkName: first, xattrs: undefined }, owner)));
    return;
  }
  const linkName = type === 'symlink' ? readlinkSync(pathOf(place)) : '';
  const xattrs = file ? sortedAttributes(readXattrsFd(file.fd)) : readXattrs(pathOf(place));
  yield* into.add(encodeHeader(describe(item.name, stat, type, { linkName, xattrs }, owner)));
  if (file === undefined || stat.size === 0) return;
  yield* into.addFile(file.fd, stat.size);
  yield* into.add(padding(stat.size));
}

/** What makes the entries of an archive, given the directory they are in. */
export type ListItems = (root: RootDirectory) => Iterable<PackItem>;

/**
 * The archive of `items`, entries below `dir`, by blocking calls; vanished ones are left out. Chunks are the buffers
 * that `next` gives, filled.
 */
export function* packChunks(
  dir: string,
  items: ListItems,
  options: Pick<PackOptions, 'owner'> & { readonly next: () => Buffer },
): Generator<Buffer> {
  using root = new RootDirectory(dir);
  const links: Links = new Map();
  const into = new Filling(options.next);
  for (const item of items(root)) {
    if ('entry' in item) yield* into.add(encodeHeader(item.entry));
    else yield* present(packItem(root, item, into, links, options.owner));
  }
  yield* into.add(endOfArchive());
  yield* into.rest();
}

/** An entry that vanished before its header was written is left out. */
function* present(item: Generator<Buffer>): Generator<Buffer> {
  try {
    yield* item;
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

/** {@link packChunks} for the event loop's thread, which gets a turn after every chunk. */
export async function* packItems(
  dir: string,
  items: ListItems,
  options: Pick<PackOptions, 'signal' | 'owner'> = {},
): AsyncGenerator<Uint8Array> {
  for (const chunk of packChunks(dir, items, { ...options, next: () => Buffer.allocUnsafeSlow(BATCH) })) {
    throwIfAborted(options.signal);
    yield chunk;
    await nextTurn();
  }
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
  const parts = memberPath(path);
  const stat = root.stat(parts);
  if (stat === undefined || !isDirectory(stat)) return;
  for (const child of sortedNames(root, parts)) yield* walk(root, path === '.' ? child : `${path}/${child}`, options);
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
        const stat = root.stat(parts);
        if (stat === undefined) throw new SyscallError('statx', ENOENT, start);
        const linked = options.followTop && typeOf(stat) === 'symlink' && leadsToDirectory(root, parts);
        if (linked) yield* walkLinked(root, start, options);
        else yield* walk(root, start, options);
      }
    },
    options,
  );
}

const ENOENT = 2;

const leadsToDirectory = (root: RootDirectory, parts: readonly string[]): boolean => {
  try {
    return root.directory(parts, { create: false }) >= 0;
  } catch {
    return false;
  }
};

function* walkLinked(root: RootDirectory, path: string, options: PackOptions): Generator<PackItem> {
  yield { path: `${path}/.`, name: options.rename?.(path) ?? path };
  for (const child of sortedNames(root, memberPath(path))) yield* walk(root, `${path}/${child}`, options);
}
