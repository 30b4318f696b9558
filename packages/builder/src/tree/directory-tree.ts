import { createHash } from 'node:crypto';
import {
  closeSync,
  constants,
  createReadStream,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  type Stats,
  writeSync,
} from 'node:fs';
import { deviceParts, getXattr, listXattrs } from '@berth/linux';
import type { FileTree, TreeEntry } from './file-tree.ts';
import { resolveLinks } from './resolve-links.ts';

const CHUNK = 1 << 20;

/** A directory that nobody changes meanwhile, as a tree: the mounted file system of a stage or image. */
export function directoryTree(root: string): FileTree {
  const full = (path: string): string => (path === '' ? root : `${root}/${path}`);
  const linkAt = (path: string): string | undefined => {
    const stats = lstatSync(full(path), { throwIfNoEntry: false });
    return stats?.isSymbolicLink() ? readlinkSync(full(path)) : undefined;
  };
  const open = (entry: TreeEntry): number => openSync(full(entry.path), constants.O_RDONLY | constants.O_NOFOLLOW);
  return {
    lookup(path, options = {}) {
      const at = resolveLinks(path, options.follow ?? false, linkAt);
      const stats = statOf(full(at));
      return stats && toEntry(at, full(at), stats);
    },
    names: (directory) => readdirSync(full(directory.path)).sort(),
    async contentDigest(file) {
      const hash = createHash('sha256');
      const descriptor = open(file);
      try {
        eachChunk(descriptor, file.size, (chunk) => hash.update(chunk));
      } finally {
        closeSync(descriptor);
      }
      return hash.digest('hex');
    },
    async copyTo(file, target) {
      const descriptor = open(file);
      try {
        eachChunk(descriptor, file.size, (chunk) => writeAll(target, chunk));
      } finally {
        closeSync(descriptor);
      }
    },
    async head(file, length) {
      const descriptor = open(file);
      try {
        const buffer = Buffer.alloc(length);
        return buffer.subarray(0, readSync(descriptor, buffer, 0, length, 0));
      } finally {
        closeSync(descriptor);
      }
    },
    stream: (file) => createReadStream(full(file.path), { highWaterMark: CHUNK }),
  };
}

function statOf(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    // a file where the path has a directory
    if (error instanceof Error && 'code' in error && error.code === 'ENOTDIR') return undefined;
    throw error;
  }
}

function eachChunk(descriptor: number, size: number, use: (chunk: Uint8Array) => void): void {
  const buffer = Buffer.allocUnsafe(Math.min(CHUNK, Math.max(size, 4096)));
  for (;;) {
    const length = readSync(descriptor, buffer, 0, buffer.length, null);
    if (length === 0) return;
    use(buffer.subarray(0, length));
  }
}

export function writeAll(descriptor: number, chunk: Uint8Array): void {
  for (let at = 0; at < chunk.length; ) at += writeSync(descriptor, chunk, at);
}

function typeOf(stats: Stats): TreeEntry['type'] {
  if (stats.isDirectory()) return 'directory';
  if (stats.isSymbolicLink()) return 'symlink';
  if (stats.isFIFO()) return 'fifo';
  if (stats.isCharacterDevice()) return 'character';
  if (stats.isBlockDevice()) return 'block';
  return stats.isSocket() ? 'socket' : 'file';
}

function toEntry(path: string, full: string, stats: Stats): TreeEntry {
  const type = typeOf(stats);
  const xattrs = readXattrs(full);
  return {
    path,
    type,
    mode: stats.mode & 0o7777,
    uid: stats.uid,
    gid: stats.gid,
    size: type === 'file' ? stats.size : 0,
    mtime: stats.mtimeMs,
    ...(type === 'symlink' ? { linkTarget: readlinkSync(full) } : {}),
    ...(type === 'character' || type === 'block' ? { device: deviceParts(BigInt(stats.rdev)) } : {}),
    ...(xattrs.size > 0 ? { xattrs } : {}),
    ...(type === 'file' && stats.nlink > 1 ? { inode: `${stats.dev}:${stats.ino}` } : {}),
  };
}

/** Attributes that belong to the file itself; overlay's bookkeeping does not. */
function readXattrs(path: string): ReadonlyMap<string, Uint8Array> {
  const found = new Map<string, Uint8Array>();
  for (const name of listXattrs(path)) {
    if (!name.startsWith('user.') && name !== 'security.capability') continue;
    const value = getXattr(path, name);
    if (value) found.set(name, value);
  }
  return found;
}
