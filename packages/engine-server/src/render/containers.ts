import { posix } from 'node:path';
import { isKind } from '@berth/base';
import { type Container, commandOf, type MountPoint as DomainMount, networkModeOf } from '@berth/containers';
import {
  type ContainerConfig,
  ContainerConfig as ContainerConfigSchema,
  type ContainerInspect,
  type ContainerState,
  type ContainerSummary,
  type MountPoint,
  type OciDescriptor,
} from '@berth/engine-api';
import type { EndpointRecord } from '@berth/networks';
import { toWire } from '../case.ts';
import type { EngineServices } from '../services.ts';
import { formatTime, humanDuration } from '../time.ts';
import { renderHostConfig } from './host-config.ts';
import { renderNetworkSettings, renderNetworks, renderPortList } from './networks.ts';

export interface Sizes {
  /** Bytes of the container's own changes. */
  readonly rw: number;
  /** The same with the image's layers. */
  readonly rootFs: number;
}

export async function renderInspect(
  services: EngineServices,
  container: Container,
  sizes?: Sizes,
): Promise<ContainerInspect> {
  const { record, state } = container;
  const [path = '', ...args] = commandOf(record.settings);
  const info = await services.system.berth();
  const links = services.containers.links(record.id);
  // These files are made by the first start.
  const made = (path: string): string => (state.startedAt === undefined ? '' : path);
  const directory = record.hostnamePath.slice(0, record.hostnamePath.lastIndexOf('/'));
  return {
    Id: record.id,
    Created: formatTime(record.createdAt),
    Path: path,
    Args: args,
    State: renderState(container),
    Image: record.image.id,
    ResolvConfPath: made(`${directory}/resolv.conf`),
    HostnamePath: made(record.hostnamePath),
    HostsPath: made(`${directory}/hosts`),
    LogPath: record.host.logConfig?.type === 'none' ? '' : made(record.logPath),
    Name: `/${record.name}`,
    RestartCount: state.restartCount,
    Driver: String(info.details['storageDriver'] ?? 'overlay2'),
    Platform: record.image.platform.os,
    MountLabel: '',
    ProcessLabel: '',
    AppArmorProfile: services.containers.apparmorProfile(record.id),
    ExecIDs: container.isRunning && container.execProcesses.size > 0 ? [...container.execProcesses.keys()] : null,
    HostConfig: {
      ...renderHostConfig(record.host, record.runtime, String(info.details['cgroupnsMode'] ?? 'host')),
      Links: links.length > 0 ? [...links] : null,
    },
    GraphDriver: { Name: String(info.details['storageDriver'] ?? 'overlay2'), Data: null },
    ...(sizes ? { SizeRw: sizes.rw, SizeRootFs: sizes.rootFs } : {}),
    Mounts: shownMounts(container).map((m) => renderMount(services, m)),
    ...renderManifest(container),
    Config: renderConfig(container),
    NetworkSettings: renderNetworkSettings(services, container),
  };
}

export function renderState({ state }: Container): ContainerState {
  const { status, health } = state;
  return {
    Status: status,
    Running: status === 'running' || status === 'paused' || status === 'restarting',
    Paused: status === 'paused',
    Restarting: status === 'restarting',
    OOMKilled: state.oomKilled,
    Dead: status === 'dead',
    Pid: state.pid,
    ExitCode: state.exitCode,
    Error: state.error,
    StartedAt: formatTime(state.startedAt),
    FinishedAt: formatTime(state.finishedAt),
    ...(health
      ? {
          Health: {
            Status: health.status,
            FailingStreak: health.failingStreak,
            Log: health.log.map((l) => ({
              Start: formatTime(l.start),
              End: formatTime(l.end),
              ExitCode: l.exitCode,
              Output: l.output,
            })),
          },
        }
      : {}),
  };
}

/** The address asked for on the network of the mode is shown as the container's own as well. */
function askedMac(container: Container): { MacAddress?: string } {
  const { settings, networking } = container.record;
  const mode = networkModeOf(container);
  const own = networking[mode] ?? (mode === 'bridge' ? networking['default'] : undefined);
  const asked = settings.macAddress || own?.macAddress;
  return asked ? { MacAddress: asked } : {};
}

function renderConfig(container: Container): ContainerConfig {
  const { settings } = container.record;
  const wire = toWire<ContainerConfig>(ContainerConfigSchema, settings);
  const hasPorts = Object.keys(settings.exposedPorts).length > 0;
  const { ExposedPorts, Volumes, ...rest } = wire;
  return {
    ...rest,
    ...(hasPorts ? { ExposedPorts: ExposedPorts ?? null } : {}),
    Env: settings.env.length > 0 ? [...settings.env] : null,
    Volumes: Object.keys(settings.volumes).length > 0 ? (Volumes ?? null) : null,
    Cmd: settings.cmd ? [...settings.cmd] : null,
    Entrypoint: settings.entrypoint ? [...settings.entrypoint] : null,
    OnBuild: settings.onBuild ? [...settings.onBuild] : null,
    ...askedMac(container),
  };
}

