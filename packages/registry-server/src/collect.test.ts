import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Digest, digestOf, MEDIA_TYPES } from '@berth/oci';
import { createDirectoryStorage } from './directory-storage.ts';
import { startRegistry } from './start.ts';
import type { RegistryStorage } from './storage.ts';

const BASE = process.env['BERTH_TEST_TMP'] ?? '/dev/shm';

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}

const setUp = async (context: TestContext) => {
  const root = await mkdtemp(join(BASE, 'berth-test-'));
  context.after(() => rm(root, { recursive: true, force: true }));
  const storage = await createDirectoryStorage(root);
  const blobs = async (): Promise<readonly string[]> => [...(await readdir(join(root, 'blobs', 'sha256')))].sort();
  return { root, storage, blobs };
};

const putBlob = async (storage: RegistryStorage, repository: string, bytes = randomBytes(100)): Promise<Digest> => {
  const id = await storage.startUpload(repository);
  await storage.appendUpload(repository, id, once(bytes));
  const digest = digestOf(bytes);
  await storage.commitUpload(repository, id, digest);
  return digest;
};

const putManifest = async (storage: RegistryStorage, repository: string, content: object, tag?: string) => {
  const mediaType = 'manifests' in content ? MEDIA_TYPES.ociIndex : MEDIA_TYPES.ociManifest;
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, ...content }));
  const digest = digestOf(bytes);
  await storage.putManifest(repository, { mediaType, digest, bytes }, tag === undefined ? {} : { tag });
  return { mediaType, digest, size: bytes.byteLength };
};

const putImage = async (storage: RegistryStorage, repository: string, tag?: string, subject?: object) => {
  const digest = await putBlob(storage, repository);
  const config = { mediaType: MEDIA_TYPES.ociConfig, digest, size: 100 };
  return putManifest(storage, repository, { config, layers: [], ...(subject && { subject }) }, tag);
};

test('a collection takes what no manifest names, and only when it is old enough', async (context) => {
  const { storage, blobs } = await setUp(context);
  const image = await putImage(storage, 'a', 'v1');
  const loose = await putBlob(storage, 'a');
  assert.deepEqual(await storage.collect(), { manifests: 0, blobs: 0, bytes: 0 });
  assert.deepEqual(await storage.collect({ minAgeMs: 0, dryRun: true }), { manifests: 0, blobs: 1, bytes: 100 });
  assert.equal(await storage.blobSize('a', loose), 100);
  assert.deepEqual(await storage.collect({ minAgeMs: 0 }), { manifests: 0, blobs: 1, bytes: 100 });
  assert.equal(await storage.blobSize('a', loose), undefined);
  assert.equal((await storage.manifest('a', 'v1'))?.digest, image.digest);
  assert.equal((await blobs()).length, 2);
});

test('a blob that another repository still names stays', async (context) => {
  const { storage } = await setUp(context);
  const bytes = randomBytes(100);
  const shared = await putBlob(storage, 'a', bytes);
  assert.equal(await storage.mountBlob('b/c', shared, 'a'), true);
  const config = { mediaType: MEDIA_TYPES.ociConfig, digest: shared, size: 100 };
  await putManifest(storage, 'b/c', { config, layers: [] }, 'v1');
  await storage.collect({ minAgeMs: 0 });
  assert.equal(await storage.blobSize('a', shared), undefined);
  assert.equal(await storage.blobSize('b/c', shared), 100);
});

test('untagged manifests go when asked for; indexes and referrers of kept ones stay', async (context) => {
  const { storage, blobs } = await setUp(context);
  const child = await putImage(storage, 'a');
  const index = await putManifest(storage, 'a', { manifests: [child] }, 'multi');
  const signature = await putImage(storage, 'a', undefined, index);
  const old = await putImage(storage, 'a', 'moving');
  await putImage(storage, 'a', 'moving');
  assert.deepEqual(await storage.collect({ minAgeMs: 0, untagged: true }), {
    manifests: 1,
    blobs: 2,
    bytes: 100 + old.size,
  });
  for (const { digest } of [child, index, signature]) assert.ok(await storage.hasManifest('a', digest));
  assert.equal(await storage.hasManifest('a', old.digest), false);
  await storage.removeManifest('a', 'multi');
  await storage.removeManifest('a', 'moving');
  await storage.collect({ minAgeMs: 0, untagged: true });
  assert.deepEqual(await blobs(), []);
});

