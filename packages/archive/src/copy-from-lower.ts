import { fstatSync, readSync, writeSync } from 'node:fs';
import {
  changeMode,
  changeOwner,
  closeFd,
  getXattr,
  O,
  openAt,
  openBeneath,
  RESOLVE,
  readXattrsFd,
  setTimesFd,
  setXattrFd,
  timespecs,
  tryOpenBeneath,
} from '@berth/linux';

/**
 * Copies a regular file out of the nearest lower layer that has it to `name` in the directory `to`, with all that
 * belongs to it; false when none has. A whiteout or an opaque directory on the way ends the search.
 */
export function copyFromLower(lowers: readonly string[], parts: readonly string[], to: number, name: string): boolean {
  for (const lower of lowers) {
    const root = openBeneath(-100, lower, O.path | O.directory, 0);
    try {
      const fd = tryOpenBeneath(root, parts.join('/'), O.rdonly | O.nonblock | O.nofollow, RESOLVE.inRoot);
      if (fd >= 0) {
        try {
          return copyOpenFile(fd, to, name);
        } finally {
          closeFd(fd);
        }
      }
      if (hides(root, parts)) return false;
    } finally {
      closeFd(root);
    }
  }
  return false;
}

const hides = (root: number, parts: readonly string[]): boolean => {
  for (let n = 1; n <= parts.length; n++) {
    const path = parts.slice(0, n).join('/');
    const fd = tryOpenBeneath(root, path, O.path | O.nofollow, RESOLVE.inRoot);
    if (fd < 0) return false;
    try {
      const stat = fstatSync(fd);
      if (!stat.isDirectory()) return true;
      if (getXattr(`/proc/self/fd/${root}/${path}`, 'trusted.overlay.opaque')?.toString() === 'y') return true;
    } finally {
      closeFd(fd);
    }
  }
  return false;
};

const copyOpenFile = (from: number, dir: number, name: string): boolean => {
  const stat = fstatSync(from, { bigint: true });
  if (!stat.isFile()) return false;
  const to = openAt(dir, name, O.wronly | O.creat | O.excl | O.nofollow, 0o600);
  try {
    const buffer = Buffer.allocUnsafeSlow(1 << 18);
    for (let size = readSync(from, buffer); size > 0; size = readSync(from, buffer))
      for (let at = 0; at < size; ) at += writeSync(to, buffer, at, size - at);
    changeOwner(to, Number(stat.uid), Number(stat.gid));
    changeMode(to, Number(stat.mode) & 0o7777);
    for (const [key, value] of readXattrsFd(from)) if (!key.startsWith('trusted.overlay.')) setXattrFd(to, key, value);
    setTimesFd(to, timespecs(stat.atimeNs, stat.mtimeNs));
    return true;
  } finally {
    closeFd(to);
  }
};
