import type { BigIntStats } from 'node:fs';

const INODE_BITS = 64n;

/**
 * What stays the same when a file is renamed, and is never another file's: inodes are used again once their file is
 * gone, and the time of birth tells those apart. Where the file system keeps none the inode alone must do.
 */
export const identityOf = ({ ino, birthtimeNs }: Pick<BigIntStats, 'ino' | 'birthtimeNs'>): bigint =>
  (birthtimeNs << INODE_BITS) | ino;
