import { mkdir, rm } from 'node:fs/promises';
import { hostname as osHostname } from 'node:os';
import { posix } from 'node:path';
import { type CallOptions, conflict, invalid, isKind, randomId, shortId } from '@berth/base';
import type { ResolvedImage } from '@berth/images';
import { expectCgroupMigration } from '@berth/linux';
import type { Platform } from '@berth/oci';
import { completeHost } from './complete-host.ts';
import type { Container } from './container.ts';
import { copyUpVolumes } from './copy-up.ts';
import type { ContainerDeps } from './deps.ts';
import { emitContainer } from './events.ts';
import { prepareImageMounts } from './image-mounts.ts';
import { prepareSnapshot } from './init-layer.ts';
import { supportedLimits } from './limits.ts';
import { bindLinks } from './links.ts';
import { completeLogConfig } from './log-settings.ts';
import { mergeImageConfig } from './merge-image.ts';
import { type PlannedMount, planMounts } from './mount-points.ts';
import { checkName, generateName } from './names.ts';
import { containerDirectory, logPath } from './paths.ts';
import type { ContainerRecord, ContainerSettings, EndpointSettings, HostSettings } from './types.ts';
import { validateCreate } from './validate.ts';
import { keyedByMode, validateEndpoints } from './validate-endpoints.ts';

export interface CreateContainer {
  readonly name?: string;
  readonly platform?: Platform;
  readonly settings: ContainerSettings;
  readonly host: HostSettings;
  readonly networking: Readonly<Record<string, EndpointSettings>>;
  /** Whether a read-only bind also makes what is mounted below it read-only (API 1.44); the default. */
  readonly recursiveReadonly?: boolean;
}

export interface CreatedContainer {
  readonly id: string;
  readonly warnings: readonly string[];
}

/** Makes a container: image resolved and unpacked, writable layer prepared, volumes made and filled, record written. */
export async function create(
  deps: ContainerDeps,
  input: CreateContainer,
  options: CallOptions = {},
): Promise<CreatedContainer> {
  if (input.settings.image === '') throw invalid('config cannot be empty in order to create a container');
  const given = input.name ? checkName(input.name) : undefined;
  validateCreate(input.settings, input.host, deps.support);
  validateEndpoints(deps.networks, input.networking);
  assertSharesKnown(deps, input.host);
  const limits = supportedLimits(input.host, deps.support);
  const host = completeHost(deps, bindLinks(deps.store, limits.host));
  if (given !== undefined) deps.store.assertNameFree(given);
  // a start most likely follows
  expectCgroupMigration();
  const image = await deps.images.resolve(input.settings.image, {
    ...options,
    ...(input.platform ? { platform: input.platform } : {}),
  });
  assertRunnable(image);
  const id = randomId();
  const settings = completeSettings(mergeImageConfig(input.settings, image.config.config ?? {}), host, id);
  if (commandOf(settings).length === 0) throw invalid('no command specified');
  const mounts = planMounts(settings, host, deps.store, deps.paths.roots).map((mount) =>
    mount.type === 'bind' && input.recursiveReadonly === false
      ? { ...mount, recursiveReadonly: 'never' as const }
      : mount,
  );
  const record: ContainerRecord = {
    id,
    name: given ?? generateName((name) => deps.store.find(name) !== undefined),
    createdAt: deps.clock.now(),
    image: {
      id: image.id,
      manifestDigest: image.manifest.digest,
      platform: image.platform,
      manifest: { ...image.manifest, platform: image.platform },
    },
    settings,
    host: { ...host, logConfig: completeLogConfig(deps, host) },
    networking: keyedByMode(deps.networks, host.networkMode, input.networking),
    mounts: [],
    runtime: runtimeName(deps, host),
    hostnamePath: `${containerDirectory(deps, id)}/hostname`,
    logPath: logPath(deps, id),
  };
  const container = await materialize(deps, record, mounts, image, options);
  emitContainer(deps, container, 'create');
  return { id, warnings: [...limits.warnings, ...warningsFor(host, image, input.platform)] };
}

/** The container whose processes or memory are to be shared must be there; one whose network is shared may come later. */
function assertSharesKnown(deps: ContainerDeps, { pidMode = '', ipcMode = '' }: HostSettings): void {
  for (const mode of [pidMode, ipcMode]) {
    const [kind, name = ''] = mode.split(/:(.*)/s);
    if (kind === 'container' && !deps.store.find(name)) throw invalid(`No such container: ${name}`);
  }
}

