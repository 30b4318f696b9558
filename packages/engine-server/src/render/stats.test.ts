import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Container, ContainerStats } from '@berth/containers';
import { renderStats } from './stats.ts';

const container = { id: 'abc', name: 'one' } as Container;

const reading = (version: 1 | 2, usage: number): ContainerStats => ({
  readAt: new Date('2025-01-02T03:04:05.678Z'),
  cgroup: {
    version,
    cpu: {
      usage,
      user: 2,
      kernel: 1,
      perCpu: version === 1 ? [usage] : [],
      onlineCpus: 4,
      periods: 10,
      throttledPeriods: 3,
      throttledTime: 5000,
    },
    memory: {
      usage: 1000,
      maxUsage: 2000,
      limit: 4000,
      failures: 0,
      stat: { anon: 1, inactive_file: 7, kernel: 9, rss: 11, swap: 13 },
      oomKills: 0,
    },
    pids: { current: 2, limit: undefined },
    blkio: {
      bytes: [{ major: 8, minor: 0, op: 'read', value: 4096 }],
      operations: [{ major: 8, minor: 0, op: 'read', value: 1 }],
    },
  },
  hostCpu: 1e9,
  networks: [],
});

test('a reading on v2 has what dockerd gives there', () => {
  const { memory_stats, blkio_stats, cpu_stats, precpu_stats, ...rest } = renderStats(
    container,
    reading(2, 30),
    reading(2, 20),
  );
  const { stats, ...memory } = memory_stats;
  assert.deepEqual(memory, { usage: 1000, limit: 4000 });
  assert.equal(Object.keys(stats ?? {}).length, 31);
  assert.deepEqual([stats?.['anon'], stats?.['inactive_file'], stats?.['pgscan']], [1, 7, 0]);
  assert.ok(!('kernel' in (stats ?? {})), 'whatever else the kernel counts');
  assert.deepEqual(blkio_stats, {
    io_service_bytes_recursive: [{ major: 8, minor: 0, op: 'read', value: 4096 }],
    io_serviced_recursive: null,
    io_queue_recursive: null,
    io_service_time_recursive: null,
    io_wait_time_recursive: null,
    io_merged_recursive: null,
    io_time_recursive: null,
    sectors_recursive: null,
  });
  const cpu = {
    cpu_usage: { total_usage: 30, usage_in_kernelmode: 1, usage_in_usermode: 2 },
    system_cpu_usage: 1e9,
    online_cpus: 4,
    throttling_data: { periods: 10, throttled_periods: 3, throttled_time: 5000 },
  };
  assert.deepEqual(cpu_stats, cpu);
  assert.deepEqual(precpu_stats, { ...cpu, cpu_usage: { ...cpu.cpu_usage, total_usage: 20 } });
  assert.deepEqual(rest, {
    read: '2025-01-02T03:04:05.678Z',
    preread: '2025-01-02T03:04:05.678Z',
    pids_stats: { current: 2 },
    num_procs: 0,
    storage_stats: {},
    name: '/one',
    id: 'abc',
  });
});

test('a reading on v1 has what dockerd gives there', () => {
  const { memory_stats, blkio_stats, cpu_stats } = renderStats(container, reading(1, 30), undefined);
  const { stats, ...memory } = memory_stats;
  assert.deepEqual(memory, { usage: 1000, max_usage: 2000, limit: 4000 });
  assert.equal(Object.keys(stats ?? {}).length, 32);
  assert.deepEqual([stats?.['rss'], stats?.['total_inactive_file']], [11, 0]);
  assert.ok(!('swap' in (stats ?? {})));
  assert.equal(blkio_stats.io_serviced_recursive?.[0]?.value, 1);
  assert.deepEqual(blkio_stats.io_merged_recursive, []);
  assert.deepEqual(cpu_stats.cpu_usage.percpu_usage, [30]);
});

test('without a reading before, and of what does not run', () => {
  const once = renderStats(container, reading(2, 30), undefined);
  assert.equal(once.preread, '0001-01-01T00:00:00Z');
  assert.deepEqual(once.precpu_stats, {
    cpu_usage: { total_usage: 0, usage_in_kernelmode: 0, usage_in_usermode: 0 },
    throttling_data: { periods: 0, throttled_periods: 0, throttled_time: 0 },
  });
  const stopped = renderStats(container, undefined, undefined);
  assert.deepEqual([stopped.name, stopped.memory_stats, stopped.pids_stats], ['/one', {}, {}]);
  assert.equal(stopped.blkio_stats.io_service_bytes_recursive, null);
});
