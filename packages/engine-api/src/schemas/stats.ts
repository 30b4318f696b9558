import { int, list, map, nullable, obj, opt, record, type Static, str } from '../schema.ts';
import { Type } from '../type.ts';

const BlkioEntry = obj({ major: int, minor: int, op: str, value: int });
const blkio = nullable(Type.Array(BlkioEntry));

export const BlkioStats = obj({
  io_service_bytes_recursive: blkio,
  io_serviced_recursive: blkio,
  io_queue_recursive: blkio,
  io_service_time_recursive: blkio,
  io_wait_time_recursive: blkio,
  io_merged_recursive: blkio,
  io_time_recursive: blkio,
  sectors_recursive: blkio,
});

/** Nanoseconds. */
export const CpuStats = obj({
  cpu_usage: obj({
    total_usage: int,
    percpu_usage: list(int),
    usage_in_kernelmode: int,
    usage_in_usermode: int,
  }),
  system_cpu_usage: opt(int),
  online_cpus: opt(int),
  throttling_data: obj({ periods: int, throttled_periods: int, throttled_time: int }),
});

/** Bytes. */
export const MemoryStats = obj({
  usage: opt(int),
  max_usage: opt(int),
  stats: map(int),
  failcnt: opt(int),
  limit: opt(int),
});

export const NetworkStats = obj({
  rx_bytes: int,
  rx_packets: int,
  rx_errors: int,
  rx_dropped: int,
  tx_bytes: int,
  tx_packets: int,
  tx_errors: int,
  tx_dropped: int,
});

export const StatsResponse = obj({
  read: str,
  preread: str,
  pids_stats: obj({ current: opt(int), limit: opt(int) }),
  blkio_stats: BlkioStats,
  num_procs: int,
  storage_stats: obj({}),
  cpu_stats: CpuStats,
  precpu_stats: CpuStats,
  memory_stats: MemoryStats,
  name: opt(str),
  id: opt(str),
  networks: opt(record(NetworkStats)),
});
export type StatsResponse = Static<typeof StatsResponse>;
