import { readFileSync } from 'node:fs';
import type { ContainerCreateBody, HealthConfig, HostConfig } from '@berth/engine-api';
import type { Context } from '../context.ts';
import { UsageError, type Values } from '../flags.ts';
import { mapOf } from '../table.ts';
import { parseBytes, parseDuration, parseSwap } from '../units.ts';
import { byteRate, countRate, nanoCpus, parseUlimit, weight } from './checks.ts';
import type { CREATE_FLAGS } from './create-flags.ts';
import { parseDevice, parseGpus } from './devices.ts';
import { parseMount } from './mount.ts';
import { networking } from './networking.ts';
import { parsePorts } from './ports.ts';
import { parseVolumes } from './volumes.ts';

export type CreateValues = Values<typeof CREATE_FLAGS>;

/** Leaves out what is undefined, as the wire types ask. */
export const compact = <T extends object>(value: { readonly [K in keyof T]: T[K] | undefined }): T =>
  Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as T;

const some = <T>(items: readonly T[]): T[] | undefined => (items.length === 0 ? undefined : [...items]);
const bytes = (text: string | undefined): number | undefined => (text === undefined ? undefined : parseBytes(text));

/** The request that `run` and `create` make of their flags. Throws UsageError, before anything has been created. */
export function createBody(
  context: Context,
  flags: CreateValues,
  image: string,
  command: readonly string[],
): ContainerCreateBody {
  const { exposed, bindings } = parsePorts(flags.publish, flags.expose);
  const attached = attachments(flags);
  const { binds, anonymous } = parseVolumes(flags.volume);
  const { networkMode, config } = networking(flags);
  return compact<ContainerCreateBody>({
    Hostname: flags.hostname,
    Domainname: flags.domainname,
    User: flags.user,
    AttachStdin: attached.stdin,
    AttachStdout: attached.stdout,
    AttachStderr: attached.stderr,
    Tty: flags.tty,
    OpenStdin: flags.interactive,
    StdinOnce: attached.stdin && flags.interactive,
    Env: some(environmentOf(context, flags['env-file'], flags.env)),
    Cmd: some(command),
    Image: image,
    Volumes: anonymous.length === 0 ? undefined : Object.fromEntries(anonymous.map((path) => [path, {}])),
    WorkingDir: flags.workdir,
    Entrypoint: flags.entrypoint === undefined ? undefined : [flags.entrypoint],
    Labels: { ...mapOf(flags['label-file'].flatMap(readLines)), ...mapOf(flags.label) },
    StopSignal: flags['stop-signal'],
    StopTimeout: flags['stop-timeout'],
    ExposedPorts: Object.keys(exposed).length === 0 ? undefined : exposed,
    Healthcheck: healthcheck(flags),
    HostConfig: {
      ...hostConfig(flags),
      // The program may look before the first resize arrives.
      ...(flags.tty && context.stdout.isTTY ? { ConsoleSize: [context.stdout.rows, context.stdout.columns] } : {}),
      ...compact<HostConfig>({ Binds: some(binds), PortBindings: bindings, NetworkMode: networkMode }),
    },
    NetworkingConfig: config,
  });
}

/** Which streams the client will attach: those asked for, else output, and input when it is kept open. */
export function attachments(flags: { attach: readonly string[]; interactive: boolean; detach?: boolean }) {
  const asked = flags.attach.map((name) => name.toLowerCase());
  if (flags.detach) return { stdin: false, stdout: false, stderr: false };
  if (asked.length > 0)
    return { stdin: asked.includes('stdin'), stdout: asked.includes('stdout'), stderr: asked.includes('stderr') };
  return { stdin: flags.interactive, stdout: true, stderr: true };
}

