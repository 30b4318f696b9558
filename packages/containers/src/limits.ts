import { cpus } from 'node:os';
import { invalid } from '@berth/base';
import type { ResourceSupport } from '@berth/linux';
import type { HostSettings } from './types.ts';

const MIN_MEMORY = 6 * 1024 * 1024;

/** Checks limits at create and at update, in dockerd's words. */
export function validateResources(host: HostSettings, support: ResourceSupport): void {
  validateMemory(host);
  validateCpu(host, support);
  validateCpuset(host, support);
  const weight = host.blkioWeight ?? 0;
  // One that is dropped anyway may be anything, for dockerd too.
  if (weight !== 0 && support.blkioWeight && (weight < 10 || weight > 1000))
    throw invalid('Range of blkio weight is from 10 to 1000');
  const oom = host.oomScoreAdj ?? 0;
  if (oom < -1000 || oom > 1000) throw invalid(`Invalid value ${oom}, range for oom score adj is [-1000, 1000]`);
  if ((host.shmSize ?? 0) < 0) throw invalid('SHM size can not be less than 0');
  for (const limit of host.ulimits ?? [])
    if (limit.hard !== -1 && limit.soft > limit.hard)
      throw invalid(`ulimit soft limit must be less than or equal to hard limit: ${limit.soft} > ${limit.hard}`);
}

function validateMemory(host: HostSettings): void {
  const memory = host.memory ?? 0;
  const swap = host.memorySwap ?? 0;
  if (memory > 0 && memory < MIN_MEMORY) throw invalid('Minimum memory limit allowed is 6MB');
  if (memory > 0 && swap > 0 && swap < memory)
    throw invalid('Minimum memoryswap limit should be larger than memory limit, see usage');
  if (memory === 0 && swap > 0)
    throw invalid('You should always set the Memory limit when using Memoryswap limit, see usage');
  const swappiness = host.memorySwappiness ?? -1;
  if (swappiness < -1 || swappiness > 100)
    throw invalid(`Invalid value: ${swappiness}, valid memory swappiness range is 0-100`);
  const reservation = host.memoryReservation ?? 0;
  if (reservation > 0 && reservation < MIN_MEMORY) throw invalid('Minimum memory reservation allowed is 6MB');
  if (memory > 0 && reservation > memory)
    throw invalid('Minimum memory limit can not be less than memory reservation limit, see usage');
}

function validateCpu(host: HostSettings, support: ResourceSupport): void {
  const { nanoCpus: nano = 0, cpuPeriod: period = 0, cpuQuota: quota = 0, cpuShares: shares = 0 } = host;
  if (nano > 0 && period > 0) throw invalid('Conflicting options: Nano CPUs and CPU Period cannot both be set');
  if (nano > 0 && quota > 0) throw invalid('Conflicting options: Nano CPUs and CPU Quota cannot both be set');
  const available = cpus().length;
  if (nano < 0 || nano > available * 1e9)
    throw invalid(`range of CPUs is from 0.01 to ${available}.00, as there are only ${available} CPUs available`);
  if (nano > 0 && !support.cpuQuota)
    throw invalid(
      'NanoCPUs can not be set, as your kernel does not support CPU CFS scheduler or the cgroup is not mounted',
    );
  if (shares < 0) throw invalid(`invalid CPU shares (${shares}): value must be a positive integer`);
  if (period !== 0 && (period < 1000 || period > 1_000_000))
    throw invalid('CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)');
  if (quota > 0 && quota < 1000) throw invalid('CPU cfs quota can not be less than 1ms (i.e. 1000)');
  const { cpuRealtimePeriod: rtPeriod = 0, cpuRealtimeRuntime: rtRuntime = 0 } = host;
  if ((rtPeriod !== 0 || rtRuntime !== 0) && !support.cpuRealtime)
    throw invalid('kernel does not support CPU real-time scheduler');
  if (rtPeriod !== 0 && rtRuntime > rtPeriod)
    throw invalid('cpu real-time runtime cannot be higher than cpu real-time period');
}

const SET = /^\d+(-\d+)?(,\d+(-\d+)?)*$/;

/** The numbers of a kernel's list (`0-2,5`); undefined when it is none. */
export function parseCpuList(list: string): ReadonlySet<number> | undefined {
  if (!SET.test(list)) return undefined;
  const members = new Set<number>();
  for (const part of list.split(',')) {
    const [first = 0, last = first] = part.split('-').map(Number);
    // No machine has as many: what is larger is refused as not being there.
    if (last > 8191) return new Set([last]);
    for (let member = first; member <= last; member++) members.add(member);
  }
  return members;
}

