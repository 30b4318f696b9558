/** A start that fails leaves nothing of its own, and what runs since before it runs on. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  CHECKOUT,
  freeBlock,
  leftBy,
  missing,
  type Ran,
  run,
  runOk,
  startDaemon,
  tempDirectory,
} from '../harness/index.ts';

const berthd = (root: string, ...args: readonly string[]): Promise<Ran> => {
  const own = ['--data-root', join(root, 'data'), '--exec-root', join(root, 'exec'), '-p', join(root, 'pid')];
  return run(join(CHECKOUT, 'bin/berthd'), [...own, ...args], {
    env: { BERTH_NODE: process.execPath },
    timeoutMs: 30_000,
  });
};

async function assertNothing(root: string): Promise<void> {
  assert.deepEqual(await leftBy(root, join(root, 'data')), []);
  for (const name of ['pid', 's.sock']) assert.equal(existsSync(join(root, name)), false, name);
}

const needs = { skip: missing('ip', 'nft'), timeout: 60_000 };

test('a socket in use, a bad address, a data root that is none', needs, async () => {
  await using temp = await tempDirectory('failed');
  const root = temp.path;
  const used = join(root, 'used.sock');
  await using server = createServer();
  await new Promise<void>((resolve) => server.listen(used, resolve));
  const own = `unix://${root}/s.sock`;
  const inTheWay = join(root, 'file');
  await runOk('touch', [inTheWay]);
  for (const [args, said] of [
    [['-H', own, '-H', `unix://${used}`], /bind: address already in use/],
    [['-H', own, '-H', 'tcp://127.0.0.1:0'], /refusing tcp:.* without TLS/],
    [['-H', own, '-H', 'nonsense://x'], /invalid bind address/],
    [['-H', own, '--data-root', inTheWay], /EEXIST|not a directory|ENOTDIR/],
    [['-H', own, '-b', 'nobridge0'], /nobridge0/],
  ] as const) {
    const ran = await berthd(root, ...args);
    assert.equal(ran.code, 1, ran.stderr);
    assert.match(ran.stdout + ran.stderr, said);
    await assertNothing(root);
  }
});

test('failing late, with networks there already', needs, async () => {
  await using temp = await tempDirectory('late');
  const root = temp.path;
  const base = await freeBlock();
  // A stale directory that cannot be removed is met after the networks have been made.
  const containers = join(root, 'data/containers');
  await mkdir(containers, { recursive: true });
  await runOk('mount', ['-t', 'tmpfs', 'berth-test', containers]);
  try {
    await mkdir(join(containers, 'stale'));
    await runOk('mount', ['-o', 'remount,ro', containers]);
    const ran = await berthd(root, '-H', `unix://${root}/s.sock`, '--bip', `${base}.0.1/24`);
    assert.equal(ran.code, 1, ran.stdout + ran.stderr);
  } finally {
    await runOk('umount', [containers]);
  }
  await assertNothing(root);
});

test('a bridge left behind with the same address is named, not raced', needs, async () => {
  await using temp = await tempDirectory('bip');
  const root = temp.path;
  const base = await freeBlock();
  const link = `btleft${base.replace(/\D/g, '')}`;
  await runOk('ip', ['link', 'add', link, 'type', 'bridge']);
  try {
    await runOk('ip', ['addr', 'add', `${base}.0.1/24`, 'dev', link]);
    const ran = await berthd(root, '-H', `unix://${root}/s.sock`, '--bip', `${base}.0.1/24`);
    assert.equal(ran.code, 1, ran.stdout + ran.stderr);
    assert.ok((ran.stdout + ran.stderr).includes(`interface ${link} has ${base}.0.1/24 already`), ran.stderr);
    await assertNothing(root);
  } finally {
    await runOk('ip', ['link', 'del', link]);
  }
});

test('containers of a killed daemon keep their network', {
  skip: missing('docker', 'ip'),
  timeout: 60_000,
}, async () => {
  await using daemon = await startDaemon();
  await daemon.seedBusybox();
  await daemon.ok(['run', '-d', '--name', 'kept', 'busybox', 'sleep', '1000']);
  await daemon.kill9();
  const before = await leftBy(daemon.root, daemon.dataRoot);
  assert.ok(before.some((thing) => thing.startsWith('link ')) && before.some((thing) => thing.startsWith('nft ')));
  await using server = createServer();
  const used = join(daemon.root, 'used.sock');
  await new Promise<void>((resolve) => server.listen(used, resolve));
  const ran = await berthd(daemon.root, '-H', `unix://${used}`);
  assert.equal(ran.code, 1, ran.stderr);
  assert.deepEqual(await leftBy(daemon.root, daemon.dataRoot), before);
  await daemon.restart();
  assert.equal(await daemon.ok(['inspect', '-f', '{{.State.Running}}', 'kept']), 'true');
  const gateway = await daemon.ok(['inspect', '-f', '{{.NetworkSettings.Gateway}}', 'kept']);
  await daemon.ok(['exec', 'kept', 'ping', '-c', '1', '-W', '3', gateway]);
  await daemon.assertClean();
});
