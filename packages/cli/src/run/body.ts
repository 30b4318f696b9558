import { readFileSync } from 'node:fs';
import type { ContainerCreateBody, HealthConfig, HostConfig } from '@berth/engine-api';
import type { Context } from '../context.ts';
import { UsageError, type Values } from '../flags.ts';
import { mapOf } from '../table.ts';
import { parseBytes, parseDuration } from '../units.ts';
import type { CREATE_FLAGS } from './create-flags.ts';
import { parseMount } from './mount.ts';
import { networking } from './networking.ts';
import { parsePorts } from './ports.ts';

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
  if (flags.gpus !== undefined) throw new UsageError('--gpus is not supported: this engine has no GPU drivers');
  const { exposed, bindings } = parsePorts(flags.publish, flags.expose);
  const attached = attachments(flags);
  const binds = flags.volume.filter((volume) => volume.includes(':'));
  const anonymous = flags.volume.filter((volume) => !volume.includes(':'));
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
    MacAddress: flags['mac-address'],
    Labels: { ...mapOf(flags['label-file'].flatMap(readLines)), ...mapOf(flags.label) },
    StopSignal: flags['stop-signal'],
    StopTimeout: flags['stop-timeout'],
    ExposedPorts: Object.keys(exposed).length === 0 ? undefined : exposed,
    Healthcheck: healthcheck(flags),
    HostConfig: {
      ...hostConfig(flags),
      ...compact<HostConfig>({ Binds: some(binds), PortBindings: bindings, NetworkMode: networkMode }),
    },
    NetworkingConfig: config,
  });
}

/** Which streams the client will attach: those asked for, else output, and input when it is kept open. */
export function attachments(flags: { attach: readonly string[]; interactive: boolean; detach?: boolean }) {
  const asked = flags.attach.map((name) => name.toLowerCase());
  for (const name of asked) {
    if (!['stdin', 'stdout', 'stderr'].includes(name))
      throw new UsageError(
        `invalid argument "${name}" for "-a, --attach" flag: valid streams are STDIN, STDOUT and STDERR`,
      );
  }
  if (flags.detach) return { stdin: false, stdout: false, stderr: false };
  if (asked.length > 0)
    return { stdin: asked.includes('stdin'), stdout: asked.includes('stdout'), stderr: asked.includes('stderr') };
  return { stdin: flags.interactive, stdout: true, stderr: true };
}

function hostConfig(flags: CreateValues): HostConfig {
  return compact<HostConfig>({
    AutoRemove: flags.rm,
    Annotations: mapOr(flags.annotation),
    BlkioWeight: flags['blkio-weight'],
    BlkioDeviceReadBps: rates(flags['device-read-bps'], parseBytes),
    BlkioDeviceReadIOps: rates(flags['device-read-iops'], Number),
    BlkioDeviceWriteBps: rates(flags['device-write-bps'], parseBytes),
    BlkioDeviceWriteIOps: rates(flags['device-write-iops'], Number),
    CapAdd: some(flags['cap-add']),
    CapDrop: some(flags['cap-drop']),
    CgroupParent: flags['cgroup-parent'],
    CgroupnsMode: flags.cgroupns,
    ContainerIDFile: flags.cidfile,
    CpuPeriod: flags['cpu-period'],
    CpuQuota: flags['cpu-quota'],
    CpuRealtimePeriod: flags['cpu-rt-period'],
    CpuRealtimeRuntime: flags['cpu-rt-runtime'],
    CpuShares: flags['cpu-shares'],
    CpusetCpus: flags['cpuset-cpus'],
    CpusetMems: flags['cpuset-mems'],
    NanoCpus: flags.cpus === undefined ? undefined : nanoCpus(flags.cpus),
    Devices: some(flags.device.map(device)),
    DeviceCgroupRules: some(flags['device-cgroup-rule']),
    Dns: some(flags.dns),
    DnsOptions: some(flags['dns-option']),
    DnsSearch: some(flags['dns-search']),
    ExtraHosts: some(flags['add-host'].map((host) => host.replace(/^([^:=]+)=/, '$1:'))),
    GroupAdd: some(flags['group-add']),
    Init: flags.init,
    IpcMode: flags.ipc,
    Isolation: flags.isolation,
    KernelMemory: bytes(flags['kernel-memory']),
    Links: some(flags.link),
    LogConfig:
      flags['log-driver'] === undefined && flags['log-opt'].length === 0
        ? undefined
        : { Type: flags['log-driver'] ?? '', Config: mapOf(flags['log-opt']) },
    Memory: bytes(flags.memory),
    MemoryReservation: bytes(flags['memory-reservation']),
    MemorySwap: flags['memory-swap'] === '-1' ? -1 : bytes(flags['memory-swap']),
    MemorySwappiness: flags['memory-swappiness'],
    Mounts: some(flags.mount.map(parseMount)),
    OomKillDisable: flags['oom-kill-disable'],
    OomScoreAdj: flags['oom-score-adj'],
    PidMode: flags.pid,
    PidsLimit: flags['pids-limit'],
    Privileged: flags.privileged,
    PublishAllPorts: flags['publish-all'],
    ReadonlyRootfs: flags['read-only'],
    RestartPolicy: restartPolicy(flags.restart, flags.rm),
    Runtime: flags.runtime,
    SecurityOpt: some(flags['security-opt'].map(securityOption)),
    ShmSize: bytes(flags['shm-size']),
    StorageOpt: mapOr(flags['storage-opt']),
    Sysctls: mapOr(flags.sysctl),
    Tmpfs: flags.tmpfs.length === 0 ? undefined : Object.fromEntries(flags.tmpfs.map(splitColon)),
    UTSMode: flags.uts,
    Ulimits: some(flags.ulimit.map(ulimit)),
    UsernsMode: flags.userns,
    VolumeDriver: flags['volume-driver'],
    VolumesFrom: some(flags['volumes-from']),
  });
}