function validateCpuset(host: HostSettings, support: ResourceSupport): void {
  for (const [set, available, field, what] of [
    [host.cpusetCpus, support.cpus, 'cpus', 'CPUs'],
    [host.cpusetMems, support.memoryNodes, 'mems', 'memory nodes'],
  ] as const) {
    if (!set) continue;
    const asked = parseCpuList(set);
    if (asked === undefined) throw invalid(`Invalid value ${set} for cpuset ${field}`);
    const there = parseCpuList(available);
    if (there !== undefined && [...asked].some((member) => !there.has(member)))
      throw invalid(`Requested ${what} are not available - requested ${set}, available: ${available}`);
  }
}

interface Discard {
  readonly supported: keyof ResourceSupport;
  readonly fields: readonly (keyof HostSettings)[];
  readonly warning: string;
}

const gone = (what: string, outcome: string, where = ' or the cgroup is not mounted'): string =>
  `Your kernel does not support ${what}${where}. ${outcome} discarded.`;

const DISCARDS: readonly Discard[] = [
  {
    supported: 'memoryLimit',
    fields: ['memory', 'memorySwap'],
    warning: gone('memory limit capabilities', 'Limitation'),
  },
  {
    supported: 'swappiness',
    fields: ['memorySwappiness'],
    warning: gone('memory swappiness capabilities', 'Memory swappiness'),
  }, // prettier-ignore
  {
    supported: 'memoryReservation',
    fields: ['memoryReservation'],
    warning: gone('memory soft limit capabilities', 'Limitation'),
  },
  {
    supported: 'kernelMemoryTcp',
    fields: ['kernelMemoryTCP'],
    warning: gone('kernel memory TCP limit capabilities', 'Limitation'),
  },
  { supported: 'oomKillDisable', fields: ['oomKillDisable'], warning: gone('OomKillDisable', 'OomKillDisable', '') },
  { supported: 'pidsLimit', fields: ['pidsLimit'], warning: gone('PIDs limit capabilities', 'PIDs limit') },
  { supported: 'cpuShares', fields: ['cpuShares'], warning: gone('CPU shares', 'Shares') },
  {
    supported: 'cpuQuota',
    fields: ['cpuPeriod', 'cpuQuota'],
    warning: gone('CPU CFS scheduler', 'CPU period/quota', ''),
  },
  { supported: 'cpuset', fields: ['cpusetCpus', 'cpusetMems'], warning: gone('cpuset', 'Cpuset') },
  { supported: 'blkioWeight', fields: ['blkioWeight'], warning: gone('Block I/O weight', 'Weight') },
  {
    supported: 'blkioWeightDevice',
    fields: ['blkioWeightDevice'],
    warning: gone('Block I/O weight_device', 'Weight-device'),
  },
  {
    supported: 'blkioReadBps',
    fields: ['blkioDeviceReadBps'],
    warning: gone('BPS Block I/O read limit', 'Block I/O BPS read limit'),
  },
  {
    supported: 'blkioWriteBps',
    fields: ['blkioDeviceWriteBps'],
    warning: gone('BPS Block I/O write limit', 'Block I/O BPS write limit'),
  },
  {
    supported: 'blkioReadIops',
    fields: ['blkioDeviceReadIOps'],
    warning: gone('IOPS Block read limit', 'Block I/O IOPS read limit'),
  },
  {
    supported: 'blkioWriteIops',
    fields: ['blkioDeviceWriteIOps'],
    warning: gone('IOPS Block write limit', 'Block I/O IOPS write limit'),
  },
];

const isAsked = (field: keyof HostSettings, value: unknown): boolean =>
  Array.isArray(value)
    ? value.length > 0
    : field === 'memorySwappiness'
      ? typeof value === 'number' && value !== -1
      : value !== undefined && value !== null && value !== 0 && value !== '' && value !== false;

/** The settings without the limits that this host can not hold, and what to tell the user about each, as dockerd does. */
export function supportedLimits<T extends HostSettings>(
  host: T,
  support: ResourceSupport,
): { readonly host: T; readonly warnings: readonly string[] } {
  const kept: Partial<Record<keyof HostSettings, unknown>> = { ...host };
  const warnings: string[] = [];
  for (const { supported, fields, warning } of DISCARDS) {
    if (support[supported]) continue;
    const asked = fields.filter((field) => isAsked(field, host[field]));
    for (const field of asked) delete kept[field];
    if (asked.length > 0) warnings.push(warning);
  }
  if ((host.cpuPercent ?? 0) > 0) {
    delete kept['cpuPercent'];
    warnings.push('linux does not support CPU percent. Percent discarded.');
  }
  if (support.memoryLimit && !support.swapLimit && (host.memory ?? 0) > 0 && (host.memorySwap ?? 0) >= 0) {
    // Without accounting for swap the kernel refuses any value.
    kept['memorySwap'] = -1;
    warnings.push(
      'Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.',
    );
  }
  if (host.oomKillDisable && support.oomKillDisable && !((host.memory ?? 0) > 0))
    warnings.push(
      'OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.',
    );
  return { host: kept as T, warnings };
}
