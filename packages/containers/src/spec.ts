import { join } from 'node:path';
import { errnoOf, internal, invalid, isKind } from '@berth/base';
import type { SpecDevice, SpecInput, SpecMount, SpecNamespace, SpecNamespaces, SpecResources } from '@berth/runtime';
import { deviceNumbers, resolveUser } from '@berth/runtime';
import type { Container } from './container.ts';
import { commandOf } from './create.ts';
import type { ContainerDeps } from './deps.ts';
import { ETC_FILES, etcDirectory } from './etc-files.ts';
import { linkEnvironment } from './link-environment.ts';
import type { RunResources } from './resources.ts';
import { makeDirectoryInRoot } from './root-path.ts';
import { parseDeviceRule, securityOptions } from './security.ts';
import { ipcDonor, sharedMemoryOf } from './shared-memory.ts';
import { cgroupPathOf } from './stats.ts';
import type { HostSettings } from './types.ts';

const DEFAULT_PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Everything the runtime is told about a run of the container. Without `joins`: for further processes of one that runs. */
export async function specInputFor(
  deps: ContainerDeps,
  container: Container,
  resources: RunResources,
  { joins = true }: { readonly joins?: boolean } = {},
): Promise<SpecInput> {
  const { settings, host } = container.record;
  const user = await resolveUser(resources.rootfs, settings.user, host.groupAdd ?? []);
  const cwd = settings.workingDir || '/';
  makeWorkingDirectory(resources.rootfs, cwd);
  const security = securityOptions(host);
  return {
    host: deps.host,
    args: commandOf(settings),
    env: environment(container, user.home, linkEnvironment(deps, container)),
    cwd,
    user,
    terminal: settings.tty,
    ...consoleSizeOf(host.consoleSize),
    rootfs: { path: resources.rootfs, readonly: host.readonlyRootfs ?? false },
    ...(settings.hostname ? { hostname: settings.hostname } : {}),
    ...(settings.domainname ? { domainname: settings.domainname } : {}),
    mounts: [...etcMounts(deps, container, resources.mounts), ...resources.mounts],
    ...(joins ? sharedMemoryOf(deps, container) : {}),
    namespaces: joins ? namespacesOf(deps, container, resources) : {},
    cgroupsPath: cgroupPathOf(deps, container),
    resources: resourcesOf(host),
    ...devicesOf(host),
    capAdd: host.capAdd ?? [],
    capDrop: host.capDrop ?? [],
    privileged: host.privileged ?? false,
    seccomp: security.seccomp,
    ...(security.apparmor ? { apparmor: security.apparmor } : {}),
    noNewPrivileges: security.noNewPrivileges,
    ...(security.writableCgroups === undefined ? {} : { writableCgroups: security.writableCgroups }),
    ...(security.unmasked ? { maskedPaths: [], readonlyPaths: [] } : {}),
    ...(host.maskedPaths ? { maskedPaths: host.maskedPaths } : {}),
    ...(host.readonlyPaths ? { readonlyPaths: host.readonlyPaths } : {}),
    rlimits: host.ulimits && host.ulimits.length > 0 ? host.ulimits : deps.defaults.ulimits,
    ...(host.oomScoreAdj ? { oomScoreAdj: host.oomScoreAdj } : {}),
    sysctls: host.sysctls ?? {},
    annotations: host.annotations ?? {},
    ...initOf(deps, host),
  };
}

function makeWorkingDirectory(rootfs: string, path: string): void {
  if (path === '/') return;
  try {
    makeDirectoryInRoot(rootfs, path);
  } catch (cause) {
    throw isKind(cause, 'conflict') || errnoOf(cause) === 'ENOTDIR'
      ? invalid(`Cannot mkdir: ${path} is not a directory`, { cause })
      : cause;
  }
}

/** dockerd's own variables, those of links, then the user's, which win. */
function environment(container: Container, home: string, links: readonly string[]): readonly string[] {
  const { settings } = container.record;
  const own = [
    DEFAULT_PATH,
    `HOSTNAME=${settings.hostname}`,
    ...(settings.tty ? ['TERM=xterm'] : []),
    `HOME=${home}`,
    ...links,
  ];
  const given = new Set(settings.env.map((entry) => entry.split('=')[0]));
  // `-e NAME` without a value removes the variable.
  return [
    ...own.filter((entry) => !given.has(entry.split('=')[0])),
    ...settings.env.filter((entry) => entry.includes('=')),
  ];
}

function consoleSizeOf(size: readonly number[] | null | undefined): Pick<SpecInput, 'consoleSize'> {
  const [height, width] = size ?? [];
  return height && width ? { consoleSize: { height, width } } : {};
}

function etcMounts(deps: ContainerDeps, container: Container, given: readonly SpecMount[]): readonly SpecMount[] {
  const directory = etcDirectory(deps, container);
  const taken = new Set(given.map((m) => m.destination));
  const readonly = container.record.host.readonlyRootfs ?? false;
  return ETC_FILES.filter((name) => !taken.has(`/etc/${name}`)).map((name) => ({
    type: 'bind',
    source: join(directory, name),
    destination: `/etc/${name}`,
    readonly,
    propagation: 'rprivate',
  }));
}

