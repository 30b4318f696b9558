import assert from 'node:assert/strict';
import { test } from 'node:test';
import { streamOf } from '@berth/oci';
import { heldBy, openTestStore, putImage, storedDigests, type TestStore } from './test-support.ts';

const APP = { domain: 'docker.io', path: 'library/app' };

async function pulled(store: TestStore, layers: readonly string[], tag = 'latest'): Promise<string> {
  const image = await putImage(store.registry.repository(APP), { layers }, tag);
  await store.images.pull(`app:${tag}`, {});
  return image.manifest.digest;
}

const short = (id: string) => id.slice(7, 19);
const USER = 'c'.repeat(64);

test('the last name takes the image and all its bytes along, an earlier one only itself', async () => {
  await using store = await openTestStore();
  const id = await pulled(store, ['one', 'two']);
  await store.images.tag('app', 'other:1');
  assert.deepEqual(await store.images.remove('other:1'), [{ untagged: 'other:1' }]);
  assert.deepEqual(await store.images.remove('app:latest'), [
    { untagged: 'app:latest' },
    { untagged: `app@${id}` },
    { deleted: id },
  ]);
  assert.deepEqual(storedDigests(store), []);
  assert.deepEqual([...store.snapshotter.list()], []);
  await assert.rejects(store.images.remove('app'), /No such image: app:latest/);
});

test('by ID: one repository goes, several need force', async () => {
  await using store = await openTestStore();
  const id = await pulled(store, ['one']);
  await store.images.tag('app', 'other:1');
  await assert.rejects(store.images.remove(short(id)), {
    message: `conflict: unable to delete ${short(id)} (must be forced) - image is referenced in multiple repositories`,
    kind: 'conflict',
  });
  const removed = await store.images.remove(short(id), { force: true });
  assert.deepEqual(removed.at(-1), { deleted: id });
  assert.deepEqual(storedDigests(store), []);
  await pulled(store, ['one']);
  assert.deepEqual((await store.images.remove(id)).at(-1), { deleted: id });
});

test('what containers use is kept, with the texts clients know', async () => {
  await using store = await openTestStore();
  const id = await pulled(store, ['one']);
  store.users.set(id, [{ id: USER, running: false }]);
  await assert.rejects(store.images.remove('app'), {
    message: `conflict: unable to remove repository reference "app" (must force) - container ${USER.slice(0, 12)} is using its referenced image ${short(id)}`,
  });
  await assert.rejects(store.images.remove(id), {
    message: `conflict: unable to delete ${short(id)} (must be forced) - image is being used by stopped container ${USER.slice(0, 12)}`,
  });
  store.users.set(id, [{ id: USER, running: true }]);
  await assert.rejects(store.images.remove(id, { force: true }), {
    message: `conflict: unable to delete ${short(id)} (cannot be forced) - image is being used by running container ${USER.slice(0, 12)}`,
  });
  assert.deepEqual((await store.images.list())[0]?.repoTags, ['app:latest']);
  // By name and with force it loses its name only.
  await store.images.remove('app', { force: true });
  const [left] = await store.images.list();
  assert.deepEqual([left?.id, left?.repoTags], [id, []]);
  store.users.clear();
  const { removed, bytes } = await store.images.prune({ dangling: true });
  assert.deepEqual(removed, [{ deleted: id }]);
  assert.ok(bytes > 0);
  assert.deepEqual(storedDigests(store), []);
});

test('what images share stays until the last of them goes', async () => {
  await using store = await openTestStore();
  await pulled(store, ['base', 'one'], '1');
  await pulled(store, ['base', 'two'], '2');
  const before = storedDigests(store).length;
  await store.images.remove('app:1');
  assert.equal(storedDigests(store).length, before - 3);
  assert.equal([...store.snapshotter.list()].length, 2);
  await store.images.unpack(await store.images.resolve('app:2'));
});

test('a container keeps the snapshots under its own', async () => {
  await using store = await openTestStore();
  await pulled(store, ['one']);
  const { chainIds } = await store.images.resolve('app');
  await store.snapshotter.prepare('container-1', chainIds[0]);
  await store.images.remove('app', { force: true });
  assert.equal(store.snapshotter.stat(chainIds[0] ?? '')?.kind, 'committed');
  assert.deepEqual(storedDigests(store), []);
});

test('a name that moves on leaves its old image dangling; prune frees exactly that', async () => {
  await using store = await openTestStore();
  const old = await pulled(store, ['old']);
  const now = await pulled(store, ['new']);
  assert.deepEqual(
    (await store.images.list()).map(({ id, repoTags }) => [id, repoTags]).sort(),
    [
      [old, []],
      [now, ['app:latest']],
    ].sort(),
  );
  const [dangling] = await store.images.list({ filters: { dangling: ['true'] } });
  const before = await heldBy(store);
  const { bytes } = await store.images.prune({ dangling: true });
  assert.equal(before - (await heldBy(store)), bytes, 'in blocks, as du counts');
  assert.ok(bytes >= (dangling?.size ?? Number.NaN));
  assert.equal((await store.images.list()).length, 1);
  await store.images.prune({ dangling: false });
  assert.deepEqual(storedDigests(store), []);
});

test('prune leaves a used image the name its container has, or one when that was an ID', async () => {
  await using store = await openTestStore();
  const id = await pulled(store, ['one']);
  for (const name of ['app:b', 'app:z', 'other:1']) await store.images.tag('app', name);
  store.users.set(id, [{ id: USER, running: false, name: 'app:b@' + id }]);
  const names = async () => (await store.images.list())[0]?.repoTags;
  const { removed, bytes } = await store.images.prune({ dangling: false });
  assert.deepEqual(removed, [{ untagged: 'app:latest' }, { untagged: 'app:z' }, { untagged: 'other:1' }]);
  assert.deepEqual([bytes, await names()], [0, ['app:b']]);
  await store.images.tag('app:b', 'app:y');
  store.users.set(id, [{ id: USER, running: false, name: short(id) }]);
  await store.images.prune({ dangling: false });
  assert.deepEqual(await names(), ['app:y']);
});

test('no name may read as an ID', async () => {
  await using store = await openTestStore();
  await pulled(store, ['one']);
  const refused = { kind: 'invalid', message: /ambiguous tag using digest algorithm as name/ };
  await assert.rejects(store.images.tag('app', 'sha256:x'), refused);
  await assert.rejects(store.images.import(streamOf(new Uint8Array(0)), { reference: 'sha256:x' }), refused);
});