test('collections while pushes go on never take what was just pushed', async (context) => {
  const { storage } = await setUp(context);
  const done = { now: false };
  const collections = (async () => {
    while (!done.now) await storage.collect({ minAgeMs: 50, untagged: true });
  })();
  const images = await Promise.all(Array.from({ length: 12 }, (_, at) => putImage(storage, `r${at % 3}`, `v${at}`)));
  done.now = true;
  await collections;
  await storage.collect({ minAgeMs: 0, untagged: true });
  for (const [at, { digest }] of images.entries())
    assert.equal((await storage.manifest(`r${at % 3}`, `v${at}`))?.digest, digest);
});

test('uploads expire when nothing comes, not before', async (context) => {
  const { root, storage } = await setUp(context);
  const id = await storage.startUpload('a');
  assert.equal(await storage.expireUploads(10_000), 0);
  assert.equal(await storage.uploadSize('a', id), 0);
  assert.equal(await storage.expireUploads(0), 1);
  assert.equal(await storage.uploadSize('a', id), undefined);
  await storage.startUpload('a');
  await using registry = await startRegistry({ root, uploadLifeMs: 0 });
  assert.deepEqual(await readdir(join(root, 'uploads')), []);
  assert.deepEqual(await registry.collect({ minAgeMs: 0 }), { manifests: 0, blobs: 0, bytes: 0 });
});

test('uploads at once: one blob by many, and one upload by two', async (context) => {
  const { storage, blobs } = await setUp(context);
  const bytes = randomBytes(50_000);
  const digests = await Promise.all(Array.from({ length: 8 }, (_, at) => putBlob(storage, `r${at}`, bytes)));
  assert.deepEqual(await blobs(), [digestOf(bytes).slice(7)]);
  for (const [at, digest] of digests.entries()) assert.equal(await storage.blobSize(`r${at}`, digest), 50_000);
  const id = await storage.startUpload('a');
  const halves = [bytes.subarray(0, 25_000), bytes.subarray(25_000)] as const;
  await storage.appendUpload('a', id, once(halves[0]), { at: 0 });
  const both = await Promise.allSettled([
    storage.appendUpload('a', id, once(halves[1]), { at: 25_000 }),
    storage.appendUpload('a', id, once(halves[1]), { at: 25_000 }),
  ]);
  assert.deepEqual(both.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
  await storage.commitUpload('a', id, digestOf(bytes));
  assert.equal(await storage.blobSize('a', digestOf(bytes)), 50_000);
});

test('conditional and ranged requests', async (context) => {
  const { root, storage } = await setUp(context);
  const bytes = randomBytes(1000);
  const digest = await putBlob(storage, 'a', bytes);
  const manifest = await putImage(storage, 'a', 'v1');
  await using registry = await startRegistry({ root });
  const get = (path: string, headers: Record<string, string>) => fetch(new URL(path, registry.url), { headers });
  const blob = `/v2/a/blobs/${digest}`;
  assert.equal((await get(blob, { 'if-none-match': `"${digest}"` })).status, 304);
  assert.equal((await get(blob, { 'if-none-match': `"x", W/"${digest}"` })).status, 304);
  assert.equal((await get(blob, { 'if-none-match': '"x"' })).status, 200);
  assert.equal((await get(blob, { range: 'bytes=1-2', 'if-range': `"${digest}"` })).status, 206);
  assert.equal((await get(blob, { range: 'bytes=1-2', 'if-range': '"old"' })).status, 200);
  const current = await get('/v2/a/manifests/v1', { 'if-none-match': `"${manifest.digest}"` });
  assert.deepEqual([current.status, current.headers.get('etag')], [304, `"${manifest.digest}"`]);
});
