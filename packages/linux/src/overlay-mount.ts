import { closeSync, constants, openSync } from 'node:fs';
import { invalid } from '@berth/base';
import { libc, SYS } from './libc.ts';
import { MS } from './mount-flags.ts';
import { check, checkPath, ERRNO, SyscallError } from './syscall-error.ts';

const FSOPEN_CLOEXEC = 1;
const FSMOUNT_CLOEXEC = 1;
const MOVE_MOUNT_F_EMPTY_PATH = 4;
const AT_FDCWD = -100;
const FSCONFIG = { flag: 0, string: 1, create: 6 } as const;
/** fsconfig(2) takes values of at most 256 bytes, NUL included. */
const MAX_VALUE = 255;

const MOUNT_ATTR: readonly (readonly [ms: number, attr: number])[] = [
  [MS.rdonly, 0x1],
  [MS.nosuid, 0x2],
  [MS.nodev, 0x4],
  [MS.noexec, 0x8],
  [MS.noatime, 0x10],
  [MS.strictatime, 0x20],
  [MS.nodiratime, 0x80],
];

/** Short names for directories: `/proc/self/fd/N` stands for the directory until disposed. */
class ShortNames implements Disposable {
  readonly #fds: number[] = [];

  of(path: string): string {
    const fd = openSync(path, 0o10000000 /* O_PATH */ | constants.O_DIRECTORY);
    this.#fds.push(fd);
    return `/proc/self/fd/${fd}`;
  }

  [Symbol.dispose](): void {
    for (const fd of this.#fds.splice(0)) closeSync(fd);
  }
}

/** Splits `lowerdir=a:b\:c` into its directories. */
export function splitLowerDirs(value: string): readonly string[] {
  const parts: string[] = [''];
  for (let i = 0; i < value.length; i++) {
    const char = value[i] ?? '';
    if (char === '\\' && i + 1 < value.length) parts[parts.length - 1] += value[++i] ?? '';
    else if (char === ':') parts.push('');
    else parts[parts.length - 1] += char;
  }
  return parts.filter((part) => part !== '');
}

const configure = (fd: number, command: number, key: string | null, value: string | null): void => {
  check(libc().fsconfig(SYS.fsconfig, fd, command, key, value, 0), 'fsconfig', `overlay ${key ?? 'create'}`);
};

const setPath = (fd: number, key: string, path: string, names: ShortNames): void => {
  const value = Buffer.byteLength(path) > MAX_VALUE ? names.of(path) : path;
  configure(fd, FSCONFIG.string, key, checkPath(value));
};

const setOption = (fd: number, option: string, names: ShortNames): void => {
  const at = option.indexOf('=');
  const key = at < 0 ? option : option.slice(0, at);
  const value = option.slice(at + 1);
  if (at < 0) configure(fd, FSCONFIG.flag, key, null);
  else if (key === 'lowerdir') for (const path of splitLowerDirs(value)) setPath(fd, 'lowerdir+', path, names);
  else if (key === 'upperdir' || key === 'workdir') setPath(fd, key, value, names);
  else configure(fd, FSCONFIG.string, key, value);
};

const viaNewCalls = (source: string, target: string, flags: number, data: readonly string[]): void => {
  const c = libc();
  using names = new ShortNames();
  const fs = check(c.fsopen(SYS.fsopen, 'overlay', FSOPEN_CLOEXEC), 'fsopen', 'overlay');
  try {
    configure(fs, FSCONFIG.string, 'source', source);
    for (const option of data) setOption(fs, option, names);
    configure(fs, FSCONFIG.create, null, null);
    const attributes = MOUNT_ATTR.reduce((sum, [ms, attr]) => ((flags & ms) !== 0 ? sum | attr : sum), 0);
    const mount = check(c.fsmount(SYS.fsmount, fs, FSMOUNT_CLOEXEC, attributes), 'fsmount', target);
    try {
      check(c.moveMount(SYS.moveMount, mount, '', AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH), 'move_mount', target);
    } finally {
      closeSync(mount);
    }
  } finally {
    closeSync(fs);
  }
};

/** For kernels before 6.8, which cannot take lower directories one at a time: shorten their names instead. */
const viaShortNames = (source: string, target: string, flags: number, data: readonly string[]): void => {
  using names = new ShortNames();
  const shorten = (option: string): string => {
    const [key = '', value = ''] = option.split(/=(.*)/s);
    if (key === 'lowerdir')
      return `lowerdir=${splitLowerDirs(value)
        .map((path) => names.of(path))
        .join(':')}`;
    return key === 'upperdir' || key === 'workdir' ? `${key}=${names.of(value)}` : option;
  };
  const text = data.map(shorten).join(',');
  if (Buffer.byteLength(text) > 4095) throw invalid(`too many lower directories for this kernel to mount on ${target}`);
  check(libc().mount(source, target, 'overlay', flags, text), 'mount', `overlay on ${target}`);
};

/** Mounts an overlay whose option string is longer than the page mount(2) accepts. */
export function mountOverlayPiecewise(source: string, target: string, flags: number, data: readonly string[]): void {
  try {
    viaNewCalls(source, target, flags, data);
  } catch (error) {
    const unsupported = error instanceof SyscallError && (error.errno === ERRNO.ENOSYS || error.errno === ERRNO.EINVAL);
    if (!unsupported) throw error;
    viaShortNames(source, target, flags, data);
  }
}
