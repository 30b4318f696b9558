import { ftruncateSync, writeSync } from 'node:fs';
import { EngineError, errnoOf, invalid, isKind, wrap } from '@berth/base';
import {
  changeMode,
  changeModeAt,
  changeOwner,
  changeOwnerAt,
  closeFd,
  deviceNumber,
  linkAt,
  makeDirectoryAt,
  makeNodeAt,
  O,
  openAt,
  setTimesAt,
  setTimesFd,
  setXattr,
  setXattrFd,
  symlinkAt,
} from '@berth/linux';
import { copyFromLower } from './copy-from-lower.ts';
import { memberPath, OPAQUE_MARKER, WHITEOUT_META_PREFIX, WHITEOUT_PREFIX } from './member-path.ts';
import { namesIn, openChildDirectory, RootDirectory, removeTreeAt } from './root-directory.ts';
import type { TarEntry, Timestamp } from './tar-entry.ts';
import type { TarHandler } from './tar-parser.ts';

export interface LayerWriterOptions {
  /**
   * `overlay`: whiteouts become overlay's (character device 0/0, `trusted.overlay.opaque`) in a directory of the
   * layer's own. `merge`: whiteouts delete what earlier layers left. `plain`: names are names, whiteouts too.
   */
  readonly mode: 'overlay' | 'merge' | 'plain';
  /** Directories of lower layers, nearest first, to copy the target of a hard link from. */
  readonly lowerPaths?: readonly string[];
  /** A directory is not replaced by something else, nor the other way round (`docker cp`). */
  readonly noOverwriteDirNonDir?: boolean;
  /** Owner of everything instead of the archive's. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** Maps an owner, for user namespaces. */
  readonly mapOwner?: (owner: { readonly uid: number; readonly gid: number }) => {
    readonly uid: number;
    readonly gid: number;
  };
}

const S_IFCHR = 0o020000;
const S_IFBLK = 0o060000;
const S_IFIFO = 0o010000;
const YES = Buffer.from('y');

/** Attributes by which an archive could steer overlay itself. */
const isOverlayAttribute = (name: string): boolean =>
  name.startsWith('trusted.overlay.') || name.startsWith('user.overlay.');

const IGNORED_XATTR_ERRORS: readonly (string | undefined)[] = ['EOPNOTSUPP', 'ENOTSUP', 'EPERM'];

/** Creates the members of an archive below a root directory, whatever they are called. Synchronous: for worker threads. */
export class LayerWriter implements TarHandler, Disposable {
  readonly #root: RootDirectory;
  readonly #options: LayerWriterOptions;
  readonly #times = new BigInt64Array(4);
  /** Times of directories, set last since making entries changes them. */
  readonly #directoryTimes = new Map<string, Timestamp>();
  /** Names this layer made (merge mode): its own whiteouts do not remove them. */
  readonly #made = new Set<string>();
  readonly #whiteouts = new Set<string>();
  #file: { readonly fd: number; readonly entry: TarEntry } | undefined;
  /** Where in the file, and for a sparse one in which range, the next data goes. */
  #position = 0;
  #range = 0;

  constructor(target: string, options: LayerWriterOptions) {
    this.#root = new RootDirectory(target);
    this.#options = options;
  }

  entry(entry: TarEntry): void {
    try {
      this.#create(entry);
    } catch (error) {
      throw this.#explain(error, entry);
    }
  }

