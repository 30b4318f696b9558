import { createRequire } from 'node:module';
import { memoize } from './memoize.ts';

/** A C string or memory: a JavaScript string is passed as UTF-8 with a closing NUL, a buffer as it is. */
export type Memory = string | NodeJS.ArrayBufferView | null;

/** Strings closed by null, as a program's arguments. */
type Words = readonly (string | null)[];

type Call<A extends readonly unknown[]> = (...args: A) => number;
type Fd = number;

/** The libc functions Berth calls. All return -1 on failure and set errno. */
export interface Libc {
  errno(): number;
  mount: Call<[source: Memory, target: Memory, type: Memory, flags: number, data: Memory]>;
  umount2: Call<[target: Memory, flags: number]>;
  umount2Async(target: string, flags: number, done: (error: unknown, result: number) => void): void;
  fsopen: Call<[nr: number, type: Memory, flags: number]>;
  fsconfig: Call<[nr: number, fd: Fd, command: number, key: Memory, value: Memory, aux: number]>;
  fsmount: Call<[nr: number, fd: Fd, flags: number, attributes: number]>;
  moveMount: Call<[nr: number, fromFd: Fd, from: Memory, toFd: Fd, to: Memory, flags: number]>;
  lgetxattr: Call<[path: Memory, name: Memory, value: Memory, size: number]>;
  lsetxattr: Call<[path: Memory, name: Memory, value: Memory, size: number, flags: number]>;
  llistxattr: Call<[path: Memory, list: Memory, size: number]>;
  lremovexattr: Call<[path: Memory, name: Memory]>;
  fgetxattr: Call<[fd: Fd, name: Memory, value: Memory, size: number]>;
  flistxattr: Call<[fd: Fd, list: Memory, size: number]>;
  fsetxattr: Call<[fd: Fd, name: Memory, value: Memory, size: number, flags: number]>;
  openat: Call<[dir: Fd, path: Memory, flags: number, mode: number]>;
  openat2: Call<[nr: number, dir: Fd, path: Memory, how: Memory, size: number]>;
  mkdirat: Call<[dir: Fd, path: Memory, mode: number]>;
  mknodat: Call<[dir: Fd, path: Memory, mode: number, device: bigint]>;
  symlinkat: Call<[target: Memory, dir: Fd, path: Memory]>;
  readlinkat: Call<[dir: Fd, path: Memory, buffer: Memory, size: number]>;
  linkat: Call<[fromDir: Fd, from: Memory, toDir: Fd, to: Memory, flags: number]>;
  unlinkat: Call<[dir: Fd, path: Memory, flags: number]>;
  renameat2: Call<[fromDir: Fd, from: Memory, toDir: Fd, to: Memory, flags: number]>;
  fchownat: Call<[dir: Fd, path: Memory, uid: number, gid: number, flags: number]>;
  fchmodat: Call<[dir: Fd, path: Memory, mode: number, flags: number]>;
  utimensat: Call<[dir: Fd, path: Memory, times: Memory, flags: number]>;
  statx: Call<[dir: Fd, path: Memory, flags: number, mask: number, into: Memory]>;
  fchown: Call<[fd: Fd, uid: number, gid: number]>;
  fchmod: Call<[fd: Fd, mode: number]>;
  futimens: Call<[fd: Fd, times: Memory]>;
  close: Call<[fd: Fd]>;
  lseek: Call<[fd: Fd, offset: number, whence: number]>;
  fallocate: Call<[fd: Fd, mode: number, offset: number, length: number]>;
  flock: Call<[fd: Fd, operation: number]>;
  dup3: Call<[from: Fd, to: Fd, flags: number]>;
  pipe2: Call<[fds: Memory, flags: number]>;
  fcntl: Call<[fd: Fd, command: number, argument: number]>;
  ioctl: Call<[fd: Fd, request: number, into: Memory]>;
  unshare: Call<[flags: number]>;
  setns: Call<[fd: Fd, type: number]>;
  socket: Call<[domain: number, type: number, protocol: number]>;
  socketpair: Call<[domain: number, type: number, protocol: number, fds: Memory]>;
  bind: Call<[fd: Fd, address: Memory, size: number]>;
  connect: Call<[fd: Fd, address: Memory, size: number]>;
  listen: Call<[fd: Fd, backlog: number]>;
  accept4: Call<[fd: Fd, address: Memory, size: Memory, flags: number]>;
  setsockopt: Call<[fd: Fd, level: number, option: number, value: Memory, size: number]>;
  prctl: Call<[option: number, a: number, b: number, c: number, d: number]>;
  prctlName: Call<[option: number, name: Memory, b: number, c: number, d: number]>;
  pidfdOpen: Call<[nr: number, pid: number, flags: number]>;
  pidfdSendSignal: Call<[nr: number, fd: Fd, signal: number, info: Memory, flags: number]>;
  umask: Call<[mask: number]>;
  mallocTrim: Call<[keep: number]>;
  waitpid: Call<[pid: number, status: Memory, flags: number]>;
  /** The functions of posix_spawn return an errno, or 0. */
  posixSpawn: Call<[pid: Memory, file: Memory, actions: Memory, attributes: Memory, args: Words, environment: Words]>;
  spawnActionsInit: Call<[actions: Memory]>;
  spawnActionsDestroy: Call<[actions: Memory]>;
  spawnActionsDup2: Call<[actions: Memory, from: Fd, to: Fd]>;
  spawnActionsOpen: Call<[actions: Memory, fd: Fd, path: Memory, flags: number, mode: number]>;
  spawnActionsChdir: Call<[actions: Memory, path: Memory]>;
  spawnAttributesInit: Call<[attributes: Memory]>;
  spawnAttributesDestroy: Call<[attributes: Memory]>;
  spawnAttributesFlags: Call<[attributes: Memory, flags: number]>;
  spawnAttributesMask: Call<[attributes: Memory, signals: Memory]>;
  spawnAttributesDefault: Call<[attributes: Memory, signals: Memory]>;
}

