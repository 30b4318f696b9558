import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import {
  becomeSubreaper,
  cgroupDirectories,
  cgroupPids,
  cgroupsPath,
  createCgroup,
  detectCgroups,
  diskUsage,
  diskUsageSync,
  isProcessAlive,
  joinCgroup,
  killCgroup,
  lockFile,
  readCgroupStats,
  readHostFacts,
  readNetworkCounters,
  readProcessStat,
  readSysctl,
  removeCgroup,
  sendSignal,
  statFileSystem,
  systemCpuUsage,
} from '@berth/linux';

const base = mkdtempSync(join(process.env['BERTH_TEST_TMP'] ?? '/dev/shm', 'berth-test-'));
after(() => rmSync(base, { recursive: true, force: true }));

test('a group is made, filled, read, killed and removed', async () => {
  const layout = detectCgroups();
  assert.notEqual(layout.mode, 'none');
  assert.ok(layout.controllers.has('memory'));
  const path = cgroupsPath('berth-test', `c${process.pid}`);
  assert.equal(path, `/berth-test/c${process.pid}`);
  assert.throws(() => cgroupsPath('../x', 'y'), { kind: 'invalid' });
  createCgroup(layout, path);
  const child = spawn('sleep', ['60']);
  const exited = once(child, 'exit');
  try {
    assert.ok(child.pid);
    joinCgroup(layout, path, child.pid);
    assert.deepEqual(cgroupPids(layout, path), [child.pid]);
    const stats = readCgroupStats(layout, path);
    assert.equal(stats.pids.current, 1);
    assert.ok(stats.memory.limit > 1 << 28);
    assert.equal(stats.memory.oomKills, 0);
    assert.ok(systemCpuUsage() > stats.cpu.usage);
    assert.equal(removeCgroup(layout, path), false);
    killCgroup(layout, path);
    await exited;
  } finally {
    child.kill('SIGKILL');
    await exited;
    for (let i = 0; i < 50 && !removeCgroup(layout, path); i++) await new Promise((resolve) => setTimeout(resolve, 10));
    removeCgroup(layout, '/berth-test');
  }
  assert.ok(cgroupDirectories(layout, path).every((dir) => !existsSync(dir)));
  assert.equal(readCgroupStats(layout, path).cpu.usage, 0);
});

test('processes are told apart by their start time', async () => {
  const child = spawn('sleep', ['60']);
  const exited = once(child, 'exit');
  assert.ok(child.pid);
  const stat = readProcessStat(child.pid);
  assert.equal(stat?.parent, process.pid);
  assert.ok(isProcessAlive(child.pid, stat.startTime));
  assert.equal(isProcessAlive(child.pid, '1'), false);
  assert.equal(sendSignal(child.pid, 15), true);
  await exited;
  assert.equal(isProcessAlive(child.pid), false);
  assert.equal(sendSignal(child.pid, 15), false);
});

test('host facts, counters, sysctl, file system', () => {
  const facts = readHostFacts();
  assert.match(facts.kernel, /^\d+\.\d+/);
  assert.ok(facts.osRelease['ID']);
  assert.ok(facts.boundingCapabilities.has(0));
  assert.ok(readNetworkCounters('self').some((link) => link.name === 'lo'));
  assert.match(readSysctl('net.ipv4.ip_forward') ?? '', /^[01]$/);
  assert.equal(readSysctl('no.such.thing'), undefined);
  assert.ok(statFileSystem(base).totalBytes > 0);
  becomeSubreaper();
});

test('a file is locked by one process at a time', () => {
  const path = join(base, 'lock');
  {
    using _held = lockFile(path);
    assert.throws(() => lockFile(path), { kind: 'conflict' });
  }
  using _again = lockFile(path);
});

test('disk usage counts blocks, and a hard link once', async () => {
  const root = join(base, 'du');
  mkdirSync(join(root, 'sub'), { recursive: true });
  writeFileSync(join(root, 'a'), Buffer.alloc(10_000));
  linkSync(join(root, 'a'), join(root, 'sub/b'));
  symlinkSync('/', join(root, 'sub/root'));
  const usage = await diskUsage(root);
  assert.deepEqual(usage, diskUsageSync(root));
  assert.equal(usage.inodes, 4);
  assert.equal(usage.bytes, 12288);
  assert.deepEqual(await diskUsage(join(base, 'missing')), { bytes: 0, inodes: 0 });
});
