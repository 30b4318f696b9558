import { isIP } from 'node:net';
import { invalid, messageOf } from '@berth/base';
import type { ResourceSupport } from '@berth/linux';
import { parseLogConfig } from '@berth/logs';
import { normalizeCapability } from '@berth/runtime';
import { validateResources } from './limits.ts';
import { parseHostPorts, parsePort } from './network.ts';
import { parseDeviceRule, securityOptions } from './security.ts';
import type { ContainerSettings, HostSettings, RestartPolicy } from './types.ts';

const NAMED_RESTARTS = new Set(['', 'no', 'always', 'unless-stopped', 'on-failure']);

/** Refuses what dockerd refuses at create, in its words, and clearly what this engine does not do. */
export function validateCreate(settings: ContainerSettings, host: HostSettings, support: ResourceSupport): void {
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
  validateResources(host, support);
  validateHostOptions(host);
  validatePorts(settings, host);
  if (host.logConfig?.type) parseLogConfig(host.logConfig.type, host.logConfig.config ?? {});
}

/** Options that this engine, or any engine on Linux, does not have. */
function validateHostOptions(host: HostSettings): void {
  for (const { driver = '', capabilities } of host.deviceRequests ?? []) {
    const sets = (capabilities ?? []).map((set) => `[${set.join(' ')}]`).join(' ');
    throw invalid(`could not select device driver "${driver}" with capabilities: [${sets}]`);
  }
  if (host.isolation && host.isolation !== 'default')
    throw invalid(`invalid isolation (${host.isolation}): linux only supports 'default'`);
  if (host.ioMaximumBandwidth)
    throw invalid('invalid option: QoS maximum bandwidth configuration is not supported on linux');
  if (host.ioMaximumIOps) throw invalid('invalid option: QoS maximum IOPs configuration is not supported on linux');
  if (host.usernsMode && host.usernsMode !== 'host')
    throw invalid('invalid user namespace mode: only "" and "host" are supported');
  if (Object.keys(host.storageOpt ?? {}).length > 0)
    throw invalid("--storage-opt is supported only for overlay over xfs with 'pquota' mount option");
  if (Object.hasOwn(host.annotations ?? {}, ''))
    throw invalid('invalid Annotations: the empty string is not permitted as an annotation key');
  for (const entry of host.extraHosts ?? []) validateExtraHost(entry);
  if ((host.links ?? []).length > 0 && host.networkMode === 'host')
    throw invalid(
      "conflicting options: host type networking can't be used with links. This would result in undefined behavior",
    );
  securityOptions(host);
  for (const rule of host.deviceCgroupRules ?? []) parseDeviceRule(rule);
}

/** `name:address` or `name=address`, where the address may be `host-gateway` or an IPv6 one with or without brackets. */
function validateExtraHost(entry: string): void {
  const [, name = '', address = ''] = /^([^=:]*)[=:](.*)$/s.exec(entry) ?? [];
  if (name === '') throw invalid(`bad format for add-host: ${JSON.stringify(entry)}`);
  const bare = /^\[(.*)\]$/.exec(address)?.[1] ?? address;
  if (bare !== 'host-gateway' && isIP(bare) === 0)
    throw invalid(`invalid IP address in add-host: ${JSON.stringify(address)}`);
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

function validatePorts({ exposedPorts }: ContainerSettings, { portBindings }: HostSettings): void {
  for (const key of Object.keys(exposedPorts)) parsePort(key);
  for (const [key, bindings] of Object.entries(portBindings ?? {})) {
    parsePort(key);
    for (const { hostPort } of bindings ?? []) parseHostPorts(hostPort ?? '');
  }
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
