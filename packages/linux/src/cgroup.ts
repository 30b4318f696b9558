import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { notFound } from '@berth/base';

const ROOT = '/sys/fs/cgroup';

/** Where a process is accounted: one directory per controller on v1, one for all on v2. */
export interface Cgroup {
  readonly version: 1 | 2;
  /** Directory of a controller (`memory`, `cpuacct`, ...); undefined when the host has none. */
  directory(controller: string): string | undefined;
}

/** The cgroup of a process. A hybrid host counts as v1. Throws `notFound` when the process is gone. */
export function cgroupOf(pid: number): Cgroup {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/cgroup`, 'utf8');
  } catch (cause) {
    throw notFound(`no process ${pid}`, { cause });
  }
  const lines = text.trim().split('\n').map((line) => /^(\d+):([^:]*):(.*)$/.exec(line));
  const controllers = new Map<string, string>();
  let unified = '/';
  for (const parts of lines) {
    const [, id, names = '', path = '/'] = parts ?? [];
    if (id === '0') unified = path;
    else for (const name of names.split(',')) if (!name.startsWith('name=')) controllers.set(name, path);
  }
  if (controllers.size === 0) return { version: 2, directory: () => join(ROOT, unified) };
  return {
    version: 1,
    directory(controller) {
      const path = controllers.get(controller);
      return path === undefined ? undefined : join(ROOT, controller, path);
    },
  };
}

/** Processes of a cgroup and of those below it, as the host numbers them. */
export function cgroupProcesses(cgroup: Cgroup): readonly number[] {
  const top = cgroup.directory('pids') ?? cgroup.directory('memory') ?? cgroup.directory('cpu');
  if (top === undefined) return [];
  const pids: number[] = [];
  const walk = (directory: string): void => {
    pids.push(...lines(join(directory, 'cgroup.procs')).map(Number));
    for (const entry of listDirectory(directory)) walk(join(directory, entry));
  };
  walk(top);
  return pids;
}

/** Use of resources at one moment. Times are nanoseconds, sizes bytes; what the host does not account is undefined. */
export interface CgroupStats {
  readonly version: 1 | 2;
  readonly cpu: {
    readonly total: number;
    readonly perCpu: readonly number[];
    readonly kernel: number;
    readonly user: number;
    readonly periods: number;
    readonly throttledPeriods: number;
    readonly throttledTime: number;
  };
  readonly memory: {
    readonly usage: number | undefined;
    readonly max: number | undefined;
    readonly limit: number | undefined;
    readonly failures: number | undefined;
    /** `memory.stat`, names as the kernel's version of cgroups has them. */
    readonly stat: Readonly<Record<string, number>>;
  };
  readonly pids: { readonly current: number | undefined; readonly limit: number | undefined };
  readonly io: readonly { readonly major: number; readonly minor: number; readonly operation: string; readonly bytes: number }[];
}

export function readCgroupStats(cgroup: Cgroup): CgroupStats {
  return cgroup.version === 2 ? unifiedStats(cgroup.directory('') ?? ROOT) : legacyStats(cgroup);
}

const USER_HZ_NS = 10_000_000;
/** What v1 reports for "no limit", and v2 as the word max. */
const UNLIMITED = 2 ** 60;

function legacyStats(cgroup: Cgroup): CgroupStats {
  const at = (controller: string, file: string): string | undefined => {
    const directory = cgroup.directory(controller);
    return directory && join(directory, file);
  };
  const accounting = table(at('cpuacct', 'cpuacct.stat'));
  const throttling = table(at('cpu', 'cpu.stat'));
  return {
    version: 1,
    cpu: {
      total: number(at('cpuacct', 'cpuacct.usage')) ?? 0,
      perCpu: words(at('cpuacct', 'cpuacct.usage_percpu')).map(Number),
      kernel: (accounting['system'] ?? 0) * USER_HZ_NS,
      user: (accounting['user'] ?? 0) * USER_HZ_NS,
      periods: throttling['nr_periods'] ?? 0,
      throttledPeriods: throttling['nr_throttled'] ?? 0,
      throttledTime: throttling['throttled_time'] ?? 0,
    },
    memory: {
      usage: number(at('memory', 'memory.usage_in_bytes')),
      max: number(at('memory', 'memory.max_usage_in_bytes')),
      limit: limit(number(at('memory', 'memory.limit_in_bytes'))),
      failures: number(at('memory', 'memory.failcnt')),
      stat: table(at('memory', 'memory.stat')),
    },
    pids: { current: number(at('pids', 'pids.current')), limit: number(at('pids', 'pids.max')) },
    io: lines(at('blkio', 'blkio.throttle.io_service_bytes_recursive')).flatMap((line) => {
      const [, major, minor, operation = '', bytes] = /^(\d+):(\d+) (\w+) (\d+)$/.exec(line) ?? [];
      return major === undefined ? [] : [{ major: Number(major), minor: Number(minor), operation: operation.toLowerCase(), bytes: Number(bytes) }];
    }),
  };
}

function unifiedStats(directory: string): CgroupStats {
  const cpu = table(join(directory, 'cpu.stat'));
  const microseconds = (key: string): number => (cpu[key] ?? 0) * 1000;
  return {
    version: 2,
    cpu: {
      total: microseconds('usage_usec'),
      perCpu: [],
      kernel: microseconds('system_usec'),
      user: microseconds('user_usec'),
      periods: cpu['nr_periods'] ?? 0,
      throttledPeriods: cpu['nr_throttled'] ?? 0,
      throttledTime: microseconds('throttled_usec'),
    },
    memory: {
      usage: number(join(directory, 'memory.current')),
      max: number(join(directory, 'memory.peak')),
      limit: number(join(directory, 'memory.max')),
      failures: undefined,
      stat: table(join(directory, 'memory.stat')),
    },
    pids: { current: number(join(directory, 'pids.current')), limit: number(join(directory, 'pids.max')) },
    io: lines(join(directory, 'io.stat')).flatMap((line) => {
      const [device = '', ...fields] = line.split(' ');
      const [major, minor] = device.split(':').map(Number);
      return fields.flatMap((field) => {
        const [key, value] = field.split('=');
        const operation = key === 'rbytes' ? 'read' : key === 'wbytes' ? 'write' : undefined;
        return operation === undefined ? [] : [{ major: major ?? 0, minor: minor ?? 0, operation, bytes: Number(value) }];
      });
    }),
  };
}

/** CPU time of the whole host, nanoseconds, as `docker stats` divides by. */
export function hostCpuTime(): number {
  const [first = ''] = lines('/proc/stat');
  return first.split(/\s+/).slice(1, 9).reduce((sum, ticks) => sum + Number(ticks), 0) * USER_HZ_NS;
}

export interface InterfaceCounters {
  readonly name: string;
  readonly rxBytes: number;
  readonly rxPackets: number;
  readonly rxErrors: number;
  readonly rxDropped: number;
  readonly txBytes: number;
  readonly txPackets: number;
  readonly txErrors: number;
  readonly txDropped: number;
}

/** Traffic of every interface but loopback in the network namespace of a process. */
export function networkCounters(pid: number): readonly InterfaceCounters[] {
  return lines(`/proc/${pid}/net/dev`)
    .slice(2)
    .flatMap((line) => {
      const [name = '', rest = ''] = line.split(':');
      const n = rest.trim().split(/\s+/).map(Number);
      if (name.trim() === 'lo') return [];
      const at = (index: number): number => n[index] ?? 0;
      return [
        {
          name: name.trim(), rxBytes: at(0), rxPackets: at(1), rxErrors: at(2), rxDropped: at(3),
          txBytes: at(8), txPackets: at(9), txErrors: at(10), txDropped: at(11),
        },
      ];
    });
}

const limit = (value: number | undefined): number | undefined => (value === undefined || value >= UNLIMITED ? undefined : value);

function text(path: string | undefined): string {
  if (path === undefined) return '';
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // Gone with its last process, or a file this kernel does not have.
    return '';
  }
}

const lines = (path: string | undefined): readonly string[] => text(path).split('\n').filter((line) => line !== '');
const words = (path: string | undefined): readonly string[] => text(path).split(/\s+/).filter((word) => word !== '');

/** `max`, an empty or a missing file are undefined. */
function number(path: string | undefined): number | undefined {
  const value = text(path).trim();
  return /^\d+$/.test(value) ? Number(value) : undefined;
}

function table(path: string | undefined): Readonly<Record<string, number>> {
  return Object.fromEntries(lines(path).map((line) => line.split(' ')).map(([key = '', value]) => [key, Number(value)]));
}

function listDirectory(directory: string): readonly string[] {
  try {
    return readdirSync(directory, { withFileTypes: true }).filter((e) => e.isDirectory()).map((e) => e.name);
  } catch {
    return [];
  }
}
