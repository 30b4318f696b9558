import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { awaitFrozen } from './cgroup-freezer.ts';
import type { CgroupLayout } from './cgroup-mode.ts';

const LONG_MS = 60_000;

const tree = (): Disposable & { readonly root: string } => {
  const root = mkdtempSync(join(tmpdir(), 'berth-test-freezer-'));
  mkdirSync(join(root, 'group'));
  return { root, [Symbol.dispose]: () => rmSync(root, { recursive: true }) };
};

const v1 = (root: string): CgroupLayout => ({
  mode: 'v1',
  unified: undefined,
  v1: new Map([['freezer', root]]),
  controllers: new Set(['freezer']),
});

const v2 = (root: string): CgroupLayout => ({ mode: 'v2', unified: root, v1: new Map(), controllers: new Set() });

for (const [version, layout, file, on, off] of [
  ['v1', v1, 'freezer.state', 'FROZEN\n', 'FREEZING\n'],
  ['v2', v2, 'cgroup.events', 'populated 1\nfrozen 1\n', 'populated 1\nfrozen 0\n'],
] as const)
  test(`a group of ${version} is frozen when the kernel says so, not when it was told to`, async () => {
    using host = tree();
    const path = join(host.root, 'group', file);
    const seen: string[] = [];
    writeFileSync(path, off);
    const waiting = awaitFrozen(layout(host.root), '/group', LONG_MS).then((frozen) => seen.push(`frozen ${frozen}`));
    await new Promise((resolve) => setTimeout(resolve, 20));
    seen.push('written');
    writeFileSync(path, on);
    await waiting;
    assert.deepEqual(seen, ['written', 'frozen true']);
    writeFileSync(path, off);
    assert.equal(await awaitFrozen(layout(host.root), '/group', 5), false);
    assert.equal(await awaitFrozen(layout(host.root), '/none', LONG_MS), false);
    await assert.rejects(awaitFrozen(layout(host.root), '/group', LONG_MS, { signal: AbortSignal.abort() }), {
      kind: 'cancelled',
    });
  });
