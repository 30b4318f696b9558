import type { HostSettings } from '@berth/containers';
import { HostConfig } from '@berth/engine-api';
import { toWire } from '../case.ts';

/** Every field dockerd shows, at its default. */
const DEFAULTS: HostConfig = {
  Binds: null,
  ContainerIDFile: '',
  LogConfig: { Type: 'json-file', Config: {} },
  NetworkMode: 'bridge',
  PortBindings: null,
  RestartPolicy: { Name: 'no', MaximumRetryCount: 0 },
  AutoRemove: false,
  VolumeDriver: '',
  VolumesFrom: null,
  ConsoleSize: [0, 0],
  CapAdd: null,
  CapDrop: null,
  CgroupnsMode: 'host',
  Dns: null,
  DnsOptions: null,
  DnsSearch: null,
  ExtraHosts: null,
  GroupAdd: null,
  IpcMode: 'private',
  Cgroup: '',
  Links: null,
  OomScoreAdj: 0,
  PidMode: '',
  Privileged: false,
  PublishAllPorts: false,
  ReadonlyRootfs: false,
  SecurityOpt: null,
  UTSMode: '',
  UsernsMode: '',
  ShmSize: 67_108_864,
  Runtime: '',
  Isolation: '',
  CpuShares: 0,
  Memory: 0,
  NanoCpus: 0,
  CgroupParent: '',
  BlkioWeight: 0,
  BlkioWeightDevice: null,
  BlkioDeviceReadBps: null,
  BlkioDeviceWriteBps: null,
  BlkioDeviceReadIOps: null,
  BlkioDeviceWriteIOps: null,
  CpuPeriod: 0,
  CpuQuota: 0,
  CpuRealtimePeriod: 0,
  CpuRealtimeRuntime: 0,
  CpusetCpus: '',
  CpusetMems: '',
  Devices: null,
  DeviceCgroupRules: null,
  DeviceRequests: null,
  MemoryReservation: 0,
  MemorySwap: 0,
  MemorySwappiness: null,
  OomKillDisable: null,
  PidsLimit: null,
  Ulimits: null,
  CpuCount: 0,
  CpuPercent: 0,
  IOMaximumIOps: 0,
  IOMaximumBandwidth: 0,
};

/** Go leaves these out when they are empty. */
const LEFT_OUT_EMPTY = new Set(['annotations', 'storageOpt', 'sysctls', 'tmpfs']);

function isShown(name: string, value: unknown): boolean {
  if (value === undefined || value === null || value === '') return false;
  return !LEFT_OUT_EMPTY.has(name) || Object.keys(value).length > 0;
}

/** HostConfig as inspect shows it: what was given, and dockerd's defaults for what was not. */
export function renderHostConfig(host: HostSettings, runtime: string, cgroupns: string): HostConfig {
  const given = Object.fromEntries(Object.entries(host).filter(([name, value]) => isShown(name, value)));
  const wire = toWire<HostConfig>(HostConfig, given);
  return {
    ...DEFAULTS,
    CgroupnsMode: cgroupns,
    ...wire,
    Runtime: runtime,
    ...(wire.NetworkMode === 'default' ? { NetworkMode: 'bridge' } : {}),
    ...(wire.RestartPolicy?.Name ? {} : { RestartPolicy: { Name: 'no', MaximumRetryCount: 0 } }),
    ...(wire.LogConfig?.Type
      ? { LogConfig: { Type: wire.LogConfig.Type, Config: wire.LogConfig.Config ?? {} } }
      : { LogConfig: { Type: 'json-file', Config: {} } }),
    ...(host.shmSize ? {} : { ShmSize: 67_108_864 }),
  };
}
