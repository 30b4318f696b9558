/** The programs of examples/sdk do what their first line says. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { CHECKOUT, type Ran, run, startDaemon, startRegistry, type TestDaemon } from '../harness/index.ts';

describe('examples of the SDK', { concurrency: 1, timeout: 60_000 }, () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await startDaemon();
    await daemon.seedBusybox();
  });
  after(async () => {
    try {
      await daemon?.removeContainers();
      await daemon?.assertClean();
    } finally {
      await daemon?.[Symbol.asyncDispose]();
    }
  });
  const example = (name: string, ...args: readonly string[]): Promise<Ran> =>
    run(process.execPath, [join(CHECKOUT, 'examples/sdk', `${name}.ts`), ...args], {
      env: daemon.env,
      timeoutMs: 20_000,
    });

  test('run', async () => {
    const ran = await example('run', 'busybox', 'sh', '-c', 'echo out; echo err >&2; exit 3');
    assert.deepEqual([ran.code, ran.stdout, ran.stderr], [3, 'out\n', 'err\n']);
    assert.equal((await daemon.berth(['ps', '-aq'])).stdout, '');
  });

  test('logs', async () => {
    await daemon.berth([
      'run',
      '-d',
      '--name',
      'talker',
      '--network',
      'none',
      'busybox',
      'sh',
      '-c',
      'echo one; sleep 1; echo two',
    ]);
    const ran = await example('logs', 'talker');
    assert.equal(ran.code, 0, ran.stderr);
    assert.match(ran.stdout, /^\d{4}-\S+Z one\n\d{4}-\S+Z two\n$/);
    await daemon.berth(['run', '-d', '--name', 'sleeper', '--network', 'none', 'busybox', 'sleep', '100']);
    const bounded = await example('logs', 'sleeper', '0.5');
    assert.equal(bounded.code, 0, bounded.stderr);
  });

  test('build', async () => {
    const ran = await example('build', 'sdk:1');
    assert.equal(ran.code, 0, ran.stderr);
    assert.match(ran.stdout, /image sha256:[0-9a-f]{64}\n$/);
    assert.equal((await daemon.berth(['run', '--rm', '--network', 'none', 'sdk:1'])).stdout, 'built from memory\n');
  });

  test('pull', async () => {
    await using registry = await startRegistry();
    const name = `${registry.host}/sdk`;
    for (const args of [
      ['tag', 'busybox', name],
      ['push', name],
      ['rmi', name],
    ])
      assert.equal((await daemon.berth(args)).code, 0);
    const ran = await example('pull', name);
    assert.equal(ran.code, 0, ran.stderr);
    assert.match(ran.stdout, /Status: Downloaded newer image|Status: Image is up to date/);
  });
});
