import { bool, int, list, map, nullable, obj, opt, ptr, record, type Static, str } from '../schema.ts';
import { Type } from '../type.ts';

export const PortBinding = obj({ HostIp: opt(str), HostPort: opt(str) });
export type PortBinding = Static<typeof PortBinding>;

/** Keys are `port/protocol`; null means exposed without a published port. */
export const PortMap = record(nullable(Type.Array(PortBinding)));
export type PortMap = Static<typeof PortMap>;

export const DeviceMapping = obj({ PathOnHost: opt(str), PathInContainer: opt(str), CgroupPermissions: opt(str) });
export type DeviceMapping = Static<typeof DeviceMapping>;

export const DeviceRequest = obj({
  Driver: opt(str),
  Count: opt(int),
  DeviceIDs: list(str),
  Capabilities: list(Type.Array(str)),
  Options: map(str),
});
export type DeviceRequest = Static<typeof DeviceRequest>;

export const ThrottleDevice = obj({ Path: opt(str), Rate: opt(int) });
export const WeightDevice = obj({ Path: opt(str), Weight: opt(int) });
export const Ulimit = obj({ Name: opt(str), Hard: opt(int), Soft: opt(int) });
export type Ulimit = Static<typeof Ulimit>;

/** `Name` is `no`, `always`, `unless-stopped`, `on-failure` or empty. */
export const RestartPolicy = obj({ Name: opt(str), MaximumRetryCount: opt(int) });
export type RestartPolicy = Static<typeof RestartPolicy>;

export const LogConfig = obj({ Type: opt(str), Config: map(str) });
export type LogConfig = Static<typeof LogConfig>;

/** A mount in the long form; `Type` is `bind`, `volume`, `tmpfs`, `image`, `npipe` or `cluster`. */
export const Mount = obj({
  Type: opt(str),
  Source: opt(str),
  Target: opt(str),
  ReadOnly: opt(bool),
  Consistency: opt(str),
  BindOptions: ptr(
    obj({
      Propagation: opt(str),
      NonRecursive: opt(bool),
      CreateMountpoint: opt(bool),
      ReadOnlyNonRecursive: opt(bool),
      ReadOnlyForceRecursive: opt(bool),
    }),
  ),
  VolumeOptions: ptr(
    obj({
      NoCopy: opt(bool),
      Labels: map(str),
      Subpath: opt(str),
      DriverConfig: ptr(obj({ Name: opt(str), Options: map(str) })),
    }),
  ),
  ImageOptions: ptr(obj({ Subpath: opt(str) })),
  TmpfsOptions: ptr(obj({ SizeBytes: opt(int), Mode: opt(int), Options: list(Type.Array(str)) })),
  ClusterOptions: ptr(obj({})),
});
export type Mount = Static<typeof Mount>;

const resources = {
  CpuShares: opt(int),
  Memory: opt(int),
  NanoCpus: opt(int),
  CgroupParent: opt(str),
  BlkioWeight: opt(int),
  BlkioWeightDevice: list(WeightDevice),
  BlkioDeviceReadBps: list(ThrottleDevice),
  BlkioDeviceWriteBps: list(ThrottleDevice),
  BlkioDeviceReadIOps: list(ThrottleDevice),
  BlkioDeviceWriteIOps: list(ThrottleDevice),
  CpuPeriod: opt(int),
  CpuQuota: opt(int),
  CpuRealtimePeriod: opt(int),
  CpuRealtimeRuntime: opt(int),
  CpusetCpus: opt(str),
  CpusetMems: opt(str),
  Devices: list(DeviceMapping),
  DeviceCgroupRules: list(str),
  DeviceRequests: list(DeviceRequest),
  KernelMemory: opt(int),
  KernelMemoryTCP: opt(int),
  MemoryReservation: opt(int),
  MemorySwap: opt(int),
  MemorySwappiness: ptr(int),
  OomKillDisable: ptr(bool),
  PidsLimit: ptr(int),
  Ulimits: list(Ulimit),
  CpuCount: opt(int),
  CpuPercent: opt(int),
  IOMaximumIOps: opt(int),
  IOMaximumBandwidth: opt(int),
};

/** Limits of a container: bytes, nanoseconds of CPU, microseconds of quota and period. */
export const Resources = obj(resources);
export type Resources = Static<typeof Resources>;

/** What ties a container to its host. */
export const HostConfig = obj({
  Binds: list(str),
  ContainerIDFile: opt(str),
  LogConfig: opt(LogConfig),
  NetworkMode: opt(str),
  PortBindings: opt(nullable(PortMap)),
  RestartPolicy: opt(RestartPolicy),
  AutoRemove: opt(bool),
  VolumeDriver: opt(str),
  VolumesFrom: list(str),
  Mounts: list(Mount),
  ConsoleSize: list(int),
  Annotations: map(str),
  CapAdd: list(str),
  CapDrop: list(str),
  CgroupnsMode: opt(str),
  Dns: list(str),
  DnsOptions: list(str),
  DnsSearch: list(str),
  ExtraHosts: list(str),
  GroupAdd: list(str),
  IpcMode: opt(str),
  Cgroup: opt(str),
  Links: list(str),
  OomScoreAdj: opt(int),
  PidMode: opt(str),
  Privileged: opt(bool),
  PublishAllPorts: opt(bool),
  ReadonlyRootfs: opt(bool),
  SecurityOpt: list(str),
  StorageOpt: map(str),
  Tmpfs: map(str),
  UTSMode: opt(str),
  UsernsMode: opt(str),
  ShmSize: opt(int),
  Sysctls: map(str),
  Runtime: opt(str),
  Isolation: opt(str),
  MaskedPaths: list(str),
  ReadonlyPaths: list(str),
  Init: ptr(bool),
  ...resources,
});
export type HostConfig = Static<typeof HostConfig>;

export const ContainerUpdateBody = obj({ ...resources, RestartPolicy: opt(RestartPolicy) });
export type ContainerUpdateBody = Static<typeof ContainerUpdateBody>;
