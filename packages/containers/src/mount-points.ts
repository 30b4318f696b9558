import { posix } from 'node:path';
import { conflict, invalid, notImplemented, randomId } from '@berth/base';
import { checkVolumeName, parseBind } from '@berth/volumes';
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
): readonly PlannedMount[] {
  const plan = new Map<string, PlannedMount>();
  for (const spec of host.volumesFrom ?? [])
    for (const mount of fromContainer(spec, store)) plan.set(mount.destination, mount);
  const given = [
    ...(host.binds ?? []).map((bind) => fromBind(bind, host.volumeDriver)),
    ...(host.mounts ?? []).map(fromMount),
    ...Object.entries(host.tmpfs ?? {}).map(([path, options]) =>
      tmpfs(cleanDestination(path, path), splitOptions(options)),
    ),
  ];
  const seen = new Set<string>();
  for (const mount of given) {
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
  if (type === 'bind')
    return { ...common, type, source, propagation: propagation ?? 'rprivate', createMountpoint: true };
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

function fromMount(mount: MountSettings): PlannedMount {
  const destination = cleanDestination(mount.target, mount.target);
  const rw = !mount.readOnly;
  switch (mount.type) {
    case 'bind': {
      if (!mount.source) throw invalid('invalid mount config for type "bind": field Source must not be empty');
      if (!mount.source.startsWith('/'))
        throw invalid(
          `invalid mount config for type "bind": invalid mount path: '${mount.source}' mount path must be absolute`,
        );
      const propagation = mount.bindOptions?.propagation || 'rprivate';
      if (!PROPAGATIONS.includes(propagation))
        throw invalid(`invalid mount config for type "bind": invalid propagation mode: ${propagation}`);
      return {
        type: 'bind',
        source: posix.normalize(mount.source),
        destination,
        mode: '',
        rw,
        propagation,
        createMountpoint: mount.bindOptions?.createMountpoint ?? false,
        ...(mount.bindOptions?.nonRecursive ? { nonRecursive: true } : {}),
      };
    }
    case 'volume': {
      if (mount.source) checkVolumeName(mount.source);
      const driver = mount.volumeOptions?.driverConfig?.name || 'local';
      const subpath = mount.volumeOptions?.subpath;
      if (subpath && (subpath.startsWith('/') || subpath.split('/').includes('..')))
        throw invalid(`invalid mount config for type "volume": subpath must be a relative path within the volume`);
      return {
        ...(mount.source ? { name: mount.source } : { name: randomId(), anonymous: true }),
        type: 'volume',
        source: '',
        destination,
        driver,
        mode: 'z',
        rw,
        propagation: '',
        ...(mount.volumeOptions?.noCopy ? { noCopy: true } : {}),
        ...(subpath ? { subpath } : {}),
        ...(mount.volumeOptions?.labels ? { volumeLabels: mount.volumeOptions.labels } : {}),
        ...(mount.volumeOptions?.driverConfig?.options
          ? { volumeOptions: mount.volumeOptions.driverConfig.options }
          : {}),
      };
    }
    case 'tmpfs': {
      if (mount.source) throw invalid('invalid mount config for type "tmpfs": field Source must not be specified');
      const { sizeBytes, mode, options } = mount.tmpfsOptions ?? {};
      return tmpfs(destination, [
        ...(sizeBytes ? [`size=${sizeBytes}`] : []),
        ...(mode ? [`mode=${mode.toString(8)}`] : []),
        ...(options ?? []).map((o) => o.join('=')),
        ...(mount.readOnly ? ['ro'] : []),
      ]);
    }
    case 'image':
      throw notImplemented('mounts of type image are not implemented');
    default:
      throw invalid(`invalid mount config: mount type unknown: "${mount.type}"`);
  }
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
