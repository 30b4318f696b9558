import type { Container, ContainerStats } from '@berth/containers';
import type { StatsResponse } from '@berth/engine-api';
import { ZERO_TIME } from '../time.ts';
import { MEMORY_STAT_KEYS } from './memory-stat-keys.ts';

type Cpu = StatsResponse['cpu_stats'];

const NO_CPU: Cpu = {
  cpu_usage: { total_usage: 0, usage_in_kernelmode: 0, usage_in_usermode: 0 },
  throttling_data: { periods: 0, throttled_periods: 0, throttled_time: 0 },
};

/** One reading, with the one before it for rates. A container that does not run has zeroes. */
export function renderStats(
  container: Container,
  now: ContainerStats | undefined,
  before: ContainerStats | undefined,
): StatsResponse {
  return {
    read: now ? now.readAt.toISOString() : ZERO_TIME,
    preread: before ? before.readAt.toISOString() : ZERO_TIME,
    pids_stats: renderPids(now),
    blkio_stats: renderIo(now),
    num_procs: 0,
    storage_stats: {},
    cpu_stats: renderCpu(now),
    precpu_stats: renderCpu(before),
    memory_stats: renderMemory(now),
    name: `/${container.name}`,
    id: container.id,
    ...(now && now.networks.length > 0 ? { networks: renderNetworks(now) } : {}),
  };
}

function renderPids(stats: ContainerStats | undefined): StatsResponse['pids_stats'] {
  if (!stats) return {};
  const { current, limit } = stats.cgroup.pids;
  return {
    ...(current > 0 ? { current } : {}),
    ...(limit === undefined || !Number.isFinite(limit) ? {} : { limit }),
  };
}

function renderMemory(stats: ContainerStats | undefined): StatsResponse['memory_stats'] {
  if (!stats) return {};
  const { version, memory } = stats.cgroup;
  const { usage, maxUsage, failures, stat, limit } = memory;
  return {
    ...(usage > 0 ? { usage } : {}),
    ...(version === 1 && maxUsage > 0 ? { max_usage: maxUsage } : {}),
    stats: Object.fromEntries(MEMORY_STAT_KEYS[version].map((key) => [key, stat[key] ?? 0])),
    ...(failures > 0 ? { failcnt: failures } : {}),
    ...(limit > 0 ? { limit } : {}),
  };
}

function renderCpu(stats: ContainerStats | undefined): Cpu {
  if (!stats) return NO_CPU;
  const { cpu } = stats.cgroup;
  return {
    cpu_usage: {
      total_usage: cpu.usage,
      ...(cpu.perCpu.length > 0 ? { percpu_usage: [...cpu.perCpu] } : {}),
      usage_in_kernelmode: cpu.kernel,
      usage_in_usermode: cpu.user,
    },
    system_cpu_usage: stats.hostCpu,
    online_cpus: cpu.onlineCpus,
    throttling_data: {
      periods: cpu.periods,
      throttled_periods: cpu.throttledPeriods,
      throttled_time: cpu.throttledTime,
    },
  };
}

/** dockerd's arrays: on v1 every one is there, on v2 the bytes only, and null without devices. */
function renderIo(stats: ContainerStats | undefined): StatsResponse['blkio_stats'] {
  const version = stats?.cgroup.version;
  const { bytes = [], operations = [] } = stats?.cgroup.blkio ?? {};
  const none = version === 1 ? [] : null;
  return {
    io_service_bytes_recursive: bytes.length > 0 ? [...bytes] : none,
    io_serviced_recursive: version === 1 ? [...operations] : null,
    io_queue_recursive: none,
    io_service_time_recursive: none,
    io_wait_time_recursive: none,
    io_merged_recursive: none,
    io_time_recursive: none,
    sectors_recursive: none,
  };
}

function renderNetworks(stats: ContainerStats): NonNullable<StatsResponse['networks']> {
  return Object.fromEntries(
    stats.networks.map((n) => [
      n.name,
      {
        rx_bytes: n.rxBytes,
        rx_packets: n.rxPackets,
        rx_errors: n.rxErrors,
        rx_dropped: n.rxDropped,
        tx_bytes: n.txBytes,
        tx_packets: n.txPackets,
        tx_errors: n.txErrors,
        tx_dropped: n.txDropped,
      },
    ]),
  );
}
