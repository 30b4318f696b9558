import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf, invalid } from '@berth/base';
import type { CgroupLayout } from './cgroup-mode.ts';
import { mountAll } from './mount.ts';

/** The value of `linux.cgroupsPath` (cgroupfs driver) for a container: `/<parent>/<id>`. */
export function cgroupsPath(parent: string, id: string): string {
  const clean = `/${parent}/${id}`.replace(/\/+/g, '/');
  if (clean.split('/').includes('..')) throw invalid(`cgroup parent must not hold "..": ${parent}`);
  return clean;
}

/** Directories of the group at `path`, one for each mounted hierarchy, whether they exist or not. */
export function cgroupDirectories(layout: CgroupLayout, path: string): readonly string[] {
  const roots = new Set(layout.v1.values());
  if (layout.unified !== undefined) roots.add(layout.unified);
  return [...roots].map((root) => join(root, path));
}

/** The directory in which a controller's files of the group are. */
export function cgroupDirectory(layout: CgroupLayout, path: string, controller: string): string | undefined {
  const root = layout.v1.get(controller) ?? layout.unified;
  return root === undefined ? undefined : join(root, path);
}

/** Creates the group in every hierarchy; on v2 the controllers are handed down to it. */
export function createCgroup(layout: CgroupLayout, path: string): void {
  for (const dir of cgroupDirectories(layout, path)) mkdirSync(dir, { recursive: true });
  const cpuset = layout.v1.get('cpuset');
  if (cpuset !== undefined) inheritCpuset(cpuset, path);
  if (layout.mode !== 'v2' || layout.unified === undefined) return;
  const parts = path.split('/').filter(Boolean);
  for (let n = 0; n < parts.length; n++) {
    const dir = join(layout.unified, ...parts.slice(0, n));
    for (const controller of layout.controllers) tryWrite(join(dir, 'cgroup.subtree_control'), `+${controller}`);
  }
}

/** A v1 cpuset starts out empty, and takes no process before it has CPUs and memory nodes. */
const inheritCpuset = (root: string, path: string): void => {
  let parent = root;
  for (const part of path.split('/').filter(Boolean)) {
    const dir = join(parent, part);
    for (const file of ['cpuset.cpus', 'cpuset.mems'])
      if (readFileSync(join(dir, file), 'utf8').trim() === '')
        writeFileSync(join(dir, file), readFileSync(join(parent, file), 'utf8'));
    parent = dir;
  }
};

const tryWrite = (file: string, text: string): void => {
  try {
    writeFileSync(file, text);
  } catch {
    // A controller that cannot be handed down (threaded, busy) is one the group goes without.
  }
};

/** Writes one of the group's limit files (`pids.max`). Throws when the kernel refuses the value. */
export function writeCgroupLimit(
  layout: CgroupLayout,
  path: string,
  controller: string,
  file: string,
  value: string,
): void {
  const directory = cgroupDirectory(layout, path, controller);
  if (directory !== undefined) writeFileSync(`${directory}/${file}`, value);
}

/** Removes the group and those below it; false while processes are in one. A group that is not there is removed. */
export function removeCgroup(layout: CgroupLayout, path: string): boolean {
  return cgroupDirectories(layout, path).map(removeDirectory).every(Boolean);
}

/** Removes the group where it is empty: no processes, no groups below. */
export function removeEmptyCgroup(layout: CgroupLayout, path: string): void {
  for (const dir of cgroupDirectories(layout, path)) {
    try {
      rmdirSync(dir);
    } catch (error) {
      if (!['ENOENT', 'EBUSY', 'ENOTEMPTY'].includes(errnoOf(error) ?? '')) throw error;
    }
  }
}

const removeDirectory = (dir: string): boolean => {
  try {
    for (const entry of readdirSync(dir, { withFileTypes: true }))
      if (entry.isDirectory() && !removeDirectory(join(dir, entry.name))) return false;
    rmdirSync(dir);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return true;
    if (errnoOf(error) === 'EBUSY') return false;
    throw error;
  }
};

/** Processes in the group and those below it. */
export function cgroupPids(layout: CgroupLayout, path: string): readonly number[] {
  const controller = ['pids', 'freezer', 'memory', 'cpu'].find((name) => layout.v1.has(name));
  const dir =
    controller === undefined ? layout.unified && join(layout.unified, path) : cgroupDirectory(layout, path, controller);
  return dir === undefined ? [] : [...new Set(pidsBelow(dir))];
}

const pidsBelow = (dir: string): readonly number[] => {
  try {
    const own = readFileSync(join(dir, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean).map(Number);
    const children = readdirSync(dir, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    return [...own, ...children.flatMap((child) => pidsBelow(join(dir, child.name)))];
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENODEV') return [];
    throw error;
  }
};

/**
 * Lets the group's processes run on if they are frozen; true when they were. A group that is not there is not frozen.
 * Before a v1 group's frozen processes can die of SIGKILL they must be thawed.
 */
export function thawCgroup(layout: CgroupLayout, path: string): boolean {
  const dir = cgroupDirectory(layout, path, 'freezer');
  if (dir === undefined) return false;
  const [file, thawed] = layout.v1.has('freezer') ? ['freezer.state', 'THAWED'] : ['cgroup.freeze', '0'];
  try {
    if (readFileSync(join(dir, file), 'utf8').trim() === thawed) return false;
    writeFileSync(join(dir, file), thawed);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENODEV') return false;
    throw error;
  }
}

/** Kills every process in the group, again and again while new ones appear (a few rounds). */
export function killCgroup(layout: CgroupLayout, path: string): void {
  const kill = layout.unified === undefined ? undefined : join(layout.unified, path, 'cgroup.kill');
  if (layout.mode === 'v2' && kill !== undefined && existsSync(kill)) {
    writeFileSync(kill, '1');
    return;
  }
  thawCgroup(layout, path);
  for (let round = 0; round < 5; round++) {
    const pids = cgroupPids(layout, path);
    if (pids.length === 0) return;
    for (const pid of pids) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch (error) {
        if (errnoOf(error) !== 'ESRCH') throw error;
      }
    }
  }
}

/** Moves a process into the group, in every hierarchy. */
export function joinCgroup(layout: CgroupLayout, path: string, pid: number): void {
  for (const dir of cgroupDirectories(layout, path)) writeFileSync(join(dir, 'cgroup.procs'), String(pid));
}

/**
 * Mounts the v1 hierarchy of hugetlb, which takes that controller away from v2: crun 1.8 refuses a v1 host on which v2
 * holds one. For the set-up; false when it is mounted or the kernel has none.
 */
export function mountHugetlbHierarchy(layout: CgroupLayout, root = '/sys/fs/cgroup'): boolean {
  const known = readFileSync('/proc/cgroups', 'utf8').includes('\nhugetlb\t');
  if (!known || layout.mode === 'v2' || layout.v1.has('hugetlb')) return false;
  const target = join(root, 'hugetlb');
  mkdirSync(target, { recursive: true });
  mountAll([{ type: 'cgroup', source: 'cgroup', options: ['hugetlb'] }], target);
  return true;
}
