import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { createApplyPool, packDirectory, unpackInto } from '@berth/archive';
import { createNetns, removeNetns, runCommand } from '@berth/linux';
import { busyboxRootfs, describeTree, expectNoLeaks, makeTar, randomMembers, tempRoot } from '@berth/testkit';

test('random trees survive apply, pack and apply', async () => {
  using root = tempRoot();
  for (const seed of [1, 2, 3, 4, 5]) {
    const [one, two] = [root.at(`one${seed}`), root.at(`two${seed}`)];
    for (const dir of [one, two]) mkdirSync(dir);
    const file = root.at('layer.tar');
    writeFileSync(file, makeTar(randomMembers(seed, 80)));
    await using pool = createApplyPool();
    await pool.apply({ source: { path: file }, target: one, mode: 'overlay' });
    await unpackInto(two, packDirectory(one));
    assert.deepEqual(describeTree(two), describeTree(one));
  }
});

test('the busybox root file system runs', async () => {
  using root = tempRoot();
  const tar = await busyboxRootfs();
  await unpackInto(
    root.path,
    (async function* () {
      yield tar;
    })(),
  );
  const { stdout } = await runCommand('chroot', [root.path, '/bin/sh', '-c', 'echo hello | cat']);
  assert.equal(stdout, 'hello\n');
});

test('a pool leaves no thread, process, file or descriptor behind, the oracle sees what is left', async () => {
  using root = tempRoot();
  const scope = {
    mountsBelow: [root.path],
    childrenOnly: true,
    network: false,
    directories: [root.path],
    graceMs: 1000,
  };
  await expectNoLeaks(async () => {
    await using pool = createApplyPool();
    const path = root.at('f');
    writeFileSync(path, 'not a tar'.repeat(100));
    mkdirSync(root.at('x'));
    await assert.rejects(pool.apply({ source: { path }, target: root.at('x'), mode: 'merge' }), { kind: 'invalid' });
    await runCommand('rm', ['-r', root.at('x'), path]);
  }, scope);
  await assert.rejects(
    expectNoLeaks(async () => createNetns(root.at('ns')), { ...scope, graceMs: 0 }),
    /left behind/,
  );
  removeNetns(root.at('ns'));
});
