import { type Dirent, readdirSync } from 'node:fs';
import { invalid } from '@berth/base';
import {
  AT_FDCWD,
  closeFd,
  type EntryStat,
  EntryStats,
  makeDirectoryAt,
  O,
  openAt,
  openBeneath,
  RESOLVE,
  SyscallError,
  tryOpenBeneath,
  unlinkAt,
} from '@berth/linux';

/** Directories kept open. */
const CACHE = 64;
const DIRECTORY = O.rdonly | O.directory;
const ENOENT = 2;

/**
 * A directory that hostile names are resolved in. Symbolic links met on the way are followed as if the directory were
 * the file system's root, so nothing outside of it is ever reached.
 */
export class RootDirectory implements Disposable {
  readonly fd: number;
  readonly #open = new Map<string, number>();
  readonly #stats = new EntryStats();

  constructor(path: string) {
    // The root itself is the caller's word and may be a descriptor's name below /proc.
    this.fd = openAt(AT_FDCWD, path, DIRECTORY);
  }

  /** Descriptor of the directory with these components, owned by this object; missing ones are made when asked to. */
  directory(parts: readonly string[], options: { readonly create: boolean }): number {
    if (parts.length === 0) return this.fd;
    const path = parts.join('/');
    const cached = this.#open.get(path);
    if (cached !== undefined) return cached;
    const fd = this.#resolve(parts, path, options.create);
    if (this.#open.size >= CACHE) this.forget();
    this.#open.set(path, fd);
    return fd;
  }

  /** The entry with these components, a symbolic link as such; undefined when its directory has none of that name. */
  stat(parts: readonly string[]): EntryStat | undefined {
    const name = parts.at(-1);
    if (name === undefined) return this.#stats.of(this.fd);
    return this.#stats.at(this.directory(parts.slice(0, -1), { create: false }), name);
  }

  /** The open file, see {@link stat}. */
  statOf(fd: number): EntryStat {
    return this.#stats.of(fd);
  }

  #resolve(parts: readonly string[], path: string, create: boolean): number {
    const fd = tryOpenBeneath(this.fd, path, DIRECTORY, RESOLVE.inRoot);
    if (fd >= 0) return fd;
    if (fd !== -ENOENT || !create) throw escapeSafe(new SyscallError('openat2', -fd, path), path);
    const parent = this.directory(parts.slice(0, -1), { create });
    try {
      makeDirectoryAt(parent, parts.at(-1) ?? '', 0o755);
    } catch (error) {
      throw escapeSafe(error, path);
    }
    return openBeneath(this.fd, path, DIRECTORY, RESOLVE.inRoot);
  }

  /** Closes cached descriptors: to be called when a name may come to mean another directory. */
  forget(): void {
    for (const fd of this.#open.values()) closeFd(fd);
    this.#open.clear();
  }

  [Symbol.dispose](): void {
    this.forget();
    closeFd(this.fd);
  }
}

const escapeSafe = (error: unknown, path: string): unknown =>
  error instanceof SyscallError && ['ENOTDIR', 'ELOOP', 'EEXIST', 'ENAMETOOLONG'].includes(error.code)
    ? invalid(`archive: ${JSON.stringify(path)} cannot be a directory`, { cause: error })
    : error;

const entriesOf = (dir: number): readonly Dirent[] => readdirSync(`/proc/self/fd/${dir}`, { withFileTypes: true });

/** Opens a real directory entry, no symbolic link; undefined when it is anything else or missing. */
export function openChildDirectory(dir: number, name: string): number | undefined {
  const fd = tryOpenBeneath(dir, name, DIRECTORY | O.nofollow, RESOLVE.noSymlinks | RESOLVE.beneath);
  return fd < 0 ? undefined : fd;
}

/**
 * Removes an entry and all below it without following a link; a missing one is no error. `keep` says which entries of
 * directories stay (given their path relative to `dir`); a directory that keeps something stays too.
 */
export function removeTreeAt(
  dir: number,
  name: string,
  keep: (path: string) => boolean = () => false,
  path = name,
): void {
  const child = openChildDirectory(dir, name);
  try {
    if (child !== undefined)
      for (const entry of entriesOf(child)) removeTreeAt(child, entry.name, keep, `${path}/${entry.name}`);
    if (!keep(path)) unlinkAt(dir, name, { directory: child !== undefined });
  } catch (error) {
    if (!(error instanceof SyscallError) || error.code !== 'ENOENT') throw error;
  } finally {
    if (child !== undefined) closeFd(child);
  }
}

/** Names in a directory. */
export function namesIn(dir: number): readonly string[] {
  return entriesOf(dir).map((entry) => entry.name);
}
