import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { checkContent, openContentStore } from '@berth/content';
import { digestOf, parseDigest } from '@berth/oci';
import { checkSnapshots, createOverlaySnapshotter } from '@berth/snapshots';
import { lockDataRoot, openLeases, openState } from '@berth/state';

const ROUNDS = 8;

/** Works on the data root in another process and kills it after some time; returns what it had said. */
async function churn(root: string, milliseconds: number): Promise<string> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'fixtures/store-churn.ts'), root], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  const closed = once(child, 'close');
  await once(child.stdout, 'data');
  await sleep(milliseconds);
  assert.equal(child.exitCode, null, 'still working when killed');
  child.kill('SIGKILL');
  await closed;
  return said;
}

test('killed at any instant, stores lose nothing committed and leak nothing the next start does not reclaim', async () => {
  const root = mkdtempSync(join(process.env['BERTH_TEST_TMP'] ?? '/dev/shm', 'berth-test-crash-'));
  const expected = { blob: new Map<string, boolean>(), snapshot: new Map<string, boolean>() };
  try {
    for (let round = 0; round < ROUNDS; round++) {
      const said = await churn(root, 20 + Math.random() * 150);
      for (const [, sign, kind, key] of said.matchAll(/^([+-]) (blob|snapshot) (\S+)$/gm))
        expected[kind as 'blob' | 'snapshot'].set(key ?? '', sign === '+');
      await verify(root, expected);
    }
    const counts = [expected.blob.size, expected.snapshot.size];
    assert.ok(Math.min(...counts) > ROUNDS, `there was something to lose: ${counts}`);
  } finally {
    rmSync(root, { recursive: true });
  }
});

async function verify(
  root: string,
  expected: { blob: Map<string, boolean>; snapshot: Map<string, boolean> },
): Promise<void> {
  using _lock = lockDataRoot(root);
  using state = openState(join(root, 'berth.db'));
  await using store = await openContentStore({ root: join(root, 'content'), state });
  const snapshots = createOverlaySnapshotter({ root: join(root, 'snapshots'), state });
  assert.deepEqual(openLeases(state).list(), []);
  await snapshots.cleanup();
  assert.deepEqual(store.mended.dropped, [], 'no record without its file');
  assert.deepEqual(await checkContent(store, state, { verifyDigests: true }), []);
  assert.deepEqual(await checkSnapshots(snapshots), []);
  for (const [digest, there] of expected.blob) {
    if (!there) continue;
    assert.equal(digestOf(await store.read(parseDigest(digest))), digest);
  }
  for (const [key, there] of expected.snapshot) {
    if (!there) continue;
    const directory = snapshots.diffPath(key) ?? '';
    for (let i = 0; i < 5; i++) assert.equal(readFileSync(join(directory, `f${i}`), 'utf8'), key);
    const parent = snapshots.stat(key)?.parent;
    assert.ok(parent === undefined || existsSync(snapshots.diffPath(parent) ?? ''));
  }
}
