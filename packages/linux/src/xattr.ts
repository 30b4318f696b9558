import { libc } from './libc.ts';
import { check, checkPath, ERRNO, SyscallError } from './syscall-error.ts';

/** Linux bounds a value to 64 KiB (XATTR_SIZE_MAX) and the list of names to as much. */
const MAX = 65536;

const isErrno = (error: unknown, ...names: readonly ('ENODATA' | 'EOPNOTSUPP' | 'ENOTSUP')[]): boolean =>
  error instanceof SyscallError && names.some((name) => error.errno === ERRNO[name]);

/** The attribute's value, not following a symbolic link; undefined when there is none (or the file system has none). */
export function getXattr(path: string, name: string): Buffer | undefined {
  checkPath(path);
  try {
    const size = check(libc().lgetxattr(path, checkPath(name), null, 0), 'lgetxattr', path);
    const value = Buffer.allocUnsafeSlow(Math.max(size, 1));
    return value.subarray(0, check(libc().lgetxattr(path, name, value, size), 'lgetxattr', path));
  } catch (error) {
    if (isErrno(error, 'ENODATA', 'EOPNOTSUPP', 'ENOTSUP')) return undefined;
    throw error;
  }
}

export function setXattr(path: string, name: string, value: Uint8Array): void {
  checkPath(path);
  check(libc().lsetxattr(path, checkPath(name), value, value.length, 0), 'lsetxattr', `${path} ${name}`);
}

/** Names of all attributes; none where the file system has no attributes. */
export function listXattrs(path: string): readonly string[] {
  checkPath(path);
  const size = libc().llistxattr(path, null, 0);
  if (size === 0) return [];
  try {
    check(size, 'llistxattr', path);
    const names = Buffer.allocUnsafeSlow(MAX);
    const length = check(libc().llistxattr(path, names, MAX), 'llistxattr', path);
    return names
      .toString('utf8', 0, length)
      .split('\0')
      .filter((name) => name !== '');
  } catch (error) {
    if (isErrno(error, 'EOPNOTSUPP', 'ENOTSUP')) return [];
    throw error;
  }
}

/** Removes an attribute; false when it was not there. */
export function removeXattr(path: string, name: string): boolean {
  checkPath(path);
  try {
    check(libc().lremovexattr(path, checkPath(name)), 'lremovexattr', `${path} ${name}`);
    return true;
  } catch (error) {
    if (isErrno(error, 'ENODATA')) return false;
    throw error;
  }
}

/** Sets an attribute through an open descriptor. */
export function setXattrFd(fd: number, name: string, value: Uint8Array): void {
  check(libc().fsetxattr(fd, checkPath(name), value, value.length, 0), 'fsetxattr', name);
}

/** All attributes of an open file. */
export function readXattrsFd(fd: number): ReadonlyMap<string, Buffer> {
  const found = new Map<string, Buffer>();
  const size = libc().flistxattr(fd, null, 0);
  if (size <= 0) return found;
  const buffer = Buffer.allocUnsafeSlow(MAX);
  const length = check(libc().flistxattr(fd, buffer, MAX), 'flistxattr');
  for (const name of buffer
    .toString('utf8', 0, length)
    .split('\0')
    .filter((n) => n !== '')) {
    const got = libc().fgetxattr(fd, name, buffer, MAX);
    if (got >= 0) found.set(name, Buffer.from(buffer.subarray(0, got)));
  }
  return found;
}
