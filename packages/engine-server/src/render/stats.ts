import type { Container, ContainerStats } from '@berth/containers';
import type { StatsResponse } from '@berth/engine-api';
import { ZERO_TIME } from '../time.ts';

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
  const memory = now?.cgroup.memory;
  return {
    read: now ? now.readAt.toISOString() : ZERO_TIME,
    preread: before ? before.readAt.toISOString() : ZERO_TIME,
    pids_stats: now
      ? {
          ...(now.cgroup.pids.current === undefined ? {} : { current: now.cgroup.pids.current }),
          ...(now.cgroup.pids.limit === undefined ? {} : { limit: now.cgroup.pids.limit }),
        }
      : {},
    blkio_stats: renderIo(now),
    num_procs: 0,
    storage_stats: {},
    cpu_stats: renderCpu(now),
    precpu_stats: renderCpu(before),
    memory_stats: now
      ? {
          ...(memory?.usage === undefined ? {} : { usage: memory.usage }),
          ...(memory?.max === undefined ? {} : { max_usage: memory.max }),
          ...(memory?.failures === undefined ? {} : { failcnt: memory.failures }),
          stats: { ...memory?.stat },
          limit: now.memoryLimit,
        }
      : {},
    name: `/${container.name}`,
    id: container.id,
    ...(now ? { networks: renderNetworks(now) } : {}),
  };
}

function renderCpu(stats: ContainerStats | undefined): Cpu {
  if (!stats) return NO_CPU;
  const { cpu } = stats.cgroup;
  return {
    cpu_usage: {
      total_usage: cpu.total,
      ...(cpu.perCpu.length > 0 ? { percpu_usage: [...cpu.perCpu] } : {}),
      usage_in_kernelmode: cpu.kernel,
      usage_in_usermode: cpu.user,
    },
    system_cpu_usage: stats.hostCpu,
    online_cpus: navigator.hardwareConcurrency,
    throttling_data: {
      periods: cpu.periods,
      throttled_periods: cpu.throttledPeriods,
      throttled_time: cpu.throttledTime,
    },
  };
}

function renderIo(stats: ContainerStats | undefined): StatsResponse['blkio_stats'] {
  const entries = stats?.cgroup.io.map(({ major, minor, operation, bytes }) => ({
    major,
    minor,
    op: operation,
    value: bytes,
  }));
  return {
    io_service_bytes_recursive: entries && entries.length > 0 ? entries : null,
    io_serviced_recursive: null,
    io_queue_recursive: null,
    io_service_time_recursive: null,
    io_wait_time_recursive: null,
    io_merged_recursive: null,
    io_time_recursive: null,
    sectors_recursive: null,
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
