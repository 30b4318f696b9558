import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Descriptor, type Digest, MEDIA_TYPES, type MemoryTarget } from '@berth/oci';
import type { TransferEvent } from './image-service.ts';
import { createMemoryRegistry, openTestStore, putBlob, putImage, putJson, storedDigests } from './test-support.ts';

const APP = { domain: 'docker.io', path: 'library/app' };

/** A manifest of one blob that says what it is about. */
async function putReferrer(target: MemoryTarget, subject: Descriptor, text: string): Promise<Descriptor> {
  const config = await putBlob(target, Buffer.from('{}'), MEDIA_TYPES.ociEmpty);
  const layer = await putBlob(target, Buffer.from(text), 'text/plain');
  return await putJson(
    target,
    { schemaVersion: 2, mediaType: MEDIA_TYPES.ociManifest, artifactType: 'x/y', config, layers: [layer], subject },
    MEDIA_TYPES.ociManifest,
  );
}

test('referrers come when asked for, are kept by what they are about, and go with it', async () => {
  await using store = await openTestStore();
  const target = store.registry.repository(APP);
  const { manifest } = await putImage(target, { layers: ['one'] }, 'latest');
  const first = await putReferrer(target, manifest, 'first');
  const second = await putReferrer(target, first, 'second');
  await store.images.pull('app', {});
  assert.deepEqual(await store.images.referrers('app'), []);
  const before = await store.images.summary('app');
  await store.images.pull('app', { referrers: true });
  const found = await store.images.referrers('app');
  assert.deepEqual(
    found.map(({ subject, descriptor }) => [subject, descriptor.digest, descriptor.artifactType]),
    [
      [manifest.digest, first.digest, 'x/y'],
      [first.digest, second.digest, 'x/y'],
    ],
  );
  const after = await store.images.summary('app');
  assert.equal(after.size - before.size, first.size + second.size + '{}first second'.length - 1);
  await store.images.prune({ dangling: false, matches: () => false });
  assert.equal((await store.images.referrers('app')).length, 2);
  assert.deepEqual(await store.images.check(), []);
  await store.images.tag('app', 'other');
  await store.images.remove('app');
  assert.equal((await store.images.referrers('other')).length, 2);
  await store.images.remove('other');
  assert.deepEqual(storedDigests(store), []);
});

test('a referrer that is lost is found by the check and forgotten at the next start', async () => {
  await using store = await openTestStore();
  const target = store.registry.repository(APP);
  const { manifest } = await putImage(target, { layers: ['one'] }, 'latest');
  const referrer = await putReferrer(target, manifest, 'lost');
  await store.images.pull('app', { referrers: true });
  await store.content.remove(referrer.digest);
  assert.match((await store.images.check())[0]?.problem ?? '', /of its referrer .* is not in the store$/);
  await store.images.recover();
  assert.deepEqual(await store.images.check(), []);
  assert.deepEqual(await store.images.referrers('app'), []);
});

test('a registry that lists too much, lies or fails does not spoil the pull', async () => {
  const registry = createMemoryRegistry();
  const target = registry.repository(APP);
  const { manifest, config } = await putImage(target, { layers: ['one'] }, 'latest');
  const other = await putImage(target, { layers: ['two'] });
  const good = await putReferrer(target, manifest, 'good');
  const elsewhere = await putReferrer(target, other.manifest, 'about another');
  const spoiled = await putReferrer(target, manifest, 'spoiled');
  const missing = { mediaType: MEDIA_TYPES.ociManifest, digest: `sha256:${'0'.repeat(64)}` as Digest, size: 3 };
  const noManifest = { ...config, mediaType: 'application/json' };
  const lies = [missing, elsewhere, noManifest, spoiled, manifest, good];
  const lying = { ...target, referrers: async () => lies };
  await using store = await openTestStore({ registry: { ...registry, repository: () => lying } });
  const spoiledFetch = lying.fetch;
  lying.fetch = async (blob, options) => {
    if (blob.digest === spoiled.digest) throw new Error('the line broke');
    return await spoiledFetch(blob, options);
  };
  const events: TransferEvent[] = [];
  await store.images.pull('app', { referrers: true, onProgress: (event) => events.push(event) });
  const found = await store.images.referrers('app');
  assert.deepEqual(
    found.map(({ descriptor }) => descriptor.digest),
    [good.digest],
  );
  const said = events.flatMap((event) => (event.type === 'message' ? [event.text] : []));
  assert.ok(said.includes(`Could not pull the referrer ${spoiled.digest}: the line broke`), said.join('\n'));
  await store.images.remove('app');
  assert.deepEqual(storedDigests(store), []);
});

test('referrers that refer to one another without end are bounded', async () => {
  const registry = createMemoryRegistry();
  const target = registry.repository(APP);
  const { manifest } = await putImage(target, { layers: ['one'] }, 'latest');
  let subject = manifest;
  for (let at = 0; at < 10; at++) subject = await putReferrer(target, subject, `level ${at}`);
  await using store = await openTestStore({ registry });
  await store.images.pull('app', { referrers: true });
  assert.equal((await store.images.referrers('app')).length, 4);
});
