import type { Mount } from './mount-type.ts';

export const MS = {
  rdonly: 0x1,
  nosuid: 0x2,
  nodev: 0x4,
  noexec: 0x8,
  sync: 0x10,
  remount: 0x20,
  mandlock: 0x40,
  dirsync: 0x80,
  noatime: 0x400,
  nodiratime: 0x800,
  bind: 0x1000,
  move: 0x2000,
  rec: 0x4000,
  silent: 0x8000,
  unbindable: 1 << 17,
  private: 1 << 18,
  slave: 1 << 19,
  shared: 1 << 20,
  relatime: 1 << 21,
  strictatime: 1 << 24,
  lazytime: 1 << 25,
} as const;

const SET: Readonly<Record<string, number>> = {
  ro: MS.rdonly,
  nosuid: MS.nosuid,
  nodev: MS.nodev,
  noexec: MS.noexec,
  sync: MS.sync,
  remount: MS.remount,
  mand: MS.mandlock,
  dirsync: MS.dirsync,
  noatime: MS.noatime,
  nodiratime: MS.nodiratime,
  bind: MS.bind,
  rbind: MS.bind | MS.rec,
  relatime: MS.relatime,
  strictatime: MS.strictatime,
  lazytime: MS.lazytime,
};

const CLEAR: Readonly<Record<string, number>> = {
  defaults: 0,
  rw: MS.rdonly,
  suid: MS.nosuid,
  dev: MS.nodev,
  exec: MS.noexec,
  async: MS.sync,
  atime: MS.noatime,
  diratime: MS.nodiratime,
};

const PROPAGATION: Readonly<Record<string, number>> = {
  private: MS.private,
  rprivate: MS.private | MS.rec,
  slave: MS.slave,
  rslave: MS.slave | MS.rec,
  shared: MS.shared,
  rshared: MS.shared | MS.rec,
  unbindable: MS.unbindable,
  runbindable: MS.unbindable | MS.rec,
};

export interface ParsedOptions {
  readonly flags: number;
  /** Propagation changes, each a mount call of its own. */
  readonly propagation: readonly number[];
  /** Options for the file system itself. */
  readonly data: readonly string[];
}

/** Splits fstab-style options into mount(2) flags, propagation and file system data. */
export function parseMountOptions(mount: Mount): ParsedOptions {
  let flags = mount.type === 'bind' ? MS.bind : 0;
  const propagation: number[] = [];
  const data: string[] = [];
  for (const option of mount.options) {
    const set = SET[option];
    const clear = CLEAR[option];
    const propagate = PROPAGATION[option];
    if (set !== undefined) flags |= set;
    else if (clear !== undefined) flags &= ~clear;
    else if (propagate !== undefined) propagation.push(propagate);
    else if (option !== '') data.push(option);
  }
  return { flags, propagation, data };
}