async function materialize(
  deps: ContainerDeps,
  record: ContainerRecord,
  planned: readonly PlannedMount[],
  image: ResolvedImage,
  options: CallOptions,
): Promise<Container> {
  await using undo = new AsyncDisposableStack();
  const parent = await deps.images.unpack(image, options);
  const container = deps.store.insert(record);
  undo.defer(() => deps.store.delete(container));
  const mounts = await prepareImageMounts(deps, record.id, planned, undo, options);
  deps.store.setRecord(container, { mounts: mounts.map(asMountPoint) });
  await prepareSnapshot(deps, record.id, parent);
  undo.defer(() => deps.snapshotter.remove(record.id));
  const directory = containerDirectory(deps, record.id);
  await mkdir(directory, { recursive: true, mode: 0o710 });
  undo.defer(() => rm(directory, { recursive: true, force: true }));
  for (const mount of mounts) await ensureVolume(deps, record.id, mount, undo);
  if (mounts.some((m) => m.type === 'volume')) await copyUpVolumes(deps, container.record);
  deps.store.setState(container, { making: false });
  undo.move();
  return container;
}

async function ensureVolume(
  deps: ContainerDeps,
  id: string,
  mount: PlannedMount,
  undo: AsyncDisposableStack,
): Promise<void> {
  const { name } = mount;
  if (mount.type !== 'volume' || name === undefined) return;
  const existed = exists(() => deps.volumes.get(name));
  await deps.volumes.create({
    name,
    ...(mount.driver ? { driver: mount.driver } : {}),
    ...(mount.volumeOptions ? { options: mount.volumeOptions } : {}),
    ...(mount.volumeLabels ? { labels: mount.volumeLabels } : {}),
    ...(mount.anonymous ? { anonymous: true } : {}),
  });
  if (!existed) undo.defer(() => deps.volumes.remove(name));
  deps.volumes.reference(name, id);
  undo.defer(() => deps.volumes.unreference(name, id));
}

function exists(get: () => unknown): boolean {
  try {
    get();
    return true;
  } catch (error) {
    if (isKind(error, 'notFound')) return false;
    throw error;
  }
}

function asMountPoint({
  volumeLabels: _l,
  volumeOptions: _o,
  anonymous: _a,
  inherited: _i,
  ...mount
}: PlannedMount): ContainerRecord['mounts'][number] {
  return mount;
}

function assertRunnable(image: ResolvedImage): void {
  if (image.config.os !== '' && image.config.os !== 'linux')
    throw invalid(
      `image operating system "${image.config.os}" cannot be used on this platform: Berth runs Linux containers`,
    );
}

/** Entrypoint and command in one. */
export function commandOf(settings: ContainerSettings): readonly string[] {
  return [...(settings.entrypoint ?? []), ...(settings.cmd ?? [])];
}

function completeSettings(settings: ContainerSettings, host: HostSettings, id: string): ContainerSettings {
  return {
    ...settings,
    workingDir: settings.workingDir && posix.normalize(settings.workingDir).replace(/(.)\/$/, '$1'),
    hostname: settings.hostname || hostnameFor(host, id),
  };
}

/** A container that shares another's network gets its name at start, see `shareIdentity`. */
function hostnameFor({ networkMode = '', utsMode }: HostSettings, id: string): string {
  if (networkMode === 'host' || utsMode === 'host') return osHostname();
  return networkMode.startsWith('container:') ? '' : shortId(id);
}

function runtimeName(deps: ContainerDeps, host: HostSettings): string {
  const name = host.runtime || deps.runtimes.defaultName;
  if (!deps.runtimes.get(name)) throw invalid(`unknown or invalid runtime name: ${name}`);
  return name;
}

function warningsFor(host: HostSettings, image: ResolvedImage, platform: Platform | undefined): readonly string[] {
  const warnings: string[] = [];
  if (host.mounts?.some(({ type }) => type === 'image')) warnings.push('Image mount is an experimental feature');
  const published = Object.keys(host.portBindings ?? {}).length > 0;
  if (host.networkMode === 'host' && published)
    warnings.push('Published ports are discarded when using host network mode');
  const wanted = platform?.architecture;
  if (wanted !== undefined && wanted !== image.platform.architecture)
    throw conflict(`image with reference ${image.id} was found but does not provide the specified platform`);
  return warnings;
}
