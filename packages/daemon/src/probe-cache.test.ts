import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { OciRuntime } from '@berth/runtime';
import { createProbeCache } from './probe-cache.ts';

test('a probe that passed is not repeated until program or host change; a failed one always is', async () => {
  const directory = mkdtempSync(join(process.env['BERTH_TEST_TMP'] ?? '/dev/shm', 'berth-test-probe-'));
  try {
    const path = join(directory, 'runtime');
    const file = join(directory, 'cache/probed.json');
    writeFileSync(path, 'one');
    let probes = 0;
    let works = false;
    const runtime = {
      path,
      async probe() {
        probes++;
        if (!works) throw new Error('does not work here');
        return { version: `v${probes}`, commit: '', spec: '' };
      },
    } as unknown as OciRuntime;
    let host = 'kernel 1';
    const probe = (): Promise<{ readonly version: string }> => createProbeCache(file, () => host)(runtime);
    await assert.rejects(probe(), /does not work here/);
    await assert.rejects(probe(), /does not work here/);
    works = true;
    assert.equal((await probe()).version, 'v3');
    assert.equal((await probe()).version, 'v3', 'remembered by another daemon');
    host = 'kernel 2';
    assert.equal((await probe()).version, 'v4');
    writeFileSync(path, 'other program');
    assert.equal((await probe()).version, 'v5');
    writeFileSync(file, 'damaged');
    assert.equal((await probe()).version, 'v6');
  } finally {
    rmSync(directory, { recursive: true });
  }
});
