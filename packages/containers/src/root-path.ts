import { closeSync, mkdirSync, openSync, readlinkSync, symlinkSync } from 'node:fs';
import { conflict, errnoOf, invalid, isKind } from '@berth/base';
import { O, openBeneath, RESOLVE, tryOpenBeneath } from '@berth/linux';

/**
 * Opens `path` as a process inside `root` would see it: absolute symbolic links and `..` end at the root. The file is
 * named `/proc/<pid>/fd/<fd>` while `work` runs, so nothing that happens to the tree meanwhile can redirect it.
 * Undefined when there is no such path.
 */
export async function withPathInRoot<T>(
  root: string,
  path: string,
  work: (opened: string, fd: number) => Promise<T>,
): Promise<T | undefined> {
  const rootFd = openSync(root, O.path | O.directory);
  try {
    const fd = tryOpenBeneath(rootFd, path, O.path, RESOLVE.inRoot);
    if (fd < 0) return undefined;
    try {
      return await work(`/proc/${process.pid}/fd/${fd}/.`, fd);
    } finally {
      closeSync(fd);
    }
  } finally {
    closeSync(rootFd);
  }
}

/**
 * Where `path` leads inside `root`: absolute and free of links, `.` and `..`, as far as there is something; what is not
 * there is named as if it were. `invalid` when links go in circles.
 */
export function resolveInRoot(root: string, path: string): string {
  const rootFd = openSync(root, O.path | O.directory);
  try {
    const pending = path.split('/');
    let at = '';
    for (let links = 0; pending.length > 0; ) {
      const name = pending.shift() ?? '';
      if (name === '' || name === '.') continue;
      if (name === '..') {
        at = at.slice(0, Math.max(0, at.lastIndexOf('/')));
        continue;
      }
      const target = linkAt(rootFd, at, name);
      if (target === undefined) {
        at = `${at}/${name}`;
        continue;
      }
      if (links++ === MAX_LINKS) throw invalid(`${path}: too many levels of symbolic links`);
      pending.unshift(...target.split('/'));
      if (target.startsWith('/')) at = '';
    }
    return at === '' ? '/' : at;
  } finally {
    closeSync(rootFd);
  }
}

/** Undefined for what is no link, and for what is not there. */
function linkAt(rootFd: number, directory: string, name: string): string | undefined {
  const parent = tryOpenBeneath(rootFd, directory === '' ? '.' : directory, O.path | O.directory, RESOLVE.inRoot);
  if (parent < 0) return undefined;
  try {
    return readlinkSync(`/proc/self/fd/${parent}/${name}`);
  } catch (error) {
    if (isKind(error, 'notFound') || ['EINVAL', 'ENOTDIR'].includes(errnoOf(error) ?? '')) return undefined;
    throw error;
  } finally {
    closeSync(parent);
  }
}

/**
 * Makes a directory and its parents inside `root`; existing ones are left alone. Links are followed within it only,
 * also those that lead to where nothing is yet. `conflict` where a file is in the way or links go in circles.
 */
export function makeDirectoryInRoot(root: string, path: string, mode = 0o755): void {
  const rootFd = openSync(root, O.path | O.directory);
  try {
    makeDirectories(rootFd, path, mode);
  } finally {
    closeSync(rootFd);
  }
}

/** An empty file (with its parents) inside `root`, for mounting something over it. */
export function makeFileInRoot(root: string, path: string): void {
  const rootFd = openSync(root, O.path | O.directory);
  try {
    const found = tryOpenBeneath(rootFd, path, O.path, RESOLVE.inRoot);
    if (found >= 0) {
      closeSync(found);
      return;
    }
    let at = path;
    for (let links = 0; ; links++) {
      const slash = at.lastIndexOf('/');
      const parent = makeDirectories(rootFd, at.slice(0, slash), 0o755);
      at = `${parent}/${at.slice(slash + 1)}`;
      const target = linkTarget(rootFd, parent, at.slice(parent.length + 1));
      if (target === undefined) break;
      if (links === MAX_LINKS) throw conflict(`${path}: too many levels of symbolic links`);
      at = target.startsWith('/') ? target : `${parent}/${target}`;
    }
    closeSync(openBeneath(rootFd, at, O.wronly | O.creat | O.excl, RESOLVE.inRoot, 0o755));
  } finally {
    closeSync(rootFd);
  }
}

/** As many links as the kernel follows in one path. */
const MAX_LINKS = 40;

/** Returns the path that was made, which names no link that leads nowhere. */
function makeDirectories(rootFd: number, path: string, mode: number): string {
  const pending = path.split('/');
  let at = '';
  for (let links = 0; pending.length > 0; ) {
    const name = pending.shift() ?? '';
    if (name === '' || name === '.') continue;
    const next = `${at}/${name}`;
    const found = tryOpenBeneath(rootFd, next, O.path | O.directory, RESOLVE.inRoot);
    if (found >= 0) {
      closeSync(found);
      at = next;
      continue;
    }
    const target = linkTarget(rootFd, at, name);
    if (target === undefined) {
      withDirectory(rootFd, at, (parent) => mkdirSync(`${parent}/${name}`, { mode }));
      at = next;
      continue;
    }
    if (links++ === MAX_LINKS) throw conflict(`${path}: too many levels of symbolic links`);
    pending.unshift(...target.split('/'));
    if (target.startsWith('/')) at = '';
  }
  return at;
}

/** Undefined when nothing is there; `conflict` when it is there and no link. */
function linkTarget(rootFd: number, directory: string, name: string): string | undefined {
  try {
    return withDirectory(rootFd, directory, (parent) => readlinkSync(`${parent}/${name}`));
  } catch (error) {
    if (isKind(error, 'notFound')) return undefined;
    if (errnoOf(error) === 'EINVAL') throw conflict(`${directory}/${name} is not a directory`, { cause: error });
    throw error;
  }
}

function withDirectory<T>(rootFd: number, path: string, work: (directory: string) => T): T {
  const fd = openBeneath(rootFd, path === '' ? '.' : path, O.path | O.directory, RESOLVE.inRoot);
  try {
    return work(`/proc/self/fd/${fd}`);
  } finally {
    closeSync(fd);
  }
}

/** A symbolic link (with the directories above it) inside `root`; whatever is there already stays. */
export function makeLinkInRoot(root: string, path: string, target: string): void {
  const [directory, name] = [path.slice(0, path.lastIndexOf('/')), path.slice(path.lastIndexOf('/') + 1)];
  makeDirectoryInRoot(root, directory);
  const rootFd = openSync(root, O.path | O.directory);
  try {
    const parent = openBeneath(rootFd, directory, O.path | O.directory, RESOLVE.inRoot);
    try {
      symlinkSync(target, `/proc/self/fd/${parent}/${name}`);
    } catch (error) {
      if (!isKind(error, 'conflict')) throw error;
    } finally {
      closeSync(parent);
    }
  } finally {
    closeSync(rootFd);
  }
}
