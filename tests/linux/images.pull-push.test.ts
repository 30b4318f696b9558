import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { withMounts } from '@berth/linux';
import { type Digest, streamOf } from '@berth/oci';
import { findings, type ImageStore, openImageStore, startCountedRegistry, temporary } from './images.fixture.ts';

async function withRoots(work: (root: (name: string) => string) => Promise<void>): Promise<void> {
  const base = await temporary('images');
  try {
    await work((name) => {
      const root = join(base, name);
      mkdirSync(root, { recursive: true });
      return root;
    });
  } finally {
    rmSync(base, { recursive: true });
  }
}

/** A tar of a tree that `fill` makes. */
function tarOf(directory: string, fill: (tree: string) => void): Buffer {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory);
  fill(directory);
  return execFileSync('tar', ['--sort=name', '--numeric-owner', '-C', directory, '-c', '.'], { maxBuffer: 1 << 28 });
}

const BIG = randomBytes(6_000_000);

/** An image of two layers in a registry: the upper removes, replaces and adds files. */
async function seed(store: ImageStore, name: string): Promise<Digest> {
  const scratch = join(store.root, 'scratch');
  const lower = tarOf(scratch, (tree) => {
    mkdirSync(join(tree, 'etc'));
    writeFileSync(join(tree, 'etc/kept'), 'kept');
    writeFileSync(join(tree, 'etc/gone'), 'gone');
    writeFileSync(join(tree, 'big'), BIG, { mode: 0o4755 });
    execFileSync('ln', [join(tree, 'etc/kept'), join(tree, 'etc/linked')]);
  });
  const upper = tarOf(scratch, (tree) => {
    mkdirSync(join(tree, 'etc'));
    writeFileSync(join(tree, 'etc/.wh.gone'), '');
    writeFileSync(join(tree, 'etc/new'), 'new');
  });
  const parts = [];
  for (const tar of [lower, upper]) {
    const { id } = await store.images.import(streamOf(gzipSync(tar, { level: 1 })), {});
    parts.push(await store.images.resolve(id));
  }
  const image = await store.images.create({
    config: {
      architecture: 'amd64',
      os: 'linux',
      config: { Cmd: ['sh'] },
      rootfs: { type: 'layers', diff_ids: parts.flatMap((part) => part.diffIds) },
      history: [{ created_by: 'lower' }, { created_by: 'upper' }],
    },
    layers: parts.flatMap((part) => part.layers),
    names: [name],
  });
  await store.images.prune({ dangling: true });
  rmSync(scratch, { recursive: true });
  return image.id;
}

async function checkTree(store: ImageStore, name: string): Promise<void> {
  const top = await store.images.unpack(await store.images.resolve(name));
  assert.ok(top);
  const mounts = await store.snapshotter.view('look', top);
  try {
    await withMounts(mounts, join(store.root, 'mounts'), async (tree) => {
      assert.equal(readFileSync(join(tree, 'etc/kept'), 'utf8'), 'kept');
      assert.equal(readFileSync(join(tree, 'etc/new'), 'utf8'), 'new');
      assert.throws(() => statSync(join(tree, 'etc/gone')), { code: 'ENOENT' });
      assert.equal(statSync(join(tree, 'etc/linked')).ino, statSync(join(tree, 'etc/kept')).ino);
      assert.equal(statSync(join(tree, 'big')).mode & 0o7777, 0o4755);
      assert.ok(readFileSync(join(tree, 'big')).equals(BIG));
    });
  } finally {
    await store.snapshotter.remove('look');
  }
}

for (const driver of ['overlay', 'vfs'] as const)
  test(`push, pull, save, load and push again keep every digest (${driver})`, () =>
    withRoots(async (root) => {
      await using registry = await startCountedRegistry(root('registry'));
      const name = `${registry.host}/team/app:1`;
      await using first = await openImageStore(root('first'), driver);
      const id = await seed(first, name);
      const pushed = await first.images.push(name, {});
      assert.equal(pushed.digest, id);

      await using second = await openImageStore(root('second'), driver);
      assert.equal((await second.images.pull(name, {})).target.digest, id);
      await checkTree(second, name);
      await using third = await openImageStore(root('third'), driver);
      await third.images.load(await second.images.save([name]));
      await checkTree(third, name);
      await third.images.tag(name, `${registry.host}/other/copy:2`);
      const sent = registry.sent;
      assert.equal((await third.images.push(`${registry.host}/other/copy:2`, {})).digest, id);
      assert.ok(registry.sent - sent < 100_000);
      // Not synchronously: the registry is in this process.
      const { stdout } = await promisify(execFile)(
        'skopeo',
        ['inspect', '--raw', '--tls-verify=false', `docker://${registry.host}/other/copy:2`],
        { encoding: 'buffer' },
      );
      assert.ok(stdout.equals(readFileSync(second.content.path(id))));
      for (const store of [first, second, third]) assert.deepEqual(await findings(store), []);
      await second.images.remove(name);
      assert.deepEqual([...second.content.list()], []);
      assert.deepEqual([...second.snapshotter.list()], []);
    }));

test('a pull that was cut off fetches only the rest, also by another process', () =>
  withRoots(async (root) => {
    await using registry = await startCountedRegistry(root('registry'));
    const name = `${registry.host}/team/app:1`;
    {
      await using first = await openImageStore(root('first'));
      await seed(first, name);
      await first.images.push(name, {});
    }
    registry.sent = 0;
    registry.cutAfter = 3_000_000;
    {
      await using second = await openImageStore(root('second'));
      await assert.rejects(second.images.pull(name, {}));
      const [ingest] = [...second.content.ingests()].sort((a, b) => b.offset - a.offset);
      assert.ok((ingest?.offset ?? 0) > 2_000_000);
      assert.deepEqual(
        [...second.snapshotter.list()].filter(({ kind }) => kind === 'active'),
        [],
      );
    }
    await using again = await openImageStore(root('second'));
    registry.sent = 0;
    registry.cutAfter = Number.POSITIVE_INFINITY;
    await again.images.pull(name, {});
    assert.ok(registry.sent < 3_500_000, `${registry.sent} bytes were sent`);
    assert.deepEqual([...again.content.ingests()], []);
    await checkTree(again, name);
    assert.deepEqual(await findings(again), []);
  }));

test('what skopeo writes is loaded, and what is saved skopeo reads', () =>
  withRoots(async (root) => {
    await using store = await openImageStore(root('store'));
    const id = await seed(store, 'local/app:1');
    const oci = join(root('x'), 'saved.tar');
    await writeStream(oci, await store.images.save(['local/app:1']));
    const dockerArchive = join(root('x'), 'docker.tar');
    execFileSync('skopeo', ['copy', '-q', `oci-archive:${oci}`, `docker-archive:${dockerArchive}:local/app:2`]);
    execFileSync('skopeo', ['copy', '-q', `docker-archive:${oci}`, `dir:${root('dir')}`]);
    await using other = await openImageStore(root('other'));
    const loaded = await other.images.load(streamOf(readFileSync(oci)));
    assert.deepEqual(loaded, [{ id, name: 'local/app:1' }]);
    const [fromDocker] = await other.images.load(streamOf(readFileSync(dockerArchive)));
    assert.equal(fromDocker?.name, 'local/app:2');
    await checkTree(other, 'local/app:2');
    assert.deepEqual(await findings(other), []);
  }));

async function writeStream(path: string, stream: AsyncIterable<Uint8Array>): Promise<void> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  writeFileSync(path, Buffer.concat(chunks));
}
