import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { detectResourceSupport } from './resource-support.ts';

function tree(files: Readonly<Record<string, string>>): { readonly root: string } & Disposable {
  const root = mkdtempSync(join(tmpdir(), 'support-'));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return { root, [Symbol.dispose]: () => rmSync(root, { recursive: true }) };
}

test('v1: a limit is there when its file is', () => {
  using host = tree({
    'memory/memory.limit_in_bytes': '',
    'memory/memory.swappiness': '',
    'cpuset/cpuset.cpus': '0-3\n',
    'cpuset/cpuset.mems': '0\n',
    'blkio/blkio.bfq.weight': '',
    'blkio/blkio.throttle.read_bps_device': '',
  });
  const v1 = new Map(['memory', 'cpuset', 'blkio'].map((name) => [name, join(host.root, name)]));
  const support = detectResourceSupport({ mode: 'v1', unified: undefined, v1, controllers: new Set(v1.keys()) });
  const { memoryLimit, swapLimit, swappiness, cpus, memoryNodes, blkioWeight, blkioWeightDevice } = support;
  assert.deepEqual(
    { memoryLimit, swapLimit, swappiness, cpus, memoryNodes, blkioWeight, blkioWeightDevice },
    {
      memoryLimit: true,
      swapLimit: false,
      swappiness: true,
      cpus: '0-3',
      memoryNodes: '0',
      blkioWeight: true,
      blkioWeightDevice: false,
    },
  );
  assert.deepEqual([support.blkioReadBps, support.blkioWriteBps, support.pidsLimit], [true, false, false]);
});

test('v2: a controller brings all its limits, and some limits are no more', () => {
  using host = tree({ 'cpuset.cpus.effective': '0-1\n', 'cpuset.mems.effective': '0\n' });
  const support = detectResourceSupport({
    mode: 'v2',
    unified: host.root,
    v1: new Map(),
    controllers: new Set(['memory', 'io', 'cpuset']),
  });
  assert.deepEqual([support.memoryLimit, support.oomKillDisable, support.swappiness], [true, false, false]);
  assert.deepEqual(
    [support.blkioWeight, support.blkioWriteIops, support.cpuShares, support.cpus],
    [true, true, false, '0-1'],
  ); // prettier-ignore
});
