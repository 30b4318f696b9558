import { mkdtempSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { libc } from './libc.ts';
import { MS, parseMountOptions } from './mount-flags.ts';
import { mountsUnder } from './mount-info.ts';
import type { Mount } from './mount-type.ts';
import { mountOverlayPiecewise } from './overlay-mount.ts';
import { check, checkPath, ERRNO, SyscallError } from './syscall-error.ts';

/** mount(2) takes at most one page of options, the closing NUL included. */
const MAX_DATA = 4095;
const MNT_DETACH = 2;
const UMOUNT_NOFOLLOW = 8;

const mountOne = (mount: Mount, target: string): void => {
  const { flags, propagation, data } = parseMountOptions(mount);
  const subject = `${mount.type} on ${target}`;
  const text = checkPath(data.join(','));
  const source = checkPath(mount.source);
  if (mount.type === 'overlay' && Buffer.byteLength(text) > MAX_DATA) {
    mountOverlayPiecewise(mount.source, target, flags, data);
  } else {
    const isBind = (flags & MS.bind) !== 0;
    const first = isBind ? flags & (MS.bind | MS.rec) : flags;
    check(libc().mount(source, target, mount.type, first, text === '' ? null : text), 'mount', subject);
    // A bind ignores every other flag at first; only a remount of the bind makes it read-only and such.
    const rest = flags & ~(MS.bind | MS.rec);
    if (isBind && rest !== 0) remountBind(target, rest, subject);
  }
  for (const change of propagation) setPropagation(target, change);
};

const remountBind = (target: string, flags: number, subject: string): void => {
  try {
    check(libc().mount(null, target, null, MS.remount | MS.bind | flags, null), 'remount', subject);
  } catch (error) {
    libc().umount2(target, MNT_DETACH | UMOUNT_NOFOLLOW);
    throw error;
  }
};

const setPropagation = (target: string, flags: number): void => {
  check(libc().mount(null, target, null, flags, null), 'mount (propagation)', target);
};

/**
 * Performs `mounts` in order on `target`, an existing directory (or file, for a bind of a file). When one fails those
 * made before it are undone. Overlays with more options than a page are mounted through the newer mount calls.
 * Throws {@link SyscallError}.
 */
export function mountAll(mounts: readonly Mount[], target: string): void {
  checkPath(target);
  let made = 0;
  try {
    for (const mount of mounts) {
      mountOne(mount, target);
      made++;
    }
  } catch (error) {
    for (; made > 0; made--) libc().umount2(target, MNT_DETACH | UMOUNT_NOFOLLOW);
    throw error;
  }
}

export function bindMount(
  source: string,
  target: string,
  options: { readonly readOnly?: boolean; readonly recursive?: boolean } = {},
): void {
  const flags = [options.recursive ? 'rbind' : 'bind', ...(options.readOnly ? ['ro'] : [])];
  mountAll([{ type: 'bind', source, options: flags }], target);
}

/** Changes how mounts propagate into and out of `target`: `private`, `rprivate`, `rslave`, `rshared`, ... */
export function setMountPropagation(target: string, propagation: Propagation): void {
  const { propagation: changes } = parseMountOptions({ type: 'none', source: 'none', options: [propagation] });
  for (const change of changes) setPropagation(checkPath(target), change);
}

export type Propagation = `${'' | 'r'}${'private' | 'slave' | 'shared' | 'unbindable'}`;

export interface UnmountOptions {
  /** Take it out of sight now and let it go when no longer busy (MNT_DETACH). */
  readonly detach?: boolean;
  /** Everything mounted below as well. */
  readonly recursive?: boolean;
}

const isNotMounted = (error: unknown): boolean =>
  error instanceof SyscallError && (error.errno === ERRNO.EINVAL || error.errno === ERRNO.ENOENT);

const flagsOf = (options: UnmountOptions): number => UMOUNT_NOFOLLOW | (options.detach ? MNT_DETACH : 0);

const unmountOne = (target: string, flags: number): boolean => {
  try {
    check(libc().umount2(checkPath(target), flags), 'umount', target);
    return true;
  } catch (error) {
    if (isNotMounted(error)) return false;
    throw error;
  }
};

const isBusy = (error: unknown): boolean => error instanceof SyscallError && error.errno === ERRNO.EBUSY;

/** What lies at one place several times over is unmounted as often. */
const unmountAllAt = (target: string, flags: number): boolean => {
  let any = false;
  while (unmountOne(target, flags)) any = true;
  return any;
};

/** Only asked when the simple ways have failed: the list is of all mounts of the host. */
const unmountUnder = (target: string, flags: number): boolean =>
  mountsUnder(checkPath(target))
    .map((at) => unmountOne(at, flags))
    .some(Boolean);

/**
 * Unmounts `target`; false when nothing was mounted there (or it does not exist). Throws `conflict` (EBUSY).
 * Blocks while the file system is flushed: prefer {@link unmount} in the daemon's own thread.
 */
export function unmountSync(target: string, options: UnmountOptions = {}): boolean {
  const flags = flagsOf(options);
  if (!options.recursive) return unmountOne(target, flags);
  try {
    // a detached mount takes those below with it, and one that is not busy has none
    if (unmountAllAt(target, flags)) return true;
  } catch (error) {
    if (!isBusy(error)) throw error;
  }
  return unmountUnder(target, flags);
}

/** {@link unmountSync} on a thread of libuv's pool, so that flushing a file system does not stop the event loop. */
export async function unmount(target: string, options: UnmountOptions = {}): Promise<boolean> {
  const result = await new Promise<number>((resolve, reject) => {
    libc().umount2Async(checkPath(target), flagsOf(options), (error, code) =>
      error ? reject(error as Error) : resolve(code),
    );
  });
  if (result !== 0) return unmountSync(target, options); // errno belongs to the thread that failed
  if (options.recursive) unmountAllAt(target, flagsOf(options));
  return true;
}

/**
 * Mounts on a new directory below `parent` for as long as `work` runs; unmounts and removes the directory whatever
 * happens. With no mounts `work` gets an empty directory.
 */
export async function withMounts<T>(
  mounts: readonly Mount[],
  parent: string,
  work: (path: string) => Promise<T>,
): Promise<T> {
  const path = mkdtempSync(join(parent, 'mnt-'));
  try {
    mountAll(mounts, path);
    try {
      return await work(path);
    } finally {
      await unmountWhenFree(path);
    }
  } finally {
    rmdirSync(path);
  }
}

const unmountWhenFree = async (path: string): Promise<void> => {
  try {
    await unmount(path, { recursive: true });
  } catch {
    await unmount(path, { recursive: true, detach: true });
  }
};
