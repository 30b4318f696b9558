import { bool, int, list, map, nullable, obj, opt, ptr, record, type Static, str, strings } from '../schema.ts';
import { Type } from '../type.ts';
import { DriverData, OciDescriptor, Port } from './common.ts';
import { ContainerConfig } from './config.ts';
import { HostConfig, PortMap } from './host-config.ts';
import { EndpointSettings, NetworkingConfig } from './networks.ts';

export const ContainerCreateBody = obj({
  ...ContainerConfig.properties,
  HostConfig: ptr(HostConfig),
  NetworkingConfig: ptr(NetworkingConfig),
});
export type ContainerCreateBody = Static<typeof ContainerCreateBody>;

export const ContainerCreateResponse = obj({ Id: str, Warnings: nullable(strings) });
export type ContainerCreateResponse = Static<typeof ContainerCreateResponse>;

export const HealthcheckResult = obj({ Start: str, End: str, ExitCode: int, Output: str });
export type HealthcheckResult = Static<typeof HealthcheckResult>;

/** `Status` is `starting`, `healthy`, `unhealthy` or `none`. */
export const Health = obj({ Status: str, FailingStreak: int, Log: nullable(Type.Array(HealthcheckResult)) });
export type Health = Static<typeof Health>;

/** Times are RFC 3339 with nanoseconds; a time that never was is `0001-01-01T00:00:00Z`. */
export const ContainerState = obj({
  Status: str,
  Running: bool,
  Paused: bool,
  Restarting: bool,
  OOMKilled: bool,
  Dead: bool,
  Pid: int,
  ExitCode: int,
  Error: str,
  StartedAt: str,
  FinishedAt: str,
  Health: ptr(Health),
});
export type ContainerState = Static<typeof ContainerState>;

export const MountPoint = obj({
  Type: str,
  Name: opt(str),
  Source: str,
  Destination: str,
  Driver: opt(str),
  Mode: str,
  RW: bool,
  Propagation: str,
});
export type MountPoint = Static<typeof MountPoint>;

const Address = obj({ Addr: str, PrefixLen: int });

export const NetworkSettings = obj({
  Bridge: str,
  SandboxID: str,
  SandboxKey: str,
  Ports: nullable(PortMap),
  HairpinMode: bool,
  LinkLocalIPv6Address: str,
  LinkLocalIPv6PrefixLen: int,
  SecondaryIPAddresses: list(Address),
  SecondaryIPv6Addresses: list(Address),
  EndpointID: str,
  Gateway: str,
  GlobalIPv6Address: str,
  GlobalIPv6PrefixLen: int,
  IPAddress: str,
  IPPrefixLen: int,
  IPv6Gateway: str,
  MacAddress: str,
  Networks: nullable(record(EndpointSettings)),
});
export type NetworkSettings = Static<typeof NetworkSettings>;

export const ContainerInspect = obj({
  Id: str,
  Created: str,
  Path: str,
  Args: strings,
  State: ContainerState,
  Image: str,
  ResolvConfPath: str,
  HostnamePath: str,
  HostsPath: str,
  LogPath: str,
  Name: str,
  RestartCount: int,
  Driver: str,
  Platform: str,
  MountLabel: str,
  ProcessLabel: str,
  AppArmorProfile: str,
  ExecIDs: nullable(strings),
  HostConfig,
  GraphDriver: DriverData,
  SizeRw: ptr(int),
  SizeRootFs: ptr(int),
  Mounts: Type.Array(MountPoint),
  Config: ContainerConfig,
  NetworkSettings,
  ImageManifestDescriptor: ptr(OciDescriptor),
});
export type ContainerInspect = Static<typeof ContainerInspect>;

/** `Created` is seconds since the epoch. */
export const ContainerSummary = obj({
  Id: str,
  Names: strings,
  Image: str,
  ImageID: str,
  Command: str,
  Created: int,
  Ports: Type.Array(Port),
  SizeRw: opt(int),
  SizeRootFs: opt(int),
  Labels: nullable(record(str)),
  State: str,
  Status: str,
  HostConfig: obj({ NetworkMode: opt(str), Annotations: map(str) }),
  NetworkSettings: ptr(obj({ Networks: nullable(record(EndpointSettings)) })),
  Mounts: Type.Array(MountPoint),
  ImageManifestDescriptor: ptr(OciDescriptor),
});
export type ContainerSummary = Static<typeof ContainerSummary>;

export const ContainerUpdateResponse = obj({ Warnings: nullable(strings) });
export type ContainerUpdateResponse = Static<typeof ContainerUpdateResponse>;

export const ContainerTopResponse = obj({ Titles: strings, Processes: Type.Array(strings) });
export type ContainerTopResponse = Static<typeof ContainerTopResponse>;

/** `Kind`: 0 modified, 1 added, 2 deleted. */
export const FilesystemChange = obj({ Path: str, Kind: int });
export type FilesystemChange = Static<typeof FilesystemChange>;

export const ContainerWaitResponse = obj({ StatusCode: int, Error: ptr(obj({ Message: str })) });
export type ContainerWaitResponse = Static<typeof ContainerWaitResponse>;

export const ContainerPruneResponse = obj({ ContainersDeleted: nullable(strings), SpaceReclaimed: int });
export type ContainerPruneResponse = Static<typeof ContainerPruneResponse>;

/** The decoded `X-Docker-Container-Path-Stat` header; `mode` is Go's FileMode, `mtime` RFC 3339. */
export const PathStat = obj({ name: str, size: int, mode: int, mtime: str, linkTarget: str });
export type PathStat = Static<typeof PathStat>;
