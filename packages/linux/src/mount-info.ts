import { readFileSync } from 'node:fs';

/** One line of /proc/<pid>/mountinfo (proc_pid_mountinfo(5)). */
export interface MountInfo {
  readonly id: number;
  readonly parentId: number;
  /** `major:minor` of files on it. */
  readonly device: string;
  /** What inside the file system is the root of this mount. */
  readonly root: string;
  readonly mountPoint: string;
  readonly options: readonly string[];
  /** `shared:1`, `master:2`, ... */
  readonly propagation: readonly string[];
  readonly type: string;
  readonly source: string;
  readonly superOptions: readonly string[];
}

const decode = (field: string): string => {
  if (!field.includes('\\')) return field;
  const bytes = field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
  return bytes;
};

const parseLine = (line: string): MountInfo => {
  const [left = '', right = ''] = line.split(' - ');
  const [id = '', parentId = '', device = '', root = '', mountPoint = '', options = '', ...propagation] =
    left.split(' ');
  const [type = '', source = '', superOptions = ''] = right.split(' ');
  return {
    id: Number(id),
    parentId: Number(parentId),
    device,
    root: decode(root),
    mountPoint: decode(mountPoint),
    options: options.split(','),
    propagation,
    type,
    source: decode(source),
    superOptions: superOptions.split(','),
  };
};

/** All mounts a process sees, in the order they were made; by default this process. */
export function readMountInfo(pid: number | 'self' = 'self'): readonly MountInfo[] {
  return parseMountInfo(readFileSync(`/proc/${pid}/mountinfo`, 'utf8'));
}

export function parseMountInfo(text: string): readonly MountInfo[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map(parseLine);
}

/** The mount that an absolute path without symbolic links is on: of those above it the deepest, and the last made. */
export function mountContaining(path: string, mounts: readonly MountInfo[] = readMountInfo()): MountInfo | undefined {
  const holds = (point: string): boolean => point === '/' || path === point || path.startsWith(`${point}/`);
  let found: MountInfo | undefined;
  for (const mount of mounts)
    if (holds(mount.mountPoint) && mount.mountPoint.length >= (found?.mountPoint.length ?? 0)) found = mount;
  return found;
}

/** Whether something is mounted exactly at `path` (which must be absolute and free of symbolic links). */
export function isMountPoint(path: string): boolean {
  return readMountInfo().some((mount) => mount.mountPoint === path);
}

const ESCAPED = /[ \t\n\\#]/;

/** Mount points at `path` and below it, innermost first: the order to unmount them in. */
export function mountsUnder(path: string): readonly string[] {
  const prefix = path.endsWith('/') ? path : `${path}/`;
  const text = readFileSync('/proc/self/mountinfo', 'utf8');
  // the list is of the whole host and mostly about others: those lines are not worth taking apart
  const lines = ESCAPED.test(path) ? text : linesWith(text, path);
  return parseMountInfo(lines)
    .map((mount) => mount.mountPoint)
    .filter((at) => at === path || at.startsWith(prefix))
    .reverse();
}

const linesWith = (text: string, word: string): string =>
  text.includes(word)
    ? text
        .split('\n')
        .filter((line) => line.includes(word))
        .join('\n')
    : '';
