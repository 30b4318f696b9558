import { libc, SYS } from './libc.ts';
import { check, checkPath, ERRNO, SyscallError } from './syscall-error.ts';

/*
 * Calls relative to an open directory, for creating entries from hostile input: names are resolved once, by `openat2`
 * under a rule, and entries are then made by one-component names below the descriptor, where nothing can redirect them.
 */

export const AT_FDCWD = -100;
export const AT_SYMLINK_NOFOLLOW = 0x100;
export const AT_REMOVEDIR = 0x200;
export const AT_SYMLINK_FOLLOW = 0x400;
export const AT_EMPTY_PATH = 0x1000;

const isArm = process.arch === 'arm64';
/** open(2) flags; three of them differ between architectures, which `fs.constants` knows only in part. */
export const O = {
  rdonly: 0,
  wronly: 1,
  rdwr: 2,
  creat: 0o100,
  excl: 0o200,
  trunc: 0o1000,
  append: 0o2000,
  nonblock: 0o4000,
  directory: isArm ? 0o40000 : 0o200000,
  nofollow: isArm ? 0o100000 : 0o400000,
  cloexec: 0o2000000,
  path: 0o10000000,
} as const;

/** openat2(2) resolve flags. */
export const RESOLVE = {
  noXdev: 1,
  noMagiclinks: 2,
  noSymlinks: 4,
  beneath: 8,
  inRoot: 16,
} as const;

const EAGAIN_TRIES = 128;

/**
 * openat2(2): opens `path` below `dir`. With `RESOLVE.inRoot` the directory is the root for `..`, absolute paths and
 * symbolic links, as chroot would have it. Returns a descriptor the caller closes.
 */
export function openBeneath(dir: number, path: string, flags: number, resolve: number, mode = 0): number {
  const fd = tryOpenBeneath(dir, path, flags, resolve, mode);
  if (fd >= 0) return fd;
  throw new SyscallError('openat2', -fd, path);
}

/** {@link openBeneath} returning a negative errno instead of throwing, for callers that expect failures. */
export function tryOpenBeneath(dir: number, path: string, flags: number, resolve: number, mode = 0): number {
  const how = new BigUint64Array([BigInt(flags | O.cloexec), BigInt(mode), BigInt(resolve | RESOLVE.noMagiclinks)]);
  checkPath(path);
  for (let tries = 0; ; tries++) {
    const fd = libc().openat2(SYS.openat2, dir, path, how, 24);
    if (fd >= 0) return fd;
    const errno = libc().errno();
    // A rename elsewhere on the system while resolving `..`: the kernel asks to try again.
    if (errno !== ERRNO.EAGAIN || tries === EAGAIN_TRIES) return -errno;
  }
}

export function openAt(dir: number, name: string, flags: number, mode = 0): number {
  return check(libc().openat(dir, checkPath(name), flags | O.cloexec, mode), 'openat', name);
}

export function makeDirectoryAt(dir: number, name: string, mode: number): void {
  check(libc().mkdirat(dir, checkPath(name), mode), 'mkdirat', name);
}

/** `mode` holds the file type bits (S_IFCHR, S_IFBLK, S_IFIFO) and the permissions. */
export function makeNodeAt(dir: number, name: string, mode: number, device: bigint = 0n): void {
  check(libc().mknodat(dir, checkPath(name), mode, device), 'mknodat', name);
}

export function makeNode(path: string, mode: number, device: bigint = 0n): void {
  makeNodeAt(AT_FDCWD, path, mode, device);
}

export function makeFifo(path: string, mode: number): void {
  makeNodeAt(AT_FDCWD, path, 0o010000 | mode);
}

export function symlinkAt(target: string, dir: number, name: string): void {
  check(libc().symlinkat(checkPath(target), dir, checkPath(name)), 'symlinkat', name);
}

export function linkAt(fromDir: number, from: string, toDir: number, to: string, flags = 0): void {
  check(libc().linkat(fromDir, checkPath(from), toDir, checkPath(to), flags), 'linkat', `${from} ${to}`);
}

/** Makes a new name for the open file `fd`. */
export function linkDescriptor(fd: number, toDir: number, to: string): void {
  linkAt(AT_FDCWD, `/proc/self/fd/${fd}`, toDir, to, AT_SYMLINK_FOLLOW);
}

