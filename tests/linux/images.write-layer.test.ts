import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { withMounts } from '@berth/linux';
import { type Digest, streamOf } from '@berth/oci';
import { findings, type ImageStore, openImageStore, temporary } from './images.fixture.ts';

const inTree = async (store: ImageStore, key: string, work: (tree: string) => void): Promise<void> =>
  withMounts(await store.snapshotter.mounts(key), join(store.root, 'mounts'), async (tree) => work(tree));

async function base(store: ImageStore): Promise<Digest> {
  const tree = join(store.root, 'tree');
  mkdirSync(tree);
  writeFileSync(join(tree, 'stays'), 'stays');
  writeFileSync(join(tree, 'goes'), 'goes');
  const tar = execFileSync('tar', ['-C', tree, '-c', '.']);
  rmSync(tree, { recursive: true });
  await store.images.import(streamOf(tar), { reference: 'base' });
  const { chainIds } = await store.images.resolve('base');
  return chainIds[0] as Digest;
}

for (const driver of ['overlay', 'vfs'] as const)
  test(`a container's changes become a layer and an image (${driver})`, async () => {
    const root = await temporary('images');
    try {
      await using store = await openImageStore(root, driver);
      const parentChainId = await base(store);
      for (const commit of [false, true]) {
        const key = `container-${commit}`;
        await store.snapshotter.prepare(key, parentChainId);
        await inTree(store, key, (tree) => {
          rmSync(join(tree, 'goes'));
          writeFileSync(join(tree, 'comes'), `comes ${commit}`);
        });
        const { layer } = await store.images.writeLayer(key, { parentChainId, commit });
        assert.ok(layer);
        assert.equal(store.snapshotter.stat(layer.chainId)?.kind, commit ? 'committed' : undefined);
        assert.equal(store.snapshotter.stat(key) === undefined, commit);
        const from = await store.images.resolve('base');
        const name = `made:${commit}`;
        await store.images.create({
          config: { ...from.config, rootfs: { type: 'layers', diff_ids: [...from.diffIds, layer.diffId] } },
          layers: [...from.layers, layer.descriptor],
          names: [name],
          parent: from.id,
        });
        // As a container would see it, unpacked from the blob where the snapshot was not kept.
        const top = await store.images.unpack(await store.images.resolve(name));
        assert.equal(top, layer.chainId);
        await store.snapshotter.prepare('look', top);
        await inTree(store, 'look', (tree) => {
          assert.equal(readFileSync(join(tree, 'comes'), 'utf8'), `comes ${commit}`);
          assert.equal(readFileSync(join(tree, 'stays'), 'utf8'), 'stays');
          assert.throws(() => readFileSync(join(tree, 'goes')), { code: 'ENOENT' });
        });
        await store.snapshotter.remove('look');
        if (!commit) await store.snapshotter.remove(key);
      }
      assert.deepEqual(await findings(store), []);
      await store.images.prune({ dangling: false });
      assert.deepEqual([...store.content.list()], []);
      assert.deepEqual([...store.snapshotter.list()], []);
    } finally {
      rmSync(root, { recursive: true });
    }
  });

test('no changes, no layer; and nothing of it stays', async () => {
  const root = await temporary('images');
  try {
    await using store = await openImageStore(root);
    const parentChainId = await base(store);
    const before = [...store.content.list()].length;
    await store.snapshotter.prepare('idle', parentChainId);
    assert.deepEqual(await store.images.writeLayer('idle', { parentChainId, commit: true }), {});
    assert.equal([...store.content.list()].length, before);
    await store.snapshotter.remove('idle');
  } finally {
    rmSync(root, { recursive: true });
  }
});
