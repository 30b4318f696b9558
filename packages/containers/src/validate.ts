import { cpus } from 'node:os';
import { invalid, messageOf, notImplemented } from '@berth/base';
import { parseLogConfig } from '@berth/logs';
import { normalizeCapability } from '@berth/runtime';
import { parseHostPorts, parsePort } from './network.ts';
import type { ContainerSettings, EndpointSettings, HostSettings, RestartPolicy } from './types.ts';

const NAMED_RESTARTS = new Set(['', 'no', 'always', 'unless-stopped', 'on-failure']);

/** Refuses what dockerd refuses at create, in its words, and clearly what this engine does not do. */
export function validateCreate(settings: ContainerSettings, host: HostSettings): void {
  if (settings.hostname !== '' && !/^[a-zA-Z0-9]([a-zA-Z0-9_.-]*[a-zA-Z0-9])?$/.test(settings.hostname))
    throw invalid(`invalid hostname format: ${settings.hostname}`);
  if (settings.hostname.length > 63 && !settings.hostname.includes('.'))
    throw invalid(`invalid hostname format: ${settings.hostname}`);
  if (settings.workingDir !== '' && !settings.workingDir.startsWith('/'))
    throw invalid(`the working directory '${settings.workingDir}' is invalid, it needs to be an absolute path`);
  for (const entry of settings.env)
    if (entry === '' || entry.startsWith('=')) throw invalid(`invalid environment variable: ${entry}`);
  if (settings.stopSignal) parseSignal(settings.stopSignal);
  validateHealth(settings);
  validateRestart(host.restartPolicy, host.autoRemove ?? false);
  validateNamespaces(host);
  validateSharedNetwork(settings, host);
  validateCapabilities(host);
  validateResources(host);
  validatePorts(settings, host);
  parseLogConfig(host.logConfig?.type ?? '', host.logConfig?.config ?? {});
  if ((host.deviceRequests ?? []).length > 0)
    throw invalid(
      'could not select device driver "" with capabilities: [[gpu]]: device requests (GPUs) are not supported by Berth',
    );
  if (host.isolation && host.isolation !== 'default') throw invalid(`invalid isolation (${host.isolation}) on linux`);
  if (host.usernsMode && host.usernsMode !== 'host')
    throw invalid('invalid user namespace mode: only "" and "host" are supported');
  if (Object.keys(host.storageOpt ?? {}).length > 0)
    throw invalid("--storage-opt is supported only for overlay over xfs with 'pquota' mount option");
}

function validateHealth({ healthcheck }: ContainerSettings): void {
  if (!healthcheck) return;
  const minimum = 1_000_000;
  for (const [field, text] of [
    ['interval', 'Interval'],
    ['timeout', 'Timeout'],
    ['startPeriod', 'StartPeriod'],
    ['startInterval', 'StartInterval'],
  ] as const) {
    const value = healthcheck[field];
    if (value !== undefined && value !== 0 && value < minimum)
      throw invalid(`${text} in Healthcheck cannot be less than 1ms`);
  }
  if ((healthcheck.retries ?? 0) < 0) throw invalid('Retries in Healthcheck cannot be negative');
}

export function validateRestart(policy: RestartPolicy | undefined, autoRemove: boolean): void {
  if (!policy) return;
  if (!NAMED_RESTARTS.has(policy.name))
    throw invalid(
      `invalid restart policy: unknown policy '${policy.name}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`,
    );
  const retries = policy.maximumRetryCount ?? 0;
  if (policy.name !== 'on-failure' && retries !== 0)
    throw invalid("invalid restart policy: maximum retry count can only be used with 'on-failure'");
  if (retries < 0) throw invalid('invalid restart policy: maximum retry count cannot be negative');
  if (autoRemove && policy.name !== '' && policy.name !== 'no')
    throw invalid("can't create 'AutoRemove' container with restart policy");
}

export function validateEndpoints(networking: Readonly<Record<string, EndpointSettings>>): void {
  for (const { ipamConfig } of Object.values(networking))
    if ((ipamConfig?.linkLocalIPs ?? []).length > 0) throw notImplemented('link-local addresses are not implemented');
}

function validateCapabilities(host: HostSettings): void {
  for (const [names, field] of [
    [host.capAdd, 'CapAdd'],
    [host.capDrop, 'CapDrop'],
  ] as const)
    for (const name of names ?? []) {
      try {
        normalizeCapability(name);
      } catch (cause) {
        throw invalid(`invalid ${field}: ${messageOf(cause)}`, { cause });
      }
    }
}

function validateNamespaces(host: HostSettings): void {
  for (const [value, what] of [
    [host.pidMode, 'PID'],
    [host.ipcMode, 'IPC'],
  ] as const) {
    if (!value || value === 'host' || value === 'private' || value === 'shareable' || value === 'none') continue;
    if (!/^container:.+/.test(value)) throw invalid(`invalid ${what} mode: ${value}`);
  }
  if (/^(shareable|container:)/.test(host.ipcMode ?? ''))
    throw notImplemented(
      `IPC mode ${host.ipcMode}: sharing IPC between containers is not implemented, "private" and "host" are`,
    );
  if (host.utsMode && host.utsMode !== 'host') throw invalid(`invalid UTS mode: ${host.utsMode}`);
  if (host.cgroupnsMode && !['host', 'private'].includes(host.cgroupnsMode))
    throw invalid(`invalid cgroup namespace mode: ${host.cgroupnsMode}`);
}

