import { existsSync } from 'node:fs';
import { posix } from 'node:path';
import { conflict, invalid, randomId } from '@berth/base';
import { checkVolumeName, parseBind } from '@berth/volumes';
import type { ContainerPaths } from './deps.ts';
import type { ContainerStore } from './store.ts';
import type { ContainerSettings, HostSettings, MountPoint, MountSettings } from './types.ts';

const PROPAGATIONS = ['private', 'rprivate', 'shared', 'rshared', 'slave', 'rslave'];

/** A mount point plus what is needed once, at create, to make its volume. */
export interface PlannedMount extends MountPoint {
  readonly volumeLabels?: Readonly<Record<string, string>>;
  readonly volumeOptions?: Readonly<Record<string, string>>;
  readonly anonymous?: boolean;
  /** From `volumes-from`: refers to a volume that exists. */
  readonly inherited?: boolean;
}

/**
 * Resolves --volumes-from, -v, --mount, --tmpfs and the image's VOLUMEs into one mount per destination. Later ones win
 * over earlier ones in that order, except that the same destination given twice by the user is refused.
 */
export function planMounts(
  settings: ContainerSettings,
  host: HostSettings,
  store: ContainerStore,
  roots: ContainerPaths['roots'],
): readonly PlannedMount[] {
  const plan = new Map<string, PlannedMount>();
  for (const spec of host.volumesFrom ?? [])
    for (const mount of fromContainer(spec, store)) plan.set(mount.destination, mount);
  const given = [
    ...(host.binds ?? []).map((bind) => fromBind(bind, host.volumeDriver)),
    ...(host.mounts ?? []).map(fromMount),
    ...Object.entries(host.tmpfs ?? {}).map(([path, options]) =>
      tmpfs(cleanDestination(path, path), checkTmpfsOptions(splitOptions(options))),
    ),
  ];
  const seen = new Set<string>();
  for (const mount of given.map((each) => withPropagation(each, roots))) {
    if (seen.has(mount.destination)) throw invalid(`Duplicate mount point: ${mount.destination}`);
    seen.add(mount.destination);
    plan.set(mount.destination, mount);
  }
  for (const path of Object.keys(settings.volumes)) {
    const destination = cleanDestination(path, path);
    if (!plan.has(destination)) plan.set(destination, anonymous(destination, host.volumeDriver));
  }
  return [...plan.values()].sort(
    (a, b) => depth(a.destination) - depth(b.destination) || a.destination.localeCompare(b.destination),
  );
}

const contains = (directory: string, path: string): boolean =>
  `${path}/`.startsWith(`${directory}/`.replace('//', '/'));

/** Whether a directory holds, or is in, one of those where the daemon mounts things itself. */
export const isNear = (source: string, root: string): boolean => contains(source, root) || contains(root, source);

/**
 * A bind is private unless asked for otherwise. One that shows the daemon's own mounts follows what becomes of them:
 * a copy that stayed would keep the files of removed containers on the disk.
 */
function withPropagation(mount: PlannedMount, { data, exec }: ContainerPaths['roots']): PlannedMount {
  if (mount.type !== 'bind') return mount;
  const { source, propagation } = mount;
  if (propagation === '')
    return { ...mount, propagation: isNear(source, data) || isNear(source, exec) ? 'rslave' : 'rprivate' };
  if (isNear(source, data) && !['rslave', 'rshared'].includes(propagation))
    throw invalid(
      `invalid mount config: must use either propagation mode "rslave" or "rshared" when mount source is within the daemon root, daemon root: "${data}", bind mount source: "${source}", propagation: "${propagation}"`,
    );
  return mount;
}

const depth = (path: string): number => path.split('/').length;

function fromContainer(spec: string, store: ContainerStore): readonly PlannedMount[] {
  const [name = '', mode = 'rw'] = spec.split(':');
  if (!['rw', 'ro', 'z', 'Z'].includes(mode)) throw invalid(`invalid mode for volumes-from: ${mode}`);
  const source = store.find(name);
  // Not `notFound`: docker's clients take that for the image's absence and try to pull it.
  if (!source) throw invalid(`No such container: ${name}`);
  return source.record.mounts
    .filter((m) => m.type !== 'tmpfs')
    .map((m) => ({ ...m, rw: m.rw && mode !== 'ro', inherited: true }));
}

