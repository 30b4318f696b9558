import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { cgroupDirectory } from './cgroup.ts';
import type { CgroupLayout } from './cgroup-mode.ts';

/** Use of resources by a group, times in nanoseconds, sizes in bytes; the numbers behind `docker stats`. */
export interface CgroupStats {
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
    readonly failures: number;
    /** `memory.stat` with the names of the host's version (`total_inactive_file` on v1, `inactive_file` on v2). */
    readonly stat: Readonly<Record<string, number>>;
    /** Processes killed for want of memory. */
    readonly oomKills: number;
  };
  readonly pids: { readonly current: number /** undefined: unlimited */; readonly limit: number | undefined };
  readonly blkio: readonly BlkioEntry[];
}

export interface BlkioEntry {
  readonly major: number;
  readonly minor: number;
  readonly op: 'read' | 'write';
  readonly bytes: number;
  readonly operations: number;
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

const blkioV1 = (dir: string | undefined): readonly BlkioEntry[] => {
  const operations = new Map<string, number>();
  const key = (line: readonly string[]): string => `${line[0]} ${line[1]?.toLowerCase()}`;
  const lines = (file: string): readonly (readonly string[])[] =>
    text(dir, file)
      .split('\n')
      .map((line) => line.split(' '))
      .filter((line) => line[1] === 'Read' || line[1] === 'Write');
  for (const line of lines('blkio.throttle.io_serviced_recursive')) operations.set(key(line), Number(line[2]));
  return lines('blkio.throttle.io_service_bytes_recursive').map((line) => {
    const [major = 0, minor = 0] = (line[0] ?? '').split(':').map(Number);
    const op = line[1] === 'Read' ? 'read' : 'write';
    return { major, minor, op, bytes: Number(line[2]), operations: operations.get(key(line)) ?? 0 };
  });
};

const blkioV2 = (dir: string | undefined): readonly BlkioEntry[] =>
  text(dir, 'io.stat')
    .split('\n')
    .filter(Boolean)
    .flatMap((line) => {
      const [device = '', ...pairs] = line.split(' ');
      const [major = 0, minor = 0] = device.split(':').map(Number);
      const values = table(pairs.join('\n'));
      const entry = (op: 'read' | 'write', bytes: string, ios: string): BlkioEntry => ({
        major,
        minor,
        op,
        bytes: values[bytes] ?? 0,
        operations: values[ios] ?? 0,
      });
      return [entry('read', 'rbytes', 'rios'), entry('write', 'wbytes', 'wios')];
    });

const statsV1 = (layout: CgroupLayout, path: string): CgroupStats => {
  const dir = (controller: string): string | undefined =>
    layout.v1.has(controller) ? cgroupDirectory(layout, path, controller) : undefined;
  const [acct, cpu, memory] = [dir('cpuacct'), dir('cpu'), dir('memory')];
  const throttling = table(text(cpu, 'cpu.stat'));
  const shares = table(text(acct, 'cpuacct.stat'));
  return {
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
      failures: table(text(dir, 'memory.events'))['max'] ?? 0,
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
