import { closeSync, mkdirSync, openSync, symlinkSync } from 'node:fs';
import { isKind } from '@berth/base';
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
 * Makes a directory and its parents inside `root`, following links within it only; existing ones are left alone.
 * `conflict` where a file is in the way.
 */
export function makeDirectoryInRoot(root: string, path: string, mode = 0o755): void {
  const rootFd = openSync(root, O.path | O.directory);
  let at = '';
  try {
    for (const name of path.split('/').filter((part) => part !== '' && part !== '.')) {
      const parent = openBeneath(rootFd, at === '' ? '.' : at, O.path | O.directory, RESOLVE.inRoot);
      try {
        at = `${at}/${name}`;
        const found = tryOpenBeneath(rootFd, at, O.path | O.directory, RESOLVE.inRoot);
        if (found >= 0) closeSync(found);
        else mkdirSync(`/proc/self/fd/${parent}/${name}`, { mode });
      } finally {
        closeSync(parent);
      }
    }
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
    makeDirectoryInRoot(root, path.slice(0, path.lastIndexOf('/')));
    closeSync(openBeneath(rootFd, path, O.wronly | O.creat | O.excl, RESOLVE.inRoot, 0o755));
  } finally {
    closeSync(rootFd);
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
