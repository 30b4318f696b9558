import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { cgroupDirectory } from './cgroup.ts';
import type { CgroupLayout } from './cgroup-mode.ts';

/** Use of resources by a group, times in nanoseconds, sizes in bytes; the numbers behind `docker stats`. */
export interface CgroupStats {
  /** Of the hierarchy that holds the controllers: names and meanings of some numbers differ. */
  readonly version: 1 | 2;
  readonly cpu: {
    readonly usage: number;
    readonly user: number;
    readonly kernel: number;
    /** For each CPU; empty on v2, which has no such count. */
    readonly perCpu: readonly number[];
    readonly onlineCpus: number;
    readonly periods: number;
    readonly throttledPeriods: number;
    readonly throttledTime: number;
  };
  readonly memory: {
    readonly usage: number;
    /** Highest usage; 0 where the kernel does not say. */
    readonly maxUsage: number;
    /** The host's memory when unlimited. */
    readonly limit: number;
    /** How often the limit was hit (v1), or how often that left no way but to kill (v2, `oom`). */
    readonly failures: number;
    /** `memory.stat` with the names of the host's version (`total_inactive_file` on v1, `inactive_file` on v2). */
    readonly stat: Readonly<Record<string, number>>;
    /** Processes killed for want of memory. */
    readonly oomKills: number;
  };
  readonly pids: { readonly current: number /** undefined: unlimited */; readonly limit: number | undefined };
  readonly blkio: {
    readonly bytes: readonly BlkioEntry[];
    readonly operations: readonly BlkioEntry[];
  };
}

export interface BlkioEntry {
  readonly major: number;
  readonly minor: number;
  /** As the host's version says it: `Read`, `Write`, `Sync`, `Async`, `Discard`, `Total` on v1; `read`, `write` on v2. */
  readonly op: string;
  readonly value: number;
}

const text = (dir: string | undefined, file: string): string => {
  if (dir === undefined) return '';
  try {
    return readFileSync(join(dir, file), 'utf8');
  } catch {
    // The group may be gone, or its kernel may lack the file: both read as nothing used.
    return '';
  }
};

const number = (dir: string | undefined, file: string): number => Number(text(dir, file).trim()) || 0;

const table = (content: string): Readonly<Record<string, number>> =>
  Object.fromEntries(
    content
      .split('\n')
      .filter(Boolean)
      .map((line) => {
        const [key = '', value = '0'] = line.split(/[\s=]+/);
        return [key, Number(value)];
      }),
  );

const hostMemory = (): number => readMemInfo()['MemTotal'] ?? 0;

/** /proc/meminfo in bytes. */
export function readMemInfo(): Readonly<Record<string, number>> {
  return Object.fromEntries(
    [...readFileSync('/proc/meminfo', 'utf8').matchAll(/^(\S+):\s+(\d+)( kB)?$/gm)].map((match) => {
      const [, key = '', value = '0', unit] = match;
      return [key, Number(value) * (unit === undefined ? 1 : 1024)];
    }),
  );
}

const USER_HZ = 100;

/** CPU time of the whole host in nanoseconds, as docker's `system_cpu_usage`: user to softirq, without idle's share. */
export function systemCpuUsage(): number {
  const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n');
  const ticks = line.split(/\s+/).slice(1, 8).map(Number);
  return ticks.reduce((sum, value) => sum + value, 0) * (1e9 / USER_HZ);
}

const limitOf = (value: string): number => {
  const limit = value.trim() === 'max' || value.trim() === '' ? Number.POSITIVE_INFINITY : Number(value);
  return Math.min(limit, hostMemory());
};

const pidsOf = (dir: string | undefined): CgroupStats['pids'] => {
  const max = text(dir, 'pids.max').trim();
  return { current: number(dir, 'pids.current'), limit: max === 'max' || max === '' ? undefined : Number(max) };
};

const deviceOf = (name: string): { readonly major: number; readonly minor: number } => {
  const [major = 0, minor = 0] = name.split(':').map(Number);
  return { major, minor };
};

