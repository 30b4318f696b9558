import { existsSync, readFileSync } from 'node:fs';
import { readMountInfo } from './mount-info.ts';

/** How the host's control groups are laid out. */
export interface CgroupLayout {
  /** `hybrid`: controllers on v1 hierarchies, with a v2 one beside them. */
  readonly mode: 'v1' | 'hybrid' | 'v2' | 'none';
  /** Where the v2 hierarchy is mounted, if it is. */
  readonly unified: string | undefined;
  /** Mount point of each v1 controller (`memory`, `cpu`, `name=systemd`). */
  readonly v1: ReadonlyMap<string, string>;
  /** Controllers usable for containers, in either version. */
  readonly controllers: ReadonlySet<string>;
}

const words = (path: string): readonly string[] =>
  existsSync(path) ? readFileSync(path, 'utf8').trim().split(/\s+/).filter(Boolean) : [];

/** Reads the layout from this process's mounts. */
export function detectCgroups(): CgroupLayout {
  const v1 = new Map<string, string>();
  let unified: string | undefined;
  for (const mount of readMountInfo()) {
    if (mount.type === 'cgroup2') unified ??= mount.mountPoint;
    if (mount.type !== 'cgroup') continue;
    for (const option of mount.superOptions)
      if (option !== 'rw' && option !== 'ro' && !v1.has(option)) v1.set(option, mount.mountPoint);
  }
  const legacy = [...v1.keys()].filter((name) => !name.includes('='));
  const v2 = unified === undefined ? [] : words(`${unified}/cgroup.controllers`);
  const mode = legacy.length > 0 ? (unified === undefined ? 'v1' : 'hybrid') : unified === undefined ? 'none' : 'v2';
  return { mode, unified, v1, controllers: new Set([...legacy, ...v2]) };
}
