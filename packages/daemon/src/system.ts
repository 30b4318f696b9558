import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { cpus, hostname, release, totalmem } from 'node:os';
import type { Logger } from '@berth/base';
import type { SystemInfo } from '@berth/engine-api';
import type { SystemService } from '@berth/engine-server';
import { LOG_DRIVERS } from '@berth/logs';
import { decodeManifest, type Platform, parseReference } from '@berth/oci';
import { maskProxy, type RegistryClient } from '@berth/registry-client';
import type { HostFacts } from '@berth/runtime';
import type { DaemonConfig } from './config.ts';
import type { DaemonPaths } from './paths.ts';
import { readAll } from './read-remote.ts';
import type { Runtimes } from './runtimes.ts';
import { VERSION } from './version.ts';

export interface SystemParts {
  readonly config: DaemonConfig;
  readonly paths: DaemonPaths;
  readonly instanceId: string;
  /** Those in use and those that plugins may be. */
  readonly volumeDrivers: () => readonly string[];
  readonly host: HostFacts;
  readonly runtimes: Runtimes;
  readonly registry: RegistryClient;
  readonly fsck: SystemService['fsck'];
  readonly gc: SystemService['gc'];
  readonly layersSize: () => Promise<number>;
  readonly logger: Logger;
}

/** /info, /version and what else the daemon says about itself. */
export function createSystemService(parts: SystemParts): SystemService {
  const startedAt = new Date();
  const { config, paths, runtimes, host } = parts;
  return {
    version: VERSION.version,
    gitCommit: VERSION.commit,
    buildTime: VERSION.builtAt,
    experimental: false,
    components: [
      {
        name: runtimes.defaultName,
        version: runtimes.version.version,
        details: { GitCommit: runtimes.version.commit },
      },
    ],
    info: async () => systemInfo(parts),
    berth: async () => ({
      version: VERSION.version,
      instance: parts.instanceId,
      dataRoot: paths.dataRoot,
      execRoot: paths.execRoot,
      pid: process.pid,
      startedAt: startedAt.toISOString(),
      runtime: runtimes.defaultName,
      details: { storageDriver: config.storageDriver, cgroupnsMode: host.cgroupVersion === 2 ? 'private' : 'host' },
    }),
    fsck: (options) => parts.fsck(options),
    gc: (options) => parts.gc(options),
    layersSize: () => parts.layersSize(),
    async distribution(reference, { credential, signal }) {
      const parsed = parseReference(reference);
      const repository = parts.registry.repository(parsed, { credential });
      const descriptor = await repository.resolve(parsed.digest ?? parsed.tag ?? 'latest', { signal });
      return { descriptor, platforms: await platformsOf(repository, descriptor, signal) };
    },
    search: (term, options) => parts.registry.search(term, options),
    async login(server, credential, options) {
      const result = await parts.registry.login(server, credential, options);
      return { status: 'Login Succeeded', ...result };
    },
  };
}

async function platformsOf(
  repository: ReturnType<RegistryClient['repository']>,
  descriptor: Awaited<ReturnType<ReturnType<RegistryClient['repository']>['resolve']>>,
  signal: AbortSignal | undefined,
): Promise<readonly Platform[]> {
  const document = decodeManifest(await readAll(await repository.fetch(descriptor, { signal })));
  if (document.kind === 'index') return document.index.manifests.flatMap((m) => (m.platform ? [m.platform] : []));
  if (document.kind !== 'image') return [];
  const config = JSON.parse(
    Buffer.from(await readAll(await repository.fetch(document.image.config, { signal }))).toString('utf8'),
  ) as Platform;
  return config.os
    ? [{ os: config.os, architecture: config.architecture, ...(config.variant ? { variant: config.variant } : {}) }]
    : [];
}

const SECURITY = (host: HostFacts): string[] => [
  ...(host.apparmor ? ['name=apparmor'] : []),
  ...(host.seccomp ? ['name=seccomp,profile=builtin'] : []),
  ...(host.cgroupVersion === 2 ? ['name=cgroupns'] : []),
];