function hostConfig(flags: CreateValues): HostConfig {
  const isCdi = (text: string): boolean => /^[a-z0-9][\w.-]*\/[\w-]+=[\w.:-]+$/i.test(text);
  const cdi = flags.device.filter(isCdi);
  const devices = flags.device.filter((text) => !isCdi(text)).map(parseDevice);
  const requests = [
    ...(flags.gpus === undefined ? [] : [parseGpus(flags.gpus)]),
    ...(cdi.length === 0 ? [] : [{ Driver: 'cdi', DeviceIDs: [...cdi] }]),
  ];
  const openSystem = flags['security-opt'].includes('systempaths=unconfined');
  const security = flags['security-opt'].filter((option) => option !== 'systempaths=unconfined').map(securityOption);
  const openPaths = openSystem ? [] : undefined;
  return compact<HostConfig>({
    AutoRemove: flags.rm,
    Annotations: mapOr(flags.annotation),
    BlkioWeight: flags['blkio-weight'],
    BlkioWeightDevice: some(flags['blkio-weight-device'].map(weight)),
    BlkioDeviceReadBps: some(flags['device-read-bps'].map(byteRate)),
    BlkioDeviceReadIOps: some(flags['device-read-iops'].map(countRate)),
    BlkioDeviceWriteBps: some(flags['device-write-bps'].map(byteRate)),
    BlkioDeviceWriteIOps: some(flags['device-write-iops'].map(countRate)),
    CapAdd: some(capabilities(flags['cap-add'])),
    CapDrop: some(capabilities(flags['cap-drop'])),
    CgroupParent: flags['cgroup-parent'],
    CgroupnsMode: oneOf(flags.cgroupns, /^(|host|private)$/, '--cgroupns: invalid CGROUP mode'),
    ContainerIDFile: flags.cidfile,
    CpuPeriod: flags['cpu-period'],
    CpuQuota: flags['cpu-quota'],
    CpuRealtimePeriod: flags['cpu-rt-period'],
    CpuRealtimeRuntime: flags['cpu-rt-runtime'],
    CpuShares: flags['cpu-shares'],
    CpusetCpus: flags['cpuset-cpus'],
    CpusetMems: flags['cpuset-mems'],
    NanoCpus: flags.cpus === undefined ? undefined : nanoCpus(flags.cpus),
    Devices: some(devices),
    DeviceRequests: some(requests),
    DeviceCgroupRules: some(flags['device-cgroup-rule']),
    Dns: some(flags.dns),
    DnsOptions: some(flags['dns-option']),
    DnsSearch: some(flags['dns-search']),
    ExtraHosts: some(flags['add-host'].map((host) => extraHost(host))),
    GroupAdd: some(flags['group-add']),
    Init: flags.init,
    IpcMode: flags.ipc,
    Isolation: flags.isolation,
    Links: some(flags.link),
    LogConfig: logConfig(flags),
    Memory: bytes(flags.memory),
    MemoryReservation: bytes(flags['memory-reservation']),
    MemorySwap: flags['memory-swap'] === undefined ? undefined : parseSwap(flags['memory-swap']),
    MemorySwappiness: swappiness(flags['memory-swappiness']),
    Mounts: some(flags.mount.map(parseMount)),
    OomKillDisable: flags['oom-kill-disable'],
    OomScoreAdj: flags['oom-score-adj'],
    PidMode: oneOf(flags.pid, /^(|host|container:.+)$/, '--pid: invalid PID mode'),
    PidsLimit: flags['pids-limit'],
    Privileged: flags.privileged,
    PublishAllPorts: flags['publish-all'],
    ReadonlyRootfs: flags['read-only'],
    RestartPolicy: restartPolicy(flags.restart, flags.rm),
    Runtime: flags.runtime,
    SecurityOpt: some(security),
    MaskedPaths: openPaths,
    ReadonlyPaths: openPaths,
    ShmSize: bytes(flags['shm-size']),
    StorageOpt: storageOptions(flags['storage-opt']),
    Sysctls: mapOr(flags.sysctl),
    Tmpfs: flags.tmpfs.length === 0 ? undefined : Object.fromEntries(flags.tmpfs.map(splitColon)),
    UTSMode: oneOf(flags.uts, /^(|host)$/, '--uts: invalid UTS mode'),
    Ulimits: some(flags.ulimit.map(parseUlimit)),
    UsernsMode: oneOf(flags.userns, /^(|host)$/, '--userns: invalid USER mode'),
    VolumeDriver: flags['volume-driver'],
    VolumesFrom: some(flags['volumes-from']),
  });
}

function oneOf(text: string | undefined, allowed: RegExp, complaint: string): string | undefined {
  if (text !== undefined && !allowed.test(text)) throw new UsageError(complaint);
  return text;
}

function logConfig(flags: CreateValues): { Type: string; Config: Record<string, string> } | undefined {
  const { 'log-driver': driver, 'log-opt': options } = flags;
  if (driver === 'none' && options.length > 0) throw new UsageError(`invalid logging opts for driver ${driver}`);
  return driver === undefined && options.length === 0 ? undefined : { Type: driver ?? '', Config: mapOf(options) };
}

function swappiness(value: number | undefined): number | undefined {
  if (value !== undefined && value !== -1 && (value < 0 || value > 100))
    throw new UsageError(`invalid value: ${value}. Valid memory swappiness range is 0-100`);
  return value;
}

function storageOptions(pairs: readonly string[]): Record<string, string> | undefined {
  if (pairs.some((pair) => !pair.includes('='))) throw new UsageError('invalid storage option');
  return mapOr(pairs);
}

