import { lstatSync, readdirSync, rmdirSync, rmSync, type Stats, utimesSync } from 'node:fs';
import { type Rootfs, statOf } from './rootfs.ts';

const ALWAYS = ['/proc', '/dev', '/sys', '/etc/resolv.conf', '/etc/hosts', '/etc/hostname'];

/**
 * The runtime makes empty files and directories to mount on where the root file system has none. They are not the
 * step's doing and must not end up in its layer: this notes what was missing and takes it away afterwards, as far as it
 * is still empty.
 */
export class MountPoints {
  readonly #rootfs: Rootfs;
  readonly #missing = new Set<string>();
  readonly #parents = new Map<string, Stats>();

  constructor(rootfs: Rootfs) {
    this.#rootfs = rootfs;
    this.note(ALWAYS);
  }

  note(paths: readonly string[]): void {
    for (const path of paths) {
      let full = this.#rootfs.resolve(path);
      while (full.length > this.#rootfs.root.length && !statOf(full)) {
        this.#missing.add(full);
        full = full.slice(0, full.lastIndexOf('/'));
        const stats = statOf(full);
        if (stats) this.#parents.set(full, stats);
      }
    }
  }

  /** After the process has ended, while the file system is still mounted. */
  removeAdded(): void {
    const deepestFirst = [...this.#missing].sort((a, b) => b.length - a.length);
    let removed = false;
    for (const path of deepestFirst) removed = removeIfEmpty(path) || removed;
    if (removed)
      for (const [path, stats] of this.#parents)
        if (statOf(path)?.isDirectory()) utimesSync(path, stats.atimeMs / 1000, stats.mtimeMs / 1000);
  }

  /** Takes directories that were only copied up, and hold nothing, out of an overlay's upper directory. */
  forgetUntouched(upper: string | undefined): void {
    if (upper === undefined) return;
    for (const [path, before] of this.#parents) {
      const relative = path.slice(this.#rootfs.root.length);
      if (relative === '') continue;
      const stats = statOf(`${upper}${relative}`);
      if (!stats?.isDirectory() || !sameDirectory(stats, before)) continue;
      if (readdirSync(`${upper}${relative}`).length === 0) rmdirSync(`${upper}${relative}`);
    }
  }
}

function sameDirectory(a: Stats, b: Stats): boolean {
  return a.mode === b.mode && a.uid === b.uid && a.gid === b.gid && Math.abs(a.mtimeMs - b.mtimeMs) < 1;
}

function removeIfEmpty(path: string): boolean {
  const stats = statOf(path);
  if (!stats) return false;
  if (stats.isDirectory()) {
    if (readdirSync(path).length > 0) return false;
    rmdirSync(path);
    return true;
  }
  if (!lstatSync(path).isFile() || stats.size > 0) return false;
  rmSync(path);
  return true;
}