export function unlinkAt(dir: number, name: string, options: { readonly directory?: boolean } = {}): void {
  check(libc().unlinkat(dir, checkPath(name), options.directory ? AT_REMOVEDIR : 0), 'unlinkat', name);
}

export const RENAME = { noReplace: 1, exchange: 2, whiteout: 4 } as const;

/** renameat2(2) with plain paths, e.g. `RENAME.exchange` to swap two directories atomically. */
export function rename2(from: string, to: string, flags: number): void {
  check(libc().renameat2(AT_FDCWD, checkPath(from), AT_FDCWD, checkPath(to), flags), 'renameat2', `${from} ${to}`);
}

/** Owner of the entry itself, also of a symbolic link. */
export function changeOwnerAt(dir: number, name: string, uid: number, gid: number): void {
  check(libc().fchownat(dir, checkPath(name), uid, gid, AT_SYMLINK_NOFOLLOW), 'fchownat', name);
}

/** Permissions of an entry that the caller knows is no symbolic link. */
export function changeModeAt(dir: number, name: string, mode: number): void {
  check(libc().fchmodat(dir, checkPath(name), mode, 0), 'fchmodat', name);
}

const NANO = 1_000_000_000n;

/** A struct timespec pair for utimensat: access and modification time in nanoseconds since the epoch. */
export function timespecs(atimeNs: bigint, mtimeNs: bigint): BigInt64Array {
  const seconds = (ns: bigint): bigint => (ns - nanos(ns)) / NANO;
  const nanos = (ns: bigint): bigint => ((ns % NANO) + NANO) % NANO;
  return new BigInt64Array([seconds(atimeNs), nanos(atimeNs), seconds(mtimeNs), nanos(mtimeNs)]);
}

/** Times of the entry itself, also of a symbolic link. */
export function setTimesAt(dir: number, name: string, times: BigInt64Array): void {
  check(libc().utimensat(dir, checkPath(name), times, AT_SYMLINK_NOFOLLOW), 'utimensat', name);
}

export function setTimes(path: string, atimeNs: bigint, mtimeNs: bigint): void {
  setTimesAt(AT_FDCWD, path, timespecs(atimeNs, mtimeNs));
}

/** Numbers as makedev(3) packs them. */
export function deviceNumber(major: number, minor: number): bigint {
  const [a, b] = [BigInt(major), BigInt(minor)];
  return ((a & 0xfffff000n) << 32n) | ((a & 0xfffn) << 8n) | ((b & 0xffffff00n) << 12n) | (b & 0xffn);
}

export function deviceParts(device: bigint): { readonly major: number; readonly minor: number } {
  return {
    major: Number(((device >> 32n) & 0xfffff000n) | ((device >> 8n) & 0xfffn)),
    minor: Number(((device >> 12n) & 0xffffff00n) | (device & 0xffn)),
  };
}

/** Permissions of an open file; unlike `fs.fchmodSync` it costs no more than the call. */
export function changeMode(fd: number, mode: number): void {
  check(libc().fchmod(fd, mode), 'fchmod');
}

export function changeOwner(fd: number, uid: number, gid: number): void {
  check(libc().fchown(fd, uid, gid), 'fchown');
}

/** Times of an open file, see {@link timespecs}. */
export function setTimesFd(fd: number, times: BigInt64Array): void {
  check(libc().futimens(fd, times), 'futimens');
}

export function closeFd(fd: number): void {
  libc().close(fd);
}

/** The target of a symbolic link, or undefined when the entry is none. */
export function readLinkAt(dir: number, name: string): string | undefined {
  const buffer = Buffer.allocUnsafeSlow(4096);
  const length = libc().readlinkat(dir, checkPath(name), buffer, buffer.length);
  return length < 0 ? undefined : buffer.toString('utf8', 0, length);
}

/** A pipe whose ends are closed on exec; both block. */
export function makePipe(): { readonly read: number; readonly write: number } {
  const fds = new Int32Array(2);
  check(libc().pipe2(fds, O.cloexec), 'pipe2');
  const [read = -1, write = -1] = fds;
  return { read, write };
}

const F_SETPIPE_SZ = 1031;

/** Asks for a larger pipe; the limit of unprivileged pipes may keep it as it is. */
export function setPipeSize(fd: number, bytes: number): void {
  libc().fcntl(fd, F_SETPIPE_SZ, bytes);
}
