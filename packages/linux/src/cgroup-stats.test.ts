import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import type { CgroupLayout } from './cgroup-mode.ts';
import { readCgroupStats, readMemInfo } from './cgroup-stats.ts';

const base = mkdtempSync(join(tmpdir(), 'berth-cgroup-'));
after(() => rmSync(base, { recursive: true, force: true }));

const write = (root: string, files: Readonly<Record<string, string>>): void => {
  for (const [name, text] of Object.entries(files)) {
    const path = join(base, root, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
};

const onV2: CgroupLayout = {
  mode: 'v2',
  unified: join(base, 'v2'),
  v1: new Map(),
  controllers: new Set(['cpu', 'io', 'memory', 'pids']),
};

test('a group of a v2 hierarchy', () => {
  write('v2/berth/one', {
    'cpu.stat':
      'usage_usec 1234567\nuser_usec 1000000\nsystem_usec 234567\nnice_usec 0\nnr_periods 40\nnr_throttled 7\nthrottled_usec 350000\nnr_bursts 0\nburst_usec 0\n',
    'memory.current': '52428800\n',
    'memory.max': '134217728\n',
    'memory.peak': '60000000\n',
    'memory.stat':
      'anon 20971520\nfile 31457280\nkernel 1048576\ninactive_file 8388608\nworkingset_refault_anon 3\npgfault 5000\n',
    'memory.events': 'low 0\nhigh 0\nmax 12\noom 2\noom_kill 1\noom_group_kill 0\n',
    'io.stat':
      '8:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n253:1 rbytes=0 wbytes=512 rios=0 wios=1 dbytes=0 dios=0\n',
    'pids.current': '3\n',
    'pids.max': '100\n',
  });
  assert.deepEqual(readCgroupStats(onV2, '/berth/one'), {
    version: 2,
    cpu: {
      usage: 1_234_567_000,
      user: 1_000_000_000,
      kernel: 234_567_000,
      perCpu: [],
      onlineCpus: cpus().length,
      periods: 40,
      throttledPeriods: 7,
      throttledTime: 350_000_000,
    },
    memory: {
      usage: 52_428_800,
      maxUsage: 60_000_000,
      limit: 134_217_728,
      failures: 2,
      stat: {
        anon: 20_971_520,
        file: 31_457_280,
        kernel: 1_048_576,
        inactive_file: 8_388_608,
        workingset_refault_anon: 3,
        pgfault: 5000,
      },
      oomKills: 1,
    },
    pids: { current: 3, limit: 100 },
    blkio: {
      bytes: [
        { major: 8, minor: 0, op: 'read', value: 4096 },
        { major: 8, minor: 0, op: 'write', value: 8192 },
        { major: 253, minor: 1, op: 'read', value: 0 },
        { major: 253, minor: 1, op: 'write', value: 512 },
      ],
      operations: [
        { major: 8, minor: 0, op: 'read', value: 1 },
        { major: 8, minor: 0, op: 'write', value: 2 },
        { major: 253, minor: 1, op: 'read', value: 0 },
        { major: 253, minor: 1, op: 'write', value: 1 },
      ],
    },
  });
});

test('a group of a v2 hierarchy without limits or traffic, or without most controllers', () => {
  write('v2/berth/free', { 'memory.max': 'max\n', 'pids.max': 'max\n', 'io.stat': '', 'cpu.stat': 'usage_usec 5\n' });
  const { cpu, memory, pids, blkio } = readCgroupStats(onV2, '/berth/free');
  assert.equal(memory.limit, readMemInfo()['MemTotal']);
  assert.deepEqual([cpu.usage, cpu.periods, memory.usage, pids.limit], [5000, 0, 0, undefined]);
  assert.deepEqual(blkio, { bytes: [], operations: [] });
});

test('a group of v1 hierarchies', () => {
  const at = 'berth/one';
  write('cpu', { [`${at}/cpu.stat`]: 'nr_periods 9\nnr_throttled 2\nthrottled_time 123456789\n' });
  write('cpuacct', {
    [`${at}/cpuacct.usage`]: '3000000000\n',
    [`${at}/cpuacct.usage_percpu`]: '1000000000 2000000000 \n',
    [`${at}/cpuacct.stat`]: 'user 150\nsystem 50\n',
  });
  write('memory', {
    [`${at}/memory.usage_in_bytes`]: '4096000\n',
    [`${at}/memory.max_usage_in_bytes`]: '8192000\n',
    [`${at}/memory.limit_in_bytes`]: '9223372036854771712\n',
    [`${at}/memory.failcnt`]: '4\n',
    [`${at}/memory.stat`]: 'cache 100\nrss 200\ntotal_inactive_file 50\n',
    [`${at}/memory.oom_control`]: 'oom_kill_disable 0\nunder_oom 0\noom_kill 3\n',
  });
  write('pids', { [`${at}/pids.current`]: '2\n', [`${at}/pids.max`]: 'max\n' });
  write('blkio', {
    [`${at}/blkio.throttle.io_service_bytes_recursive`]: '8:0 Read 4096\n8:0 Write 0\n8:0 Total 4096\nTotal 4096\n',
    [`${at}/blkio.throttle.io_serviced`]: '8:0 Read 1\n8:0 Write 0\n8:0 Total 1\nTotal 1\n',
  });
  const v1 = new Map(['cpu', 'cpuacct', 'memory', 'pids', 'blkio'].map((name) => [name, join(base, name)]));
  const stats = readCgroupStats({ mode: 'v1', unified: undefined, v1, controllers: new Set(v1.keys()) }, '/berth/one');
  assert.equal(stats.version, 1);
  assert.deepEqual(stats.cpu, {
    usage: 3e9,
    user: 1.5e9,
    kernel: 0.5e9,
    perCpu: [1e9, 2e9],
    onlineCpus: cpus().length,
    periods: 9,
    throttledPeriods: 2,
    throttledTime: 123_456_789,
  });
  assert.deepEqual(stats.memory, {
    usage: 4_096_000,
    maxUsage: 8_192_000,
    limit: readMemInfo()['MemTotal'],
    failures: 4,
    stat: { cache: 100, rss: 200, total_inactive_file: 50 },
    oomKills: 3,
  });
  assert.deepEqual(stats.pids, { current: 2, limit: undefined });
  assert.deepEqual(stats.blkio, {
    bytes: [
      { major: 8, minor: 0, op: 'Read', value: 4096 },
      { major: 8, minor: 0, op: 'Write', value: 0 },
      { major: 8, minor: 0, op: 'Total', value: 4096 },
    ],
    operations: [
      { major: 8, minor: 0, op: 'Read', value: 1 },
      { major: 8, minor: 0, op: 'Write', value: 0 },
      { major: 8, minor: 0, op: 'Total', value: 1 },
    ],
  });
});
