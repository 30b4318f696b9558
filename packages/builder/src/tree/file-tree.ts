/** One entry of a tree of files. Paths are relative to the tree's root, slash-separated, `''` the root itself. */
export interface TreeEntry {
  readonly path: string;
  readonly type: 'file' | 'directory' | 'symlink' | 'fifo' | 'character' | 'block' | 'socket';
  /** Permission bits including setuid, setgid, sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes, for files. */
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly mtime: number;
  readonly linkTarget?: string;
  /** Device numbers. */
  readonly device?: { readonly major: number; readonly minor: number };
  readonly xattrs?: ReadonlyMap<string, Uint8Array>;
  /** Entries with the same value are names of one file. */
  readonly inode?: string;
}

/** A tree to copy from: a received context, a mounted stage, files of a here-document. */
export interface FileTree {
  /** The entry at the path. Symbolic links on the way are followed inside the tree; the last one when `follow`. */
  lookup(path: string, options?: { readonly follow?: boolean }): TreeEntry | undefined;
  /** Names of a directory's entries, sorted. */
  names(directory: TreeEntry): readonly string[];
  /** Digest of a file's bytes. */
  contentDigest(file: TreeEntry): Promise<string>;
  /** The file's bytes to an open descriptor. */
  copyTo(file: TreeEntry, descriptor: number): Promise<void>;
  /** The first bytes, to tell what kind of file it is. */
  head(file: TreeEntry, length: number): Promise<Uint8Array>;
  stream(file: TreeEntry): AsyncIterable<Uint8Array>;
}

export function joinPath(directory: string, name: string): string {
  return directory === '' ? name : `${directory}/${name}`;
}

export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** Resolves `.` and `..`, never above the root; no leading or trailing slash. */
export function cleanRelative(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..') parts.pop();
    else parts.push(part);
  }
  return parts.join('/');
}