/** Numbers of system calls without a libc wrapper everywhere; the same on every architecture. */
export const SYS = {
  pidfdSendSignal: 424,
  moveMount: 429,
  fsopen: 430,
  fsconfig: 431,
  fsmount: 432,
  pidfdOpen: 434,
  openat2: 437,
} as const;

const load = (): Libc => {
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
  const library = koffi.load('libc.so.6');
  const define =
    (result: string) =>
    (name: string, ...args: string[]) =>
      library.func(name, result, args);
  const int = define('int');
  const long = define('int64_t');
  const p = 'const void*';
  const out = 'void*';
  const u = 'uint32_t';
  const ul = 'uint64_t';
  const words = 'const char**';
  const umount2 = int('umount2', p, 'int');
  const functions = {
    errno: () => koffi.errno(),
    mount: int('mount', p, p, p, ul, p),
    umount2,
    umount2Async: umount2.async,
    fsopen: long('syscall', 'long', p, u),
    fsconfig: long('syscall', 'long', 'int', u, p, p, 'int'),
    fsmount: long('syscall', 'long', 'int', u, u),
    moveMount: long('syscall', 'long', 'int', p, 'int', p, u),
    lgetxattr: long('lgetxattr', p, p, out, ul),
    lsetxattr: int('lsetxattr', p, p, p, ul, 'int'),
    llistxattr: long('llistxattr', p, out, ul),
    lremovexattr: int('lremovexattr', p, p),
    fgetxattr: long('fgetxattr', 'int', p, out, ul),
    flistxattr: long('flistxattr', 'int', out, ul),
    fsetxattr: int('fsetxattr', 'int', p, p, ul, 'int'),
    openat: int('openat', 'int', p, 'int', u),
    openat2: long('syscall', 'long', 'int', p, p, ul),
    mkdirat: int('mkdirat', 'int', p, u),
    mknodat: int('mknodat', 'int', p, u, ul),
    symlinkat: int('symlinkat', p, 'int', p),
    readlinkat: long('readlinkat', 'int', p, out, ul),
    linkat: int('linkat', 'int', p, 'int', p, 'int'),
    unlinkat: int('unlinkat', 'int', p, 'int'),
    renameat2: int('renameat2', 'int', p, 'int', p, u),
    fchownat: int('fchownat', 'int', p, u, u, 'int'),
    fchmodat: int('fchmodat', 'int', p, u, 'int'),
    utimensat: int('utimensat', 'int', p, p, 'int'),
    statx: int('statx', 'int', p, 'int', u, out),
    fchown: int('fchown', 'int', u, u),
    fchmod: int('fchmod', 'int', u),
    futimens: int('futimens', 'int', p),
    close: int('close', 'int'),
    lseek: long('lseek', 'int', 'int64_t', 'int'),
    fallocate: int('fallocate', 'int', 'int', 'int64_t', 'int64_t'),
    flock: int('flock', 'int', 'int'),
    dup3: int('dup3', 'int', 'int', 'int'),
    pipe2: int('pipe2', out, 'int'),
    fcntl: int('fcntl', 'int', 'int', 'long'),
    ioctl: int('ioctl', 'int', ul, out),
    unshare: int('unshare', 'int'),
    setns: int('setns', 'int', 'int'),
    socket: int('socket', 'int', 'int', 'int'),
    socketpair: int('socketpair', 'int', 'int', 'int', out),
    bind: int('bind', 'int', p, u),
    connect: int('connect', 'int', p, u),
    listen: int('listen', 'int', 'int'),
    accept4: int('accept4', 'int', p, p, 'int'),
    setsockopt: int('setsockopt', 'int', 'int', 'int', p, u),
    prctl: int('prctl', 'int', ul, ul, ul, ul),
    prctlName: int('prctl', 'int', p, ul, ul, ul),
    pidfdOpen: long('syscall', 'long', 'int', u),
    pidfdSendSignal: long('syscall', 'long', 'int', 'int', p, u),
    umask: int('umask', u),
    mallocTrim: int('malloc_trim', ul),
    waitpid: int('waitpid', 'int', out, 'int'),
    posixSpawn: int('posix_spawnp', out, p, p, p, words, words),
    spawnActionsInit: int('posix_spawn_file_actions_init', out),
    spawnActionsDestroy: int('posix_spawn_file_actions_destroy', out),
    spawnActionsDup2: int('posix_spawn_file_actions_adddup2', out, 'int', 'int'),
    spawnActionsOpen: int('posix_spawn_file_actions_addopen', out, 'int', p, 'int', u),
    spawnActionsChdir: int('posix_spawn_file_actions_addchdir_np', out, p),
    spawnAttributesInit: int('posix_spawnattr_init', out),
    spawnAttributesDestroy: int('posix_spawnattr_destroy', out),
    spawnAttributesFlags: int('posix_spawnattr_setflags', out, 'int16_t'),
    spawnAttributesMask: int('posix_spawnattr_setsigmask', out, p),
    spawnAttributesDefault: int('posix_spawnattr_setsigdefault', out, p),
  };
  return functions as unknown as Libc;
};

/** libc, loaded at the first call: importing this package must stay cheap for those who make no system call. */
export const libc: () => Libc = memoize(load);