const blkioV1 = (dir: string | undefined): CgroupStats['blkio'] => {
  const entries = (file: string): readonly BlkioEntry[] =>
    // Older kernels count without the groups below only.
    (text(dir, `${file}_recursive`) || text(dir, file))
      .split('\n')
      .map((line) => line.split(' '))
      .filter((fields) => fields.length === 3)
      .map(([device = '', op = '', value]) => ({ ...deviceOf(device), op, value: Number(value) }));
  return { bytes: entries('blkio.throttle.io_service_bytes'), operations: entries('blkio.throttle.io_serviced') };
};

const blkioV2 = (dir: string | undefined): CgroupStats['blkio'] => {
  const devices = text(dir, 'io.stat')
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      const [device = '', ...pairs] = line.split(' ');
      return { device: deviceOf(device), counts: table(pairs.join('\n')) };
    });
  const entries = (read: string, write: string): readonly BlkioEntry[] =>
    devices.flatMap(({ device, counts }) => [
      { ...device, op: 'read', value: counts[read] ?? 0 },
      { ...device, op: 'write', value: counts[write] ?? 0 },
    ]);
  return { bytes: entries('rbytes', 'wbytes'), operations: entries('rios', 'wios') };
};

const statsV1 = (layout: CgroupLayout, path: string): CgroupStats => {
  const dir = (controller: string): string | undefined =>
    layout.v1.has(controller) ? cgroupDirectory(layout, path, controller) : undefined;
  const [acct, cpu, memory] = [dir('cpuacct'), dir('cpu'), dir('memory')];
  const throttling = table(text(cpu, 'cpu.stat'));
  const shares = table(text(acct, 'cpuacct.stat'));
  return {
    version: 1,
    cpu: {
      usage: number(acct, 'cpuacct.usage'),
      user: (shares['user'] ?? 0) * (1e9 / USER_HZ),
      kernel: (shares['system'] ?? 0) * (1e9 / USER_HZ),
      perCpu: text(acct, 'cpuacct.usage_percpu').trim().split(/\s+/).filter(Boolean).map(Number),
      onlineCpus: cpus().length,
      periods: throttling['nr_periods'] ?? 0,
      throttledPeriods: throttling['nr_throttled'] ?? 0,
      throttledTime: throttling['throttled_time'] ?? 0,
    },
    memory: {
      usage: number(memory, 'memory.usage_in_bytes'),
      maxUsage: number(memory, 'memory.max_usage_in_bytes'),
      limit: limitOf(text(memory, 'memory.limit_in_bytes')),
      failures: number(memory, 'memory.failcnt'),
      stat: table(text(memory, 'memory.stat')),
      oomKills: oomKillCount(layout, path),
    },
    pids: pidsOf(dir('pids')),
    blkio: blkioV1(dir('blkio')),
  };
};

const statsV2 = (layout: CgroupLayout, path: string): CgroupStats => {
  const dir = layout.unified === undefined ? undefined : join(layout.unified, path);
  const cpu = table(text(dir, 'cpu.stat'));
  const micro = (key: string): number => (cpu[key] ?? 0) * 1000;
  return {
    version: 2,
    cpu: {
      usage: micro('usage_usec'),
      user: micro('user_usec'),
      kernel: micro('system_usec'),
      perCpu: [],
      onlineCpus: cpus().length,
      periods: cpu['nr_periods'] ?? 0,
      throttledPeriods: cpu['nr_throttled'] ?? 0,
      throttledTime: micro('throttled_usec'),
    },
    memory: {
      usage: number(dir, 'memory.current'),
      maxUsage: number(dir, 'memory.peak'),
      limit: limitOf(text(dir, 'memory.max')),
      failures: table(text(dir, 'memory.events'))['oom'] ?? 0,
      stat: table(text(dir, 'memory.stat')),
      oomKills: oomKillCount(layout, path),
    },
    pids: pidsOf(dir),
    blkio: blkioV2(dir),
  };
};

/** Reads the counters of the group at `path`; those of a group that is gone are zero. */
export function readCgroupStats(layout: CgroupLayout, path: string): CgroupStats {
  return layout.v1.has('memory') || layout.v1.has('cpuacct') ? statsV1(layout, path) : statsV2(layout, path);
}

/** Processes of the group killed for want of memory, now. Read it before the group is removed. */
export function oomKillCount(layout: CgroupLayout, path: string): number {
  const dir = cgroupDirectory(layout, path, 'memory');
  const file = layout.v1.has('memory') ? 'memory.oom_control' : 'memory.events';
  return table(text(dir, file))['oom_kill'] ?? 0;
}
