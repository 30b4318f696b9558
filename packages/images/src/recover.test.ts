import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openTestStore, putImage } from './test-support.ts';

const APP = { domain: 'docker.io', path: 'library/app' };

test('a start removes what nobody can go on with, and keeps what the next pull can', async () => {
  await using store = await openTestStore();
  for (const ref of ['stream/1', 'load/2', `blob/sha256:${'0'.repeat(64)}`, 'other/3']) {
    await using ingest = await store.content.ingest(ref);
    await ingest.write(Buffer.from('partial'));
  }
  await store.snapshotter.prepare('unpack-left');
  await store.snapshotter.prepare('container-kept');
  await store.images.recover();
  assert.deepEqual([...store.content.ingests()].map(({ ref }) => ref).sort(), [
    `blob/sha256:${'0'.repeat(64)}`,
    'other/3',
  ]);
  assert.deepEqual(
    [...store.snapshotter.list()].map(({ key }) => key),
    ['container-kept'],
  );
});

test('layers that a killed pull had finished are there for the next one, which ends their lease', async () => {
  await using store = await openTestStore();
  const image = await putImage(store.registry.repository(APP), { layers: ['one'] }, 'latest');
  const [layer] = image.layers;
  assert.ok(layer);
  const left = store.leases.create('images/pull docker.io/library/app:latest', {
    expiresAt: new Date(Date.now() + 60_000),
  });
  left.add({ kind: 'blob', key: layer.digest });
  await using ingest = await store.content.ingest('x', layer);
  for await (const chunk of await store.registry.repository(APP).fetch(layer)) await ingest.write(chunk);
  await ingest.commit(layer);
  await store.images.prune({ dangling: false });
  store.registry.fetched.length = 0;
  await store.images.pull('app', {});
  assert.ok(!store.registry.fetched.includes(layer.digest));
  assert.deepEqual(store.leases.list(), []);
});