  #explain(error: unknown, entry: TarEntry): EngineError {
    const code = errnoOf(error);
    const hostile = code === 'ENAMETOOLONG' || code === 'ENOTDIR' || code === 'ELOOP' || code === 'EISDIR';
    if (hostile) return wrap(`archive: cannot create ${JSON.stringify(entry.name)}`, error, 'invalid');
    return error instanceof EngineError && isKind(error, 'invalid')
      ? error
      : wrap(`cannot create ${JSON.stringify(entry.name)}`, error);
  }

  #create(entry: TarEntry): void {
    const parts = memberPath(entry.name);
    const name = parts.at(-1);
    if (name === undefined) {
      this.#describeRoot(entry);
      return;
    }
    const parentParts = parts.slice(0, -1);
    const parent = this.#root.directory(parentParts, { create: true });
    if (this.#options.mode !== 'plain' && name.startsWith(WHITEOUT_PREFIX)) {
      this.#whiteout(parent, parentParts, name);
      return;
    }
    const path = parts.join('/');
    if (this.#options.mode === 'merge') this.#markMade(parts);
    if (entry.type === 'directory') this.#directory(parent, name, path, entry);
    else if (entry.type === 'link') this.#hardLink(parent, name, path, entry);
    else this.#replacing(parent, name, () => this.#leaf(parent, name, entry));
    if (this.#directoryTimes.size > 0 && entry.type !== 'directory') this.#directoryTimes.delete(path);
  }

  #markMade(parts: readonly string[]): void {
    for (let n = parts.length; n > 0; n--) {
      const path = parts.slice(0, n).join('/');
      if (this.#made.has(path)) return;
      this.#made.add(path);
    }
  }

  #describeRoot(entry: TarEntry): void {
    if (entry.type !== 'directory') throw invalid('archive: the root must be a directory');
    this.#describeDirectory(this.#root.fd, '', entry);
  }

  /** Runs `make`; when the name is taken, removes what is there and tries once more. */
  #replacing(parent: number, name: string, make: () => void): void {
    try {
      make();
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
      this.#clear(parent, name);
      make();
    }
  }

  #clear(parent: number, name: string): void {
    const existing = this.#options.noOverwriteDirNonDir ? openChildDirectory(parent, name) : undefined;
    if (existing !== undefined) {
      closeFd(existing);
      throw invalid(`cannot overwrite directory ${JSON.stringify(name)} with non-directory`);
    }
    // What a cached descriptor stands for may be about to go.
    const isDirectory = removeReplaced(parent, name);
    if (isDirectory) this.#root.forget();
  }

  #owner(entry: TarEntry): { readonly uid: number; readonly gid: number } {
    const owner = this.#options.owner ?? entry;
    return this.#options.mapOwner?.(owner) ?? owner;
  }

  #setTimes(time: Timestamp): BigInt64Array {
    const seconds = BigInt(time.seconds);
    const nanos = BigInt(time.nanos);
    this.#times[0] = seconds;
    this.#times[1] = nanos;
    this.#times[2] = seconds;
    this.#times[3] = nanos;
    return this.#times;
  }

  #leaf(parent: number, name: string, entry: TarEntry): void {
    switch (entry.type) {
      case 'file':
        this.#openFile(parent, name, entry);
        return;
      case 'symlink':
        symlinkAt(entry.linkName, parent, name);
        this.#describeLeaf(parent, name, entry, false);
        return;
      case 'fifo':
        makeNodeAt(parent, name, S_IFIFO | 0o600);
        this.#describeLeaf(parent, name, entry, true);
        return;
      default: {
        const kind = entry.type === 'char' ? S_IFCHR : S_IFBLK;
        makeNodeAt(parent, name, kind | 0o600, deviceNumber(entry.major, entry.minor));
        this.#describeLeaf(parent, name, entry, true);
        return;
      }
    }
  }

  #describeLeaf(parent: number, name: string, entry: TarEntry, hasMode: boolean): void {
    const { uid, gid } = this.#owner(entry);
    changeOwnerAt(parent, name, uid, gid);
    if (hasMode) changeModeAt(parent, name, entry.mode);
    this.#attributes(entry, (key, value) => setXattr(`/proc/self/fd/${parent}/${name}`, key, value));
    setTimesAt(parent, name, this.#setTimes(entry.mtime));
  }

  #attributes(entry: TarEntry, set: (name: string, value: Buffer) => void): void {
    if (entry.xattrs === undefined) return;
    for (const [name, value] of entry.xattrs) {
      if (isOverlayAttribute(name)) continue;
      try {
        set(name, value);
      } catch (error) {
        if (!IGNORED_XATTR_ERRORS.includes(errnoOf(error))) throw error;
      }
    }
  }

  #openFile(parent: number, name: string, entry: TarEntry): void {
    const fd = openAt(parent, name, O.wronly | O.creat | O.excl | O.nofollow, 0o600);
    this.#file = { fd, entry };
    this.#position = entry.sparse?.[0]?.offset ?? 0;
    this.#range = 0;
  }

  data(chunk: Buffer): void {
    const file = this.#file;
    if (file === undefined) return;
    const { sparse } = file.entry;
    for (let at = 0; at < chunk.length; ) {
      const range = sparse?.[this.#range];
      const room = range === undefined ? chunk.length - at : range.offset + range.length - this.#position;
      const written = writeSync(file.fd, chunk, at, Math.min(room, chunk.length - at), this.#position);
      at += written;
      this.#position += written;
      if (range !== undefined && written === room) this.#position = sparse?.[++this.#range]?.offset ?? this.#position;
    }
  }

  end(): void {
    const file = this.#file;
    if (file === undefined) return;
    this.#file = undefined;
    const { fd, entry } = file;
    try {
      if (entry.sparse !== undefined) ftruncateSync(fd, entry.size);
      const { uid, gid } = this.#owner(entry);
      changeOwner(fd, uid, gid);
      changeMode(fd, entry.mode);
      this.#attributes(entry, (key, value) => setXattrFd(fd, key, value));
      setTimesFd(fd, this.#setTimes(entry.mtime));
    } finally {
      closeFd(fd);
    }
  }

  #directory(parent: number, name: string, path: string, entry: TarEntry): void {
    const wasWhiteout = this.#whiteouts.delete(path);
    let fd: number | undefined;
    try {
      makeDirectoryAt(parent, name, 0o700);
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
      fd = openChildDirectory(parent, name);
      if (fd === undefined) {
        if (this.#options.noOverwriteDirNonDir)
          throw invalid(`cannot overwrite non-directory ${JSON.stringify(name)} with directory`);
        this.#clear(parent, name);
        makeDirectoryAt(parent, name, 0o700);
      }
    }
    fd ??= openAt(parent, name, O.rdonly | O.directory | O.nofollow);
    try {
      // The layer removed the lower one and made a new one: nothing of the old may show through.
      if (wasWhiteout && this.#options.mode === 'overlay') setXattrFd(fd, 'trusted.overlay.opaque', YES);
      this.#describeDirectory(fd, path, entry);
    } finally {
      closeFd(fd);
    }
  }

  #describeDirectory(fd: number, path: string, entry: TarEntry): void {
    const { uid, gid } = this.#owner(entry);
    changeOwner(fd, uid, gid);
    changeMode(fd, entry.mode);
    this.#attributes(entry, (key, value) => setXattrFd(fd, key, value));
    this.#directoryTimes.set(path, entry.mtime);
  }

  #hardLink(parent: number, name: string, path: string, entry: TarEntry): void {
    const targetParts = memberPath(entry.linkName);
    const targetName = targetParts.at(-1);
    if (targetName === undefined) throw invalid('archive: hard link to the root directory');
    if (targetParts.join('/') === path) return;
    const from = this.#targetDirectory(targetParts);
    try {
      this.#replacing(parent, name, () => linkAt(from, targetName, parent, name));
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
      if (!copyFromLower(this.#options.lowerPaths ?? [], targetParts, from, targetName))
        throw invalid(`archive: hard link to ${JSON.stringify(entry.linkName)}, which does not exist`, {
          cause: error,
        });
      this.#replacing(parent, name, () => linkAt(from, targetName, parent, name));
    }
  }

  #targetDirectory(targetParts: readonly string[]): number {
    const create = (this.#options.lowerPaths ?? []).length > 0;
    try {
      return this.#root.directory(targetParts.slice(0, -1), { create });
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
      throw invalid('archive: hard link to a file that does not exist', { cause: error });
    }
  }

  #whiteout(parent: number, parentParts: readonly string[], name: string): void {
    if (name === OPAQUE_MARKER) {
      this.#opaque(parent, parentParts);
      return;
    }
    if (name.startsWith(WHITEOUT_META_PREFIX)) return;
    const hidden = name.slice(WHITEOUT_PREFIX.length);
    if (hidden === '' || hidden === '.' || hidden === '..')
      throw invalid(`archive: malformed whiteout ${JSON.stringify(name)}`);
    const path = [...parentParts, hidden].join('/');
    if (this.#options.mode === 'merge') this.#removeLower(parent, hidden, path);
    else this.#hideLower(parent, hidden, path);
  }

  #hideLower(parent: number, hidden: string, path: string): void {
    try {
      makeNodeAt(parent, hidden, S_IFCHR, 0n);
      this.#whiteouts.add(path);
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
      // This layer has put something of its own there already; a directory must then hide the lower one's entries.
      const fd = openChildDirectory(parent, hidden);
      if (fd === undefined) return;
      try {
        setXattrFd(fd, 'trusted.overlay.opaque', YES);
      } finally {
        closeFd(fd);
      }
    }
  }

  #removeLower(parent: number, hidden: string, path: string): void {
    removeTreeAt(parent, hidden, (at) => this.#made.has(at), path);
    this.#root.forget();
  }

  #opaque(parent: number, parentParts: readonly string[]): void {
    if (this.#options.mode === 'overlay') {
      setXattrFd(parent, 'trusted.overlay.opaque', YES);
      return;
    }
    for (const name of namesIn(parent))
      removeTreeAt(parent, name, (at) => this.#made.has(at), [...parentParts, name].join('/'));
    this.#root.forget();
  }

  /** Sets the times of directories. Call once, after the last member. */
  finish(): void {
    for (const [path, time] of this.#directoryTimes) {
      const times = this.#setTimes(time);
      if (path === '') {
        setTimesFd(this.#root.fd, times);
        continue;
      }
      const parts = path.split('/');
      try {
        setTimesAt(this.#root.directory(parts.slice(0, -1), { create: false }), parts.at(-1) ?? '', times);
      } catch (error) {
        // A later member has put something else in the directory's place.
        if (errnoOf(error) !== 'ENOENT' && !isKind(error, 'invalid', 'notFound')) throw error;
      }
    }
    this.#directoryTimes.clear();
  }

  [Symbol.dispose](): void {
    if (this.#file !== undefined) closeFd(this.#file.fd);
    this.#file = undefined;
    this.#root[Symbol.dispose]();
  }
}

const removeReplaced = (parent: number, name: string): boolean => {
  const fd = openChildDirectory(parent, name);
  if (fd !== undefined) closeFd(fd);
  removeTreeAt(parent, name);
  return fd !== undefined;
};