/** Who shares another container's network can not have settings of its own that belong to a network. */
function validateSharedNetwork(settings: ContainerSettings, host: HostSettings): void {
  if (host.utsMode === 'host' && settings.hostname !== '')
    throw invalid('conflicting options: hostname and the UTS mode');
  if (!host.networkMode?.startsWith('container:')) return;
  const conflicts: readonly [boolean, string][] = [
    [settings.hostname !== '', 'hostname and the network mode'],
    [(host.dns ?? []).length > 0, 'dns and the network mode'],
    [(host.extraHosts ?? []).length > 0, 'custom host-to-IP mapping and the network mode'],
    [Boolean(settings.macAddress), 'mac-address and the network mode'],
    [
      Object.keys(host.portBindings ?? {}).length > 0 || host.publishAllPorts === true,
      'port publishing and the container type network mode',
    ],
    [Object.keys(settings.exposedPorts).length > 0, 'port exposing and the container type network mode'],
  ];
  const found = conflicts.find(([given]) => given);
  if (found) throw invalid(`conflicting options: ${found[1]}`);
}

/** Checks limits at create and at update. */
export function validateResources(host: HostSettings): void {
  const memory = host.memory ?? 0;
  const swap = host.memorySwap ?? 0;
  if (memory > 0 && memory < 6 * 1024 * 1024) throw invalid('Minimum memory limit allowed is 6MB');
  if (memory > 0 && swap > 0 && swap < memory)
    throw invalid('Minimum memoryswap limit should be larger than memory limit, see usage');
  if (memory === 0 && swap > 0)
    throw invalid('You should always set the Memory limit when using Memoryswap limit, see usage');
  const reservation = host.memoryReservation ?? 0;
  if (memory > 0 && reservation > memory)
    throw invalid('Minimum memory limit can not be less than memory reservation limit, see usage');
  const nano = host.nanoCpus ?? 0;
  if (nano < 0) throw invalid('invalid NanoCPUs value');
  if (nano > 0 && ((host.cpuPeriod ?? 0) > 0 || (host.cpuQuota ?? 0) > 0))
    throw invalid('Conflicting options: Nano CPUs and CPU Period cannot both be set');
  const period = host.cpuPeriod ?? 0;
  if (period !== 0 && (period < 1000 || period > 1_000_000))
    throw invalid('CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)');
  const quota = host.cpuQuota ?? 0;
  if (quota > 0 && quota < 1000) throw invalid('CPU cfs quota can not be less than 1ms (i.e. 1000)');
  const weight = host.blkioWeight ?? 0;
  if (weight !== 0 && (weight < 10 || weight > 1000)) throw invalid('Range of blkio weight is from 10 to 1000');
  validateCpuset(host);
  if ((host.shmSize ?? 0) < 0) throw invalid('SHM size can not be less than 0');
  for (const limit of host.ulimits ?? [])
    if (limit.hard !== -1 && limit.soft > limit.hard)
      throw invalid(`ulimit soft limit must be less than or equal to hard limit: ${limit.soft} > ${limit.hard}`);
}

function validatePorts({ exposedPorts }: ContainerSettings, { portBindings }: HostSettings): void {
  for (const key of Object.keys(exposedPorts)) parsePort(key);
  for (const [key, bindings] of Object.entries(portBindings ?? {})) {
    parsePort(key);
    for (const { hostPort } of bindings ?? []) parseHostPorts(hostPort ?? '');
  }
}

function validateCpuset(host: HostSettings): void {
  for (const [set, field] of [
    [host.cpusetCpus, 'cpus'],
    [host.cpusetMems, 'mems'],
  ] as const)
    if (set && !/^\d+(-\d+)?(,\d+(-\d+)?)*$/.test(set)) throw invalid(`Invalid value ${set} for cpuset ${field}`);
  const last = cpus().length - 1;
  const highest = Math.max(-1, ...(host.cpusetCpus ?? '').split(/[,-]/).filter(Boolean).map(Number));
  if (highest > last)
    throw invalid(`Requested CPUs are not available - requested ${host.cpusetCpus}, available: 0-${last}`);
}

const SIGNALS: Readonly<Record<string, number>> = {
  ABRT: 6,
  ALRM: 14,
  BUS: 7,
  CHLD: 17,
  CLD: 17,
  CONT: 18,
  FPE: 8,
  HUP: 1,
  ILL: 4,
  INT: 2,
  IO: 29,
  IOT: 6,
  KILL: 9,
  PIPE: 13,
  POLL: 29,
  PROF: 27,
  PWR: 30,
  QUIT: 3,
  SEGV: 11,
  STKFLT: 16,
  STOP: 19,
  SYS: 31,
  TERM: 15,
  TRAP: 5,
  TSTP: 20,
  TTIN: 21,
  TTOU: 22,
  URG: 23,
  USR1: 10,
  USR2: 12,
  VTALRM: 26,
  WINCH: 28,
  XCPU: 24,
  XFSZ: 25,
  RTMIN: 34,
  RTMAX: 64,
};

/** A signal by number or name, with or without `SIG`, and `RTMIN+n`, `RTMAX-n`; throws docker's `Invalid signal: x`. */
export function parseSignal(given: string): number {
  if (/^\d+$/.test(given)) {
    const number = Number(given);
    if (number >= 1 && number <= 64) return number;
    throw invalid(`Invalid signal: ${given}`);
  }
  const name = given.toUpperCase().replace(/^SIG/, '');
  const realtime = /^(RTMIN|RTMAX)([+-])(\d+)$/.exec(name);
  const base = SIGNALS[realtime?.[1] ?? name];
  if (base === undefined) throw invalid(`Invalid signal: ${given}`);
  const number = base + (realtime ? Number(`${realtime[2]}${realtime[3]}`) : 0);
  if (number < 1 || number > 64) throw invalid(`Invalid signal: ${given}`);
  return number;
}
