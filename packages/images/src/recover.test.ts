import assert from 'node:assert/strict';
import { test } from 'node:test';
import { collectGarbage } from '@berth/state';
import { heldBy, openTestStore, putImage } from './test-support.ts';

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
  await collectGarbage(store.images.collectables, { leases: store.leases });
  store.registry.fetched.length = 0;
  await store.images.pull('app', {});
  assert.ok(!store.registry.fetched.includes(layer.digest));
  assert.deepEqual(store.leases.list(), []);
});

test('prune gives up what cut-short pulls left: partial downloads and finished layers', async () => {
  await using store = await openTestStore();
  const image = await putImage(store.registry.repository(APP), { layers: ['one'] }, 'latest');
  const [layer] = image.layers;
  assert.ok(layer);
  const left = store.leases.create('images/pull docker.io/library/app:latest', {
    expiresAt: new Date(Date.now() + 60_000),
  });
  left.add({ kind: 'blob', key: layer.digest });
  {
    await using finished = await store.content.ingest('x', layer);
    for await (const chunk of await store.registry.repository(APP).fetch(layer)) await finished.write(chunk);
    await finished.commit(layer);
    await using partial = await store.content.ingest('blob/y');
    await partial.write(Buffer.from('partial'));
  }
  const busy = await store.content.ingest('blob/z');
  const before = await heldBy(store);
  const { removed, bytes } = await store.images.prune({ dangling: true });
  assert.deepEqual(removed, []);
  assert.equal(bytes, before - (await heldBy(store)), 'in blocks, as du counts');
  assert.deepEqual([...store.content.list()], []);
  assert.deepEqual(
    [...store.content.ingests()].map(({ ref }) => ref),
    ['blob/z'],
  );
  await busy.abort();
});