function systemInfo({
  config,
  paths,
  instanceId,
  host,
  runtimes,
  volumeDrivers,
}: SystemParts): Awaited<ReturnType<SystemService['info']>> {
  const has = controllers(host);
  const commit = { ID: runtimes.version.commit };
  const mirrors = config.registryMirrors.map((mirror) => mirror.replace(/\/?$/, '/'));
  const info: Awaited<ReturnType<SystemService['info']>> = {
    ID: instanceId,
    Driver: config.storageDriver,
    DriverStatus: [['driver-type', 'berth.snapshotter.v1']],
    Plugins: {
      Volume: [...volumeDrivers()],
      Network: ['bridge', 'host', 'null'],
      Authorization: null,
      Log: [...LOG_DRIVERS].toSorted(),
    },
    MemoryLimit: has('memory'),
    SwapLimit:
      host.cgroupVersion === 2 ? has('memory') : existsSync('/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes'),
    KernelMemoryTCP: existsSync('/sys/fs/cgroup/memory/memory.kmem.tcp.limit_in_bytes'),
    CpuCfsPeriod: has('cpu'),
    CpuCfsQuota: has('cpu'),
    CPUShares: has('cpu'),
    CPUSet: has('cpuset'),
    PidsLimit: has('pids'),
    IPv4Forwarding: read('/proc/sys/net/ipv4/ip_forward') === '1',
    Debug: config.logLevel === 'debug',
    NFd: readdirSync('/proc/self/fd').length,
    OomKillDisable: host.cgroupVersion === 1 && has('memory'),
    NGoroutines: process.getActiveResourcesInfo().length,
    LoggingDriver: config.logDriver,
    CgroupDriver: 'cgroupfs',
    CgroupVersion: String(host.cgroupVersion),
    NEventsListener: 0,
    KernelVersion: release(),
    OperatingSystem: osRelease('PRETTY_NAME') ?? 'Linux',
    OSVersion: osRelease('VERSION_ID') ?? '',
    OSType: 'linux',
    Architecture: machine(),
    IndexServerAddress: 'https://index.docker.io/v1/',
    RegistryConfig: {
      InsecureRegistryCIDRs: ['127.0.0.0/8', '::1/128', ...config.insecureRegistries.filter((r) => r.includes('/'))],
      IndexConfigs: {
        'docker.io': { Name: 'docker.io', Mirrors: mirrors, Secure: true, Official: true },
        ...Object.fromEntries(
          config.insecureRegistries
            .filter((r) => !r.includes('/'))
            .map((r) => [r, { Name: r, Mirrors: [], Secure: false, Official: false }]),
        ),
      },
      Mirrors: mirrors,
    },
    NCPU: cpus().length,
    MemTotal: totalmem(),
    GenericResources: null,
    DockerRootDir: paths.dataRoot,
    HttpProxy: maskProxy(config.proxies.http),
    HttpsProxy: maskProxy(config.proxies.https),
    NoProxy: config.proxies.none ?? '',
    Name: hostname(),
    Labels: [...config.labels],
    ExperimentalBuild: false,
    ServerVersion: VERSION.version,
    Runtimes: Object.fromEntries([...runtimes.all].map(([name, runtime]) => [name, { path: runtime.path }])),
    DefaultRuntime: runtimes.defaultName,
    Swarm: {
      NodeID: '',
      NodeAddr: '',
      LocalNodeState: 'inactive',
      ControlAvailable: false,
      Error: '',
      RemoteManagers: null,
    },
    LiveRestoreEnabled: config.liveRestore,
    Isolation: '',
    InitBinary: 'tini',
    ContainerdCommit: { ID: '' },
    RuncCommit: commit,
    InitCommit: { ID: '' },
    SecurityOptions: SECURITY(host),
    FirewallBackend: { Driver: 'nftables' },
    Warnings: null,
  };
  return { ...info, Warnings: warnings(info, config) };
}

/** Only what is true of this host. */
function warnings(
  info: Pick<
    SystemInfo,
    'MemoryLimit' | 'SwapLimit' | 'CpuCfsQuota' | 'CPUShares' | 'CPUSet' | 'PidsLimit' | 'IPv4Forwarding'
  >,
  config: DaemonConfig,
): string[] | null {
  const list = [
    ...(info.MemoryLimit ? [] : ['WARNING: No memory limit support']),
    ...(info.SwapLimit ? [] : ['WARNING: No swap limit support']),
    ...(info.CpuCfsQuota ? [] : ['WARNING: No cpu cfs quota support']),
    ...(info.CPUShares ? [] : ['WARNING: No cpu shares support']),
    ...(info.CPUSet ? [] : ['WARNING: No cpuset support']),
    ...(info.PidsLimit ? [] : ['WARNING: No pids limit support']),
    ...(info.IPv4Forwarding ? [] : ['WARNING: IPv4 forwarding is disabled']),
    ...config.hosts.flatMap((host) => openTcp(host, config)),
  ];
  return list.length > 0 ? list : null;
}

/** The sentence about an address where whoever connects is root. */
function openTcp(host: string, { tls }: DaemonConfig): readonly string[] {
  if (!host.startsWith('tcp://') || tls?.verify) return [];
  const [scheme, without] = tls ? ['https', 'TLS client verification'] : ['http', 'encryption'];
  return [
    `WARNING: API is accessible on ${host.replace('tcp', scheme)} without ${without}.\n         Access to the remote API is equivalent to root access on the host.`,
  ];
}

function controllers(host: HostFacts): (name: string) => boolean {
  if (host.cgroupVersion === 2) {
    const names = new Set(read('/sys/fs/cgroup/cgroup.controllers').split(' '));
    return (name) => names.has(name);
  }
  return (name) => existsSync(`/sys/fs/cgroup/${name}`);
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}

function osRelease(key: string): string | undefined {
  const line = read('/etc/os-release')
    .split('\n')
    .find((l) => l.startsWith(`${key}=`));
  return line?.slice(key.length + 1).replace(/^"|"$/g, '');
}

const machine = (): string => ({ x64: 'x86_64', arm64: 'aarch64' })[process.arch as string] ?? process.arch;
