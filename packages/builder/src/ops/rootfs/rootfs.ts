import { chmodSync, chownSync, lstatSync, mkdirSync, readFileSync, readlinkSync, type Stats } from 'node:fs';
import { conflict } from '@berth/base';
import { resolveLinks } from '../../tree/resolve-links.ts';

const MAX_ACCOUNT_FILE = 4 * 1024 * 1024;

/**
 * A mounted root file system that nobody else changes meanwhile. Paths are those a process inside would use; links are
 * followed inside the root only, so nothing outside can be reached.
 */
export class Rootfs {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  /** Host path for a path inside, links followed (the last one only when `followLast`). */
  resolve(path: string, followLast = true): string {
    const at = resolveLinks(path, followLast, (candidate) => {
      const stats = statOf(`${this.root}/${candidate}`);
      return stats?.isSymbolicLink() ? readlinkSync(`${this.root}/${candidate}`) : undefined;
    });
    return at === '' ? this.root : `${this.root}/${at}`;
  }

  stat(path: string): Stats | undefined {
    return statOf(this.resolve(path));
  }

  /** Makes a directory and those above it; the new ones get this owner. Returns its host path. */
  makeDirectory(path: string, owner: { readonly uid: number; readonly gid: number }, mode = 0o755): string {
    const full = this.resolve(path);
    const missing: string[] = [];
    let at = full;
    for (; at.length > this.root.length; at = at.slice(0, at.lastIndexOf('/'))) {
      const stats = statOf(at);
      if (stats?.isDirectory()) break;
      if (stats) throw conflict(`mkdir ${at.slice(this.root.length)}: not a directory`);
      missing.push(at);
    }
    for (const directory of missing.reverse()) {
      mkdirSync(directory);
      chmodSync(directory, mode);
      if (owner.uid !== 0 || owner.gid !== 0) chownSync(directory, owner.uid, owner.gid);
    }
    return full;
  }

  /** A text file of the root; empty when it is missing or no regular file. */
  readText(path: string): string {
    const full = this.resolve(path);
    const stats = statOf(full);
    if (!stats?.isFile() || stats.size > MAX_ACCOUNT_FILE) return '';
    return readFileSync(full, 'utf8');
  }
}

export function statOf(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOTDIR' || error.code === 'ENAMETOOLONG'))
      return undefined;
    throw error;
  }
}