const mapOr = (pairs: readonly string[]): Record<string, string> | undefined =>
  pairs.length === 0 ? undefined : mapOf(pairs);

function splitColon(text: string): [string, string] {
  const at = text.indexOf(':');
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

function rates(texts: readonly string[], read: (text: string) => number) {
  return some(texts.map(splitColon).map(([Path, rate]) => ({ Path, Rate: read(rate) })));
}

export function nanoCpus(text: string): number {
  const cpus = Number(text);
  if (!Number.isFinite(cpus) || text.trim() === '')
    throw new UsageError(`failed to parse ${text} as a rational number`);
  return Math.round(cpus * 1e9);
}

function device(text: string) {
  const [host = '', inside = '', permissions] = text.split(':');
  const isMode = /^[rwm]+$/.test(inside);
  return {
    PathOnHost: host,
    PathInContainer: inside === '' || isMode ? host : inside,
    CgroupPermissions: permissions ?? (isMode ? inside : 'rwm'),
  };
}

function ulimit(text: string) {
  const [, Name, soft, hard = soft] = /^([a-z]+)=(-?\d+)(?::(-?\d+))?$/.exec(text) ?? [];
  if (Name === undefined) throw new UsageError(`invalid ulimit argument: ${text}`);
  return { Name, Soft: Number(soft), Hard: Number(hard) };
}

export function restartPolicy(
  text: string | undefined,
  autoRemove = false,
): { Name: string; MaximumRetryCount: number } | undefined {
  if (text === undefined || text === '') return undefined;
  const [Name = '', count = '0', ...more] = text.split(':');
  const MaximumRetryCount = Number(count);
  if (more.length > 0 || !Number.isInteger(MaximumRetryCount))
    throw new UsageError('invalid restart policy format: maximum retry count must be an integer');
  if (autoRemove && Name !== 'no') throw new UsageError('conflicting options: cannot specify both --restart and --rm');
  return { Name, MaximumRetryCount };
}

/** A seccomp profile given as a file is sent as its content. */
function securityOption(option: string): string {
  const [, path] = /^seccomp[=:](.+)$/.exec(option) ?? [];
  if (path === undefined || path === 'unconfined' || path === 'builtin') return option;
  return `seccomp=${JSON.stringify(JSON.parse(readFileSync(path, 'utf8')))}`;
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
  const span = (text: string | undefined) => (text === undefined ? undefined : parseDuration(text));
  return compact<HealthConfig>({
    Test: flags['health-cmd'] === undefined ? undefined : ['CMD-SHELL', flags['health-cmd']],
    Interval: span(flags['health-interval']),
    Timeout: span(flags['health-timeout']),
    StartPeriod: span(flags['health-start-period']),
    StartInterval: span(flags['health-start-interval']),
    Retries: flags['health-retries'],
  });
}

/** `NAME=value` as given; a bare `NAME` takes the client's value, or is left out where it has none. */
export function environmentOf(context: Context, files: readonly string[], pairs: readonly string[]): string[] {
  return [...files.flatMap(readLines), ...pairs].flatMap((pair) => {
    if (pair.includes('=')) return [pair];
    const value = context.environment[pair];
    return value === undefined ? [] : [`${pair}=${value}`];
  });
}

function readLines(path: string): string[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .map((line) => line.trimStart().replace(/\r$/, ''))
    .filter((line) => line !== '' && !line.startsWith('#'));
}