function fromBind(text: string, volumeDriver: string | undefined): PlannedMount {
  const { type, source, destination, readOnly, mode, propagation, noCopy } = parseBind(text);
  if (type === 'anonymous') return anonymous(destination, volumeDriver);
  const common = { destination, mode, rw: !readOnly };
  if (type === 'bind') return { ...common, type, source, propagation: propagation ?? '', createMountpoint: true };
  return {
    ...common,
    type,
    name: source,
    source: '',
    driver: volumeDriver || 'local',
    mode: mode || 'z',
    propagation: '',
    ...(noCopy ? { noCopy: true } : {}),
  };
}

const LOCAL = /^(?!\/)(?!\.\.(\/|$)).+/s;

/** Whether a path stays below where it starts, `a/../b` included. */
const isLocal = (path: string): boolean => LOCAL.test(posix.normalize(path)) && !path.startsWith('/');

function fromMount(mount: MountSettings): PlannedMount {
  const { type } = mount;
  const refuse = (why: string): Error => invalid(`invalid mount config for type "${type}": ${why}`);
  if (mount.target === '') throw refuse('field Target must not be empty');
  const destination = posix.normalize(mount.target).replace(/(.)\/$/, '$1');
  if (destination === '/') throw refuse("invalid specification: destination can't be '/'");
  if (!destination.startsWith('/')) throw refuse(`invalid mount path: '${mount.target}' mount path must be absolute`);
  if (destination.includes('\0')) throw refuse('the target holds a NUL byte');
  refuseForeignOptions(mount, refuse);
  const common = { destination, mode: '', rw: !mount.readOnly, propagation: '', source: '' };
  switch (type) {
    case 'bind':
      return { ...common, ...bindOf(mount, refuse) };
    case 'volume':
      return { ...common, ...volumeOf(mount, refuse) };
    case 'tmpfs':
      return tmpfs(destination, tmpfsOptions(mount, refuse));
    case 'image':
      if (!mount.source) throw refuse('field Source must not be empty');
      return { ...common, type, name: mount.source, rw: false, ...subpathOf(mount.imageOptions?.subpath, refuse) };
    default:
      throw refuse('mount type unknown');
  }
}

type Refusal = (why: string) => Error;

function refuseForeignOptions(mount: MountSettings, refuse: Refusal): void {
  for (const [options, owner, field] of [
    [mount.bindOptions, 'bind', 'BindOptions'],
    [mount.volumeOptions, 'volume', 'VolumeOptions'],
    [mount.imageOptions, 'image', 'ImageOptions'],
  ] as const)
    if (options !== undefined && owner !== mount.type && !(mount.type === 'tmpfs' && owner === 'volume'))
      throw refuse(`field ${field} must not be specified`);
}

function subpathOf(subpath: string | undefined, refuse: Refusal): { readonly subpath?: string } {
  if (!subpath) return {};
  if (!isLocal(subpath)) throw refuse('subpath must be a relative path within the volume');
  return { subpath };
}

function bindOf(mount: MountSettings, refuse: Refusal): Pick<PlannedMount, 'type' | 'source' | 'propagation'> {
  const { source = '', bindOptions = {} } = mount;
  if (source === '') throw refuse('field Source must not be empty');
  const propagation = bindOptions.propagation ?? '';
  if (propagation !== '' && !PROPAGATIONS.includes(propagation))
    throw refuse(`invalid propagation mode: ${propagation}`);
  if (!source.startsWith('/')) throw refuse(`invalid mount path: '${source}' mount path must be absolute`);
  const createMountpoint = bindOptions.createMountpoint ?? false;
  if (!createMountpoint && !existsSync(source)) throw refuse(`bind source path does not exist: ${source}`);
  if (bindOptions.readOnlyNonRecursive && bindOptions.readOnlyForceRecursive)
    throw refuse('mount options conflict: ReadOnlyNonRecursive && ReadOnlyForceRecursive');
  return {
    type: 'bind',
    source: posix.normalize(source),
    propagation,
    createMountpoint,
    ...(bindOptions.nonRecursive ? { nonRecursive: true } : {}),
    ...(bindOptions.readOnlyNonRecursive ? { recursiveReadonly: 'never' } : {}),
    ...(bindOptions.readOnlyForceRecursive ? { recursiveReadonly: 'always' } : {}),
  } as PlannedMount;
}

