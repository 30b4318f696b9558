export type EntryType = 'file' | 'directory' | 'symlink' | 'link' | 'char' | 'block' | 'fifo';

/** One member of a tar archive, its extensions (pax, GNU) already merged in. */
export interface TarEntry {
  /** As in the archive: may be absolute, hold `..`, end in `/`. */
  readonly name: string;
  readonly type: EntryType;
  /** Target of a symbolic or hard link. */
  readonly linkName: string;
  /** Permission bits with setuid, setgid and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Size of the file, holes included. */
  readonly size: number;
  readonly mtime: Timestamp;
  readonly major: number;
  readonly minor: number;
  readonly xattrs: ReadonlyMap<string, Buffer> | undefined;
  /** Parts that hold data, for a sparse file: its data in the archive are these one after the other. */
  readonly sparse: readonly SparseRange[] | undefined;
}

export interface Timestamp {
  /** Seconds since the epoch, may be negative. */
  readonly seconds: number;
  /** 0 to 999,999,999. */
  readonly nanos: number;
}

export interface SparseRange {
  readonly offset: number;
  readonly length: number;
}