/** Full names, sorted, each once, as the daemon keeps them. */
function capabilities(names: readonly string[]): string[] {
  const full = names
    .map((name) => name.toUpperCase())
    .map((name) => (name === 'ALL' ? name : name.replace(/^(CAP_)?/, 'CAP_')));
  return [...new Set(full)].sort();
}

/** `name:address`, whichever way it was given. */
function extraHost(text: string): string {
  const [, name = '', address = ''] = /^([^:=]+)[:=](.*)$/s.exec(text) ?? [];
  return `${name}:${address.replace(/^\[(.*)\]$/, '$1')}`;
}

const mapOr = (pairs: readonly string[]): Record<string, string> | undefined =>
  pairs.length === 0 ? undefined : mapOf(pairs);

function splitColon(text: string): [string, string] {
  const at = text.indexOf(':');
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

export function restartPolicy(
  text: string | undefined,
  autoRemove = false,
): { Name: string; MaximumRetryCount: number } | undefined {
  if (text === undefined || text === '') return undefined;
  const [Name = '', count = '0', ...more] = text.split(':');
  if (Name === '') throw new UsageError('invalid restart policy format: no policy provided before colon');
  const MaximumRetryCount = Number(count);
  if (more.length > 0 || !Number.isInteger(MaximumRetryCount))
    throw new UsageError('invalid restart policy format: maximum retry count must be an integer');
  if (autoRemove && Name !== 'no') throw new UsageError('conflicting options: cannot specify both --restart and --rm');
  return { Name, MaximumRetryCount };
}

/** A seccomp profile given as a file is sent as its content. */
function securityOption(option: string): string {
  const [, path] = /^seccomp[=:](.+)$/.exec(option) ?? [];
  if (!/[=:]/.test(option) && option !== 'no-new-privileges')
    throw new UsageError(`Invalid --security-opt: "${option}"`);
  if (path === undefined || path === 'unconfined' || path === 'builtin') return option;
  const text = readOrExplain(path, (reason) => `opening seccomp profile (${path}) failed: ${reason}`);
  try {
    return `seccomp=${JSON.stringify(JSON.parse(text))}`;
  } catch (error) {
    throw new UsageError(`compacting json for seccomp profile (${path}) failed: ${String(error)}`);
  }
}

function healthcheck(flags: CreateValues): HealthConfig | undefined {
  const given = [
    'health-cmd',
    'health-interval',
    'health-retries',
    'health-start-interval',
    'health-start-period',
    'health-timeout',
  ] as const;
  const any = given.some((name) => flags[name] !== undefined);
  if (flags['no-healthcheck']) {
    if (any) throw new UsageError('--no-healthcheck conflicts with --health-* options');
    return { Test: ['NONE'] };
  }
  if (!any) return undefined;
  const span = (name: 'interval' | 'timeout' | 'start-period' | 'start-interval') => {
    const text = flags[`health-${name}`];
    const nanos = text === undefined ? undefined : parseDuration(text);
    if (nanos !== undefined && nanos < 0) throw new UsageError(`--health-${name} cannot be negative`);
    return nanos;
  };
  if ((flags['health-retries'] ?? 0) < 0) throw new UsageError('--health-retries cannot be negative');
  return compact<HealthConfig>({
    Test: flags['health-cmd'] === undefined ? undefined : ['CMD-SHELL', flags['health-cmd']],
    Interval: span('interval'),
    Timeout: span('timeout'),
    StartPeriod: span('start-period'),
    StartInterval: span('start-interval'),
    Retries: flags['health-retries'],
  });
}

/** `NAME=value` as given; a bare `NAME` takes the client's value, or stays bare, which removes the image's. */
export function environmentOf(context: Context, files: readonly string[], pairs: readonly string[]): string[] {
  const valued = (pair: string): string | undefined => {
    if (pair.includes('=')) return pair;
    const value = context.environment[pair];
    return value === undefined ? undefined : `${pair}=${value}`;
  };
  const fromFiles = files.flatMap(readLines).flatMap((pair) => valued(pair) ?? []);
  return [...fromFiles, ...pairs.map((pair) => valued(pair) ?? pair)];
}

function readLines(path: string): string[] {
  const lines = readOrExplain(path, (reason) => reason)
    .split('\n')
    .map((line) => line.trimStart().replace(/\r$/, ''))
    .filter((line) => line !== '' && !line.startsWith('#'));
  for (const line of lines) {
    const [name = ''] = line.split('=');
    if (name === '') throw new UsageError(`invalid env file (${path}): no variable name on line '${line}'`);
    if (/\s/.test(name)) throw new UsageError(`invalid env file (${path}): variable '${name}' contains whitespaces`);
  }
  return lines;
}

function readOrExplain(path: string, explain: (reason: string) => string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const missing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    throw new UsageError(explain(missing ? `open ${path}: no such file or directory` : String(error)));
  }
}
