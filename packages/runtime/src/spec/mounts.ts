import { invalid } from '@berth/base';
import type { RuntimeMount } from '@berth/oci';
import type { SpecInput, SpecMount } from './spec-input.ts';

const DEFAULT_SHM_SIZE = 64 << 20;
export const INIT_PATH = '/sbin/docker-init';

const shmMount = (input: SpecInput): readonly RuntimeMount[] => {
  const shm = input.shm ?? { size: DEFAULT_SHM_SIZE };
  if (shm === 'none') return [];
  if ('path' in shm)
    return [
      {
        destination: '/dev/shm',
        type: 'bind',
        source: shm.path,
        options: ['rbind', 'rprivate', 'nosuid', 'noexec', 'nodev'],
      },
    ];
  return [
    {
      destination: '/dev/shm',
      type: 'tmpfs',
      source: 'shm',
      options: ['nosuid', 'noexec', 'nodev', 'mode=1777', `size=${shm.size}`],
    },
  ];
};

/** Mounted anew also with the host's IPC namespace, whose queues it then shows: the host need not have it mounted. */
const MQUEUE: RuntimeMount = {
  destination: '/dev/mqueue',
  type: 'mqueue',
  source: 'mqueue',
  options: ['nosuid', 'noexec', 'nodev'],
};

/** What every container has mounted, in order. */
export function defaultMounts(input: SpecInput): readonly RuntimeMount[] {
  const access = input.privileged ? 'rw' : 'ro';
  const cgroupAccess = (input.writableCgroups ?? input.privileged) ? 'rw' : 'ro';
  return [
    { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
    {
      destination: '/dev',
      type: 'tmpfs',
      source: 'tmpfs',
      options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
    },
    {
      destination: '/dev/pts',
      type: 'devpts',
      source: 'devpts',
      options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
    },
    { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', access] },
    {
      destination: '/sys/fs/cgroup',
      type: 'cgroup',
      source: 'cgroup',
      options: [cgroupAccess, 'nosuid', 'noexec', 'nodev', ...(cgroupAccess === 'rw' ? [] : ['relatime'])],
    },
    MQUEUE,
    ...shmMount(input),
  ];
}

const TMPFS_DEFAULTS = ['noexec', 'nosuid', 'nodev'];
const TMPFS_UNDO: Readonly<Record<string, string>> = { exec: 'noexec', suid: 'nosuid', dev: 'nodev' };

const tmpfsMount = (mount: SpecMount & { type: 'tmpfs' }): RuntimeMount => {
  const asked = mount.options ?? [];
  const undone = new Set(asked.map((option) => TMPFS_UNDO[option]));
  const options = [...TMPFS_DEFAULTS.filter((option) => !undone.has(option) && !asked.includes(option)), ...asked];
  if (mount.size !== undefined) options.push(`size=${mount.size}`);
  if (mount.mode !== undefined) options.push(`mode=${mount.mode.toString(8)}`);
  if (mount.readonly) options.push('ro');
  return { destination: mount.destination, type: 'tmpfs', source: 'tmpfs', options };
};

const bindMount = (mount: SpecMount & { type: 'bind' }): RuntimeMount => {
  const options = [mount.nonRecursive ? 'bind' : 'rbind', mount.propagation ?? 'rprivate'];
  options.push(...(mount.flags ?? []));
  if (mount.readonly || mount.recursiveReadonly) options.push('ro');
  if (mount.recursiveReadonly) options.push('rro');
  return { destination: mount.destination, type: 'bind', source: mount.source, options };
};

const toRuntime = (mount: SpecMount): RuntimeMount => {
  if (!mount.destination.startsWith('/'))
    throw invalid(`invalid mount path: '${mount.destination}' mount path must be absolute`);
  return mount.type === 'tmpfs' ? tmpfsMount(mount) : bindMount(mount);
};

const depth = (path: string): number => path.split('/').filter(Boolean).length;

/** Default and asked-for mounts, parents before children. */
export function buildMounts(input: SpecInput): readonly RuntimeMount[] {
  const asked = (input.mounts ?? []).map(toRuntime);
  const replaced = new Set(asked.map((mount) => mount.destination.replace(/\/+$/, '')));
  const init: readonly RuntimeMount[] =
    input.initPath === undefined
      ? []
      : [{ destination: INIT_PATH, type: 'bind', source: input.initPath, options: ['bind', 'ro'] }];
  const kept = defaultMounts(input).filter((mount) => !replaced.has(mount.destination));
  const ordered = asked.toSorted((a, b) => depth(a.destination) - depth(b.destination));
  return [...kept, ...ordered, ...init];
}

/** The propagation the rootfs needs so that shared and slave binds below it work; undefined for the runtime's own. */
export function rootfsPropagation(input: SpecInput): 'rshared' | 'rslave' | undefined {
  const asked = (input.mounts ?? []).map((mount) => (mount.type === 'bind' ? mount.propagation : undefined));
  if (asked.some((propagation) => propagation?.endsWith('shared'))) return 'rshared';
  return asked.some((propagation) => propagation?.endsWith('slave')) ? 'rslave' : undefined;
}
