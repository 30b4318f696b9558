import { bool, int, list, map, nullable, obj, opt, ptr, record, type Static, str, strings } from '../schema.ts';
import { Type } from '../type.ts';
import { ContainerSummary } from './containers.ts';
import { ImageSummary } from './images.ts';
import { Volume } from './volumes.ts';

export const Version = obj({
  Platform: opt(obj({ Name: str })),
  Version: str,
  ApiVersion: str,
  MinAPIVersion: str,
  GitCommit: str,
  GoVersion: str,
  Os: str,
  Arch: str,
  KernelVersion: opt(str),
  Experimental: opt(bool),
  BuildTime: opt(str),
  Components: list(obj({ Name: str, Version: str, Details: map(str) })),
});
export type Version = Static<typeof Version>;

const Commit = obj({ ID: str, Expected: opt(str) });
const IndexInfo = obj({ Name: str, Mirrors: strings, Secure: bool, Official: bool });

/** `MemTotal` is bytes. */
export const SystemInfo = obj({
  ID: str,
  Containers: int,
  ContainersRunning: int,
  ContainersPaused: int,
  ContainersStopped: int,
  Images: int,
  Driver: str,
  DriverStatus: Type.Array(strings),
  SystemStatus: list(strings),
  Plugins: obj({
    Volume: nullable(strings),
    Network: nullable(strings),
    Authorization: nullable(strings),
    Log: nullable(strings),
  }),
  MemoryLimit: bool,
  SwapLimit: bool,
  KernelMemory: opt(bool),
  KernelMemoryTCP: opt(bool),
  CpuCfsPeriod: bool,
  CpuCfsQuota: bool,
  CPUShares: bool,
  CPUSet: bool,
  PidsLimit: bool,
  IPv4Forwarding: bool,
  BridgeNfIptables: opt(bool),
  BridgeNfIp6tables: opt(bool),
  Debug: bool,
  NFd: int,
  OomKillDisable: bool,
  NGoroutines: int,
  SystemTime: str,
  LoggingDriver: str,
  CgroupDriver: str,
  CgroupVersion: opt(str),
  NEventsListener: int,
  KernelVersion: str,
  OperatingSystem: str,
  OSVersion: str,
  OSType: str,
  Architecture: str,
  IndexServerAddress: str,
  RegistryConfig: nullable(
    obj({
      AllowNondistributableArtifactsCIDRs: list(str),
      AllowNondistributableArtifactsHostnames: list(str),
      InsecureRegistryCIDRs: strings,
      IndexConfigs: record(IndexInfo),
      Mirrors: nullable(strings),
    }),
  ),
  NCPU: int,
  MemTotal: int,
  GenericResources: nullable(Type.Array(obj({}))),
  DockerRootDir: str,
  HttpProxy: str,
  HttpsProxy: str,
  NoProxy: str,
  Name: str,
  Labels: nullable(strings),
  ExperimentalBuild: bool,
  ServerVersion: str,
  Runtimes: record(obj({ path: opt(str), runtimeArgs: list(str), status: map(str) })),
  DefaultRuntime: str,
  Swarm: obj({
    NodeID: str,
    NodeAddr: str,
    LocalNodeState: str,
    ControlAvailable: bool,
    Error: str,
    RemoteManagers: nullable(Type.Array(obj({ NodeID: str, Addr: str }))),
  }),
  LiveRestoreEnabled: bool,
  Isolation: str,
  InitBinary: str,
  ContainerdCommit: Commit,
  RuncCommit: Commit,
  InitCommit: Commit,
  SecurityOptions: strings,
  ProductLicense: opt(str),
  DefaultAddressPools: list(obj({ Base: str, Size: int })),
  FirewallBackend: ptr(obj({ Driver: str, Info: list(strings) })),
  DiscoveredDevices: list(obj({ Source: str, ID: str })),
  CDISpecDirs: list(str),
  Containerd: ptr(obj({ Address: opt(str), Namespaces: opt(obj({ Containers: str, Plugins: str })) })),
  Warnings: nullable(strings),
});
export type SystemInfo = Static<typeof SystemInfo>;

export const AuthResponse = obj({ Status: str, IdentityToken: opt(str) });
export type AuthResponse = Static<typeof AuthResponse>;

/** `timeNano` is larger than a double holds exactly; servers write it with `JSON.rawJSON`. */
export const EventMessage = obj({
  status: opt(str),
  id: opt(str),
  from: opt(str),
  Type: str,
  Action: str,
  Actor: obj({ ID: str, Attributes: nullable(record(str)) }),
  scope: opt(str),
  time: int,
  timeNano: int,
});
export type EventMessage = Static<typeof EventMessage>;

export const BuildCacheRecord = obj({
  ID: str,
  Parent: opt(str),
  Parents: list(str),
  Type: str,
  Description: str,
  InUse: bool,
  Shared: bool,
  Size: int,
  CreatedAt: str,
  LastUsedAt: nullable(str),
  UsageCount: int,
});
export type BuildCacheRecord = Static<typeof BuildCacheRecord>;

export const BuildPruneResponse = obj({ CachesDeleted: nullable(strings), SpaceReclaimed: int });
export type BuildPruneResponse = Static<typeof BuildPruneResponse>;

/** Bytes. */
export const DiskUsage = obj({
  LayersSize: opt(int),
  Images: list(ImageSummary),
  Containers: list(ContainerSummary),
  Volumes: list(Volume),
  BuildCache: list(BuildCacheRecord),
  BuilderSize: opt(int),
});
export type DiskUsage = Static<typeof DiskUsage>;