function volumeOf(mount: MountSettings, refuse: Refusal): Pick<PlannedMount, 'type' | 'mode'> {
  const { source = '', volumeOptions: options = {} } = mount;
  if (source === '' && options.subpath) throw refuse('must not set Subpath when using anonymous volumes');
  if (source === '' && mount.readOnly) throw refuse('must not set ReadOnly mode when using anonymous volumes');
  const subpath = subpathOf(options.subpath, refuse);
  if (source !== '') checkVolumeName(source);
  return {
    ...(source === '' ? { name: randomId(), anonymous: true } : { name: source }),
    type: 'volume',
    driver: options.driverConfig?.name || 'local',
    mode: 'z',
    ...(options.noCopy ? { noCopy: true } : {}),
    ...subpath,
    ...(options.labels ? { volumeLabels: options.labels } : {}),
    ...(options.driverConfig?.options ? { volumeOptions: options.driverConfig.options } : {}),
  } as PlannedMount;
}

function tmpfsOptions(mount: MountSettings, refuse: Refusal): readonly string[] {
  if (mount.source) throw refuse('field Source must not be specified');
  const { sizeBytes, mode, options } = mount.tmpfsOptions ?? {};
  for (const option of options ?? []) {
    if (option.length < 1 || option.length > 2) throw refuse('invalid option array length');
    if (option[0] !== 'exec' && option[0] !== 'noexec') throw refuse(`invalid option: ${option[0]}`);
  }
  return [
    ...(mount.readOnly ? ['ro'] : []),
    ...(mode ? [`mode=${mode.toString(8)}`] : []),
    ...(sizeBytes ? [`size=${sizeBytes}`] : []),
    ...(options ?? []).map((option) => option.join('=')),
  ];
}

function anonymous(destination: string, driver: string | undefined): PlannedMount {
  return {
    type: 'volume',
    name: randomId(),
    anonymous: true,
    source: '',
    destination,
    driver: driver || 'local',
    mode: '',
    rw: true,
    propagation: '',
  };
}

function tmpfs(destination: string, options: readonly string[]): PlannedMount {
  return { type: 'tmpfs', source: '', destination, mode: '', rw: !options.includes('ro'), propagation: '', options };
}

const TMPFS_FLAGS = new Set(
  `ro rw suid nosuid dev nodev exec noexec sync async dirsync remount mand nomand atime noatime diratime nodiratime
  bind rbind private rprivate shared rshared slave rslave unbindable runbindable relatime norelatime strictatime
  nostrictatime defaults`.split(/\s+/),
);
const TMPFS_VALUES = new Set(['mode', 'uid', 'gid', 'size', 'nr_inodes', 'nr_blocks', 'mpol']);

function checkTmpfsOptions(options: readonly string[]): readonly string[] {
  for (const option of options) {
    const [name = '', ...value] = option.split('=');
    if (value.length === 0 ? !TMPFS_FLAGS.has(name) : !TMPFS_VALUES.has(name))
      throw invalid(`invalid tmpfs option [${[name, ...value].map((word) => JSON.stringify(word)).join(' ')}]`);
  }
  return options;
}

const splitOptions = (options: string): readonly string[] => options.split(',').filter((o) => o !== '');

function cleanDestination(path: string, whole: string): string {
  if (!path.startsWith('/'))
    throw invalid(
      `invalid volume specification: '${whole}': invalid mount config: invalid mount path: '${path}' mount path must be absolute`,
    );
  const clean = posix.normalize(path).replace(/(.)\/$/, '$1');
  if (clean === '/')
    throw invalid(`invalid volume specification: '${whole}': invalid mount config: destination can't be '/'`);
  if (clean.includes('\0')) throw conflict('destination holds a NUL byte');
  return clean;
}