function namespacesOf(deps: ContainerDeps, container: Container, resources: RunResources): SpecNamespaces {
  const { host } = container.record;
  const { netnsPath } = resources.sandbox;
  const uts = host.utsMode === 'host' ? 'host' : 'private';
  return {
    network: netnsPath === undefined ? 'host' : { path: netnsPath },
    pid: shared(host.pidMode, 'pid', (mode) => pidOf(deps, mode)),
    ipc: shared(host.ipcMode, 'ipc', (mode) => ipcDonor(deps, mode).state.pid),
    uts,
    ...(host.cgroupnsMode === 'host' || host.cgroupnsMode === 'private' ? { cgroup: host.cgroupnsMode } : {}),
  };
}

function shared(mode: string | undefined, namespace: string, pid: (mode: string) => number): SpecNamespace {
  if (mode === 'host') return 'host';
  if (mode?.startsWith('container:')) return { path: `/proc/${pid(mode)}/ns/${namespace}` };
  return 'private';
}

function pidOf(deps: ContainerDeps, mode: string): number {
  const other = deps.store.get(mode.slice('container:'.length));
  if (!other.isRunning) throw internal(`failed to join PID namespace: container ${other.id} is not running`);
  return other.state.pid;
}

export function resourcesOf(host: HostSettings): SpecResources {
  const blockIo = blockIoOf(host);
  return {
    ...(host.memory ? { memory: host.memory } : {}),
    ...(host.memoryReservation ? { memoryReservation: host.memoryReservation } : {}),
    ...(host.memorySwap ? { memorySwap: host.memorySwap } : {}),
    ...(typeof host.memorySwappiness === 'number' && host.memorySwappiness >= 0
      ? { memorySwappiness: host.memorySwappiness }
      : {}),
    ...(host.kernelMemoryTCP ? { kernelMemoryTcp: host.kernelMemoryTCP } : {}),
    ...(host.oomKillDisable ? { oomKillDisable: true } : {}),
    ...(host.nanoCpus ? { nanoCpus: host.nanoCpus } : {}),
    ...(host.cpuShares ? { cpuShares: host.cpuShares } : {}),
    ...(host.cpuQuota ? { cpuQuota: host.cpuQuota } : {}),
    ...(host.cpuPeriod ? { cpuPeriod: host.cpuPeriod } : {}),
    ...(host.cpuRealtimePeriod ? { cpuRealtimePeriod: host.cpuRealtimePeriod } : {}),
    ...(host.cpuRealtimeRuntime ? { cpuRealtimeRuntime: host.cpuRealtimeRuntime } : {}),
    ...(host.cpusetCpus ? { cpusetCpus: host.cpusetCpus } : {}),
    ...(host.cpusetMems ? { cpusetMems: host.cpusetMems } : {}),
    ...(typeof host.pidsLimit === 'number' && host.pidsLimit > 0 ? { pidsLimit: host.pidsLimit } : {}),
    ...(blockIo ? { blockIo } : {}),
  };
}

function blockIoOf(host: HostSettings): SpecResources['blockIo'] {
  const rates = (list: HostSettings['blkioDeviceReadBps']) =>
    (list ?? []).map(({ path, rate }) => ({ ...deviceNumbers(path), rate }));
  const weightDevice = (host.blkioWeightDevice ?? []).map(({ path, weight }) => ({ ...deviceNumbers(path), weight }));
  const lists = {
    weightDevice,
    throttleReadBpsDevice: rates(host.blkioDeviceReadBps),
    throttleWriteBpsDevice: rates(host.blkioDeviceWriteBps),
    throttleReadIOPSDevice: rates(host.blkioDeviceReadIOps),
    throttleWriteIOPSDevice: rates(host.blkioDeviceWriteIOps),
  };
  const given = Object.fromEntries(Object.entries(lists).filter(([, list]) => list.length > 0));
  const blockIo = { ...(host.blkioWeight ? { weight: host.blkioWeight } : {}), ...given };
  return Object.keys(blockIo).length > 0 ? blockIo : undefined;
}

function devicesOf(host: HostSettings): Pick<SpecInput, 'devices' | 'deviceCgroupRules'> {
  const devices: readonly SpecDevice[] = (host.devices ?? []).map((d) => ({
    pathOnHost: d.pathOnHost,
    pathInContainer: d.pathInContainer || d.pathOnHost,
    ...(d.cgroupPermissions ? { permissions: d.cgroupPermissions } : {}),
  }));
  return { devices, deviceCgroupRules: (host.deviceCgroupRules ?? []).map(parseDeviceRule) };
}

function initOf(deps: ContainerDeps, host: HostSettings): Pick<SpecInput, 'initPath'> {
  if (!(host.init ?? deps.defaults.init)) return {};
  if (deps.paths.init === undefined)
    throw internal('--init needs tini: install the package tini, or pass --init-path to berthd');
  return { initPath: deps.paths.init };
}