/** dockerd does not count what `--tmpfs` mounts among the mounts. */
function shownMounts({ record }: Container): readonly DomainMount[] {
  const listed = new Set(Object.keys(record.host.tmpfs ?? {}).map((path) => posix.resolve('/', path)));
  return record.mounts.filter(({ type, destination }) => type !== 'tmpfs' || !listed.has(destination));
}

function renderManifest({ record }: Container): { ImageManifestDescriptor?: OciDescriptor } {
  const { manifest, platform } = record.image;
  if (manifest === undefined) return {};
  const { mediaType, digest, size } = manifest;
  const { os, architecture, variant } = platform;
  return {
    ImageManifestDescriptor: {
      mediaType,
      digest,
      size,
      platform: { architecture, os, ...(variant ? { variant } : {}) },
    },
  };
}

function renderMount(services: EngineServices, mount: DomainMount): MountPoint {
  const source =
    mount.type === 'volume' && mount.name !== undefined
      ? mountpointOf(services, mount.name)
      : (mount.image?.id ?? mount.source);
  return {
    Type: mount.type,
    ...(mount.name === undefined ? {} : { Name: mount.name }),
    Source: source,
    Destination: mount.destination,
    ...(mount.type === 'volume' ? { Driver: mount.driver ?? 'local' } : {}),
    Mode: mount.mode,
    RW: mount.rw,
    Propagation: mount.propagation,
  };
}

function mountpointOf(services: EngineServices, name: string): string {
  try {
    return services.volumes.get(name).mountpoint;
  } catch (error) {
    if (isKind(error, 'notFound')) return '';
    throw error;
  }
}

/** What is the same for a whole list, and what this container alone takes. */
export interface ListedWith {
  readonly now: Date;
  /** As the container service gives them. */
  readonly linkNames: ReadonlyMap<string, readonly string[]>;
  readonly endpoints: ReadonlyMap<string, readonly EndpointRecord[]>;
  readonly sizes?: Sizes | undefined;
}

/** What is the same for a whole list that is read now. */
export const listedNow = (services: EngineServices): ListedWith => ({
  now: services.clock.now(),
  linkNames: services.containers.linkNames(),
  endpoints: services.networks.endpointsByContainer(),
});

export function renderSummary(
  services: EngineServices,
  container: Container,
  { now, linkNames, endpoints: all, sizes }: ListedWith,
): ContainerSummary {
  const { record } = container;
  const endpoints = all.get(container.id) ?? [];
  return {
    Id: record.id,
    Names: [`/${record.name}`, ...(linkNames.get(record.id) ?? [])],
    Image: record.settings.image,
    ImageID: record.image.id,
    Command: commandText(commandOf(record.settings)),
    Created: Math.floor(record.createdAt.getTime() / 1000),
    Ports: renderPortList(container, endpoints),
    ...(sizes?.rw ? { SizeRw: sizes.rw } : {}),
    ...(sizes?.rootFs ? { SizeRootFs: sizes.rootFs } : {}),
    Labels: { ...record.settings.labels },
    State: container.state.status,
    Status: statusText(container, now),
    HostConfig: { NetworkMode: networkModeOf(container), ...annotationsOf(container) },
    NetworkSettings: { Networks: renderNetworks(services, container, endpoints) },
    Mounts: shownMounts(container).map((m) => renderMount(services, m)),
    ...renderManifest(container),
  };
}

const annotationsOf = ({ record }: Container): { readonly Annotations?: Record<string, string> } =>
  record.host.annotations && Object.keys(record.host.annotations).length > 0
    ? { Annotations: { ...record.host.annotations } }
    : {};

/** Arguments with spaces in quotes, as dockerd lists a command. */
function commandText([path = '', ...args]: readonly string[]): string {
  return [path, ...args.map((arg) => (arg.includes(' ') ? `'${arg}'` : arg))].join(' ');
}

/** `Up 5 minutes (healthy)`, `Exited (0) 2 hours ago`. */
export function statusText({ state }: Container, now: Date): string {
  const since = (date: Date | undefined): string => humanDuration(now.getTime() - (date ?? now).getTime());
  switch (state.status) {
    case 'running': {
      const health = state.health
        ? ` (${state.health.status === 'starting' ? 'health: starting' : state.health.status})`
        : '';
      return `Up ${since(state.startedAt)}${health}`;
    }
    case 'paused':
      return `Up ${since(state.startedAt)} (Paused)`;
    case 'restarting':
      return `Restarting (${state.exitCode}) ${since(state.finishedAt)} ago`;
    case 'removing':
      return 'Removal In Progress';
    case 'dead':
      return 'Dead';
    case 'created':
      return 'Created';
    default:
      return `Exited (${state.exitCode}) ${since(state.finishedAt)} ago`;
  }
}
