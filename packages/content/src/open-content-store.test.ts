import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Digest } from '@berth/oci';
import { openState } from '@berth/state';
import { type ContentStoreSubject, contentStoreContract } from './contract.ts';
import { type OpenedContentStore, openContentStore } from './open-content-store.ts';

const create = async (): Promise<ContentStoreSubject & { store: OpenedContentStore; root: string }> => {
  const directory = mkdtempSync(join(process.env['BERTH_TEST_TMP'] ?? '/dev/shm', 'berth-test-content-'));
  const root = join(directory, 'content');
  const path = join(directory, 'berth.db');
  let state = openState(path);
  let store = await openContentStore({ root, state });
  return {
    root,
    get store() {
      return store;
    },
    async reopen() {
      await store[Symbol.asyncDispose]();
      state[Symbol.dispose]();
      state = openState(path);
      store = await openContentStore({ root, state });
      return store;
    },
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      state[Symbol.dispose]();
      rmSync(directory, { recursive: true });
    },
  };
};

contentStoreContract('file store', create);

const files = (root: string): readonly string[] =>
  [...readdirSync(join(root, 'blobs/sha256')), ...readdirSync(join(root, 'ingest'))].sort();

test('the store is an OCI image layout from the start', async () => {
  await using subject = await create();
  assert.deepEqual(JSON.parse(readFileSync(join(subject.root, 'oci-layout'), 'utf8')), { imageLayoutVersion: '1.0.0' });
  assert.equal(JSON.parse(readFileSync(join(subject.root, 'index.json'), 'utf8')).schemaVersion, 2);
});

test('opening removes files nobody recorded and records without a file', async () => {
  await using subject = await create();
  const kept = await subject.store.write('application/x', randomBytes(100));
  const lost = await subject.store.write('application/x', randomBytes(100));
  const cut = await subject.store.write('application/x', randomBytes(100));
  {
    await using ingest = await subject.store.ingest('gone');
    await ingest.write(randomBytes(10));
  }
  for (const name of readdirSync(join(subject.root, 'ingest'))) rmSync(join(subject.root, 'ingest', name));
  rmSync(subject.store.path(lost.digest));
  truncateSync(subject.store.path(cut.digest), 50);
  writeFileSync(join(subject.root, 'blobs/sha256', 'f'.repeat(64)), 'stray');
  writeFileSync(join(subject.root, 'ingest', 'stray'), 'stray');
  writeFileSync(join(subject.root, 'index.json.abc.tmp'), 'stray');
  const store = await subject.reopen();
  assert.deepEqual([...subject.store.mended.dropped].sort(), [lost.digest, cut.digest].sort());
  assert.equal(subject.store.mended.removedFiles, 3);
  assert.deepEqual(
    [...store.list()].map((blob) => blob.digest),
    [kept.digest],
  );
  assert.deepEqual([...store.ingests()], []);
  assert.deepEqual(files(subject.root), [kept.digest.slice(7)]);
  assert.equal(readdirSync(subject.root).length, 4);
});

test('a blob not yet known to be on the device is verified when the store is opened', async () => {
  await using subject = await create();
  const { digest } = await subject.store.write('application/x', randomBytes(100));
  // as a power cut leaves it: the size is right, the bytes are not, and the flush was never noted
  writeFileSync(subject.store.path(digest), Buffer.alloc(100));
  const state = openState(join(subject.root, '..', 'berth.db'));
  await subject.store[Symbol.asyncDispose]();
  state.run('UPDATE blobs SET durable = 0');
  state[Symbol.dispose]();
  const store = await subject.reopen();
  assert.equal(store.stat(digest), undefined);
  assert.deepEqual(files(subject.root), []);
});

test('the background flush marks a blob durable', async () => {
  await using subject = await create();
  const { digest } = await subject.store.write('application/x', randomBytes(100));
  await subject.store[Symbol.asyncDispose]();
  using state = openState(join(subject.root, '..', 'berth.db'));
  assert.equal(state.get<{ durable: number }>('SELECT durable FROM blobs WHERE digest = ?', digest)?.durable, 1);
});

test('a blob whose record did not make it before the crash is taken over, without a second download', async () => {
  await using subject = await create();
  const data = randomBytes(1000);
  const digest = `sha256:${createHash('sha256').update(data).digest('hex')}` as Digest;
  {
    await using ingest = await subject.store.ingest('pull/x', { digest, size: 1000 });
    await ingest.write(data);
  }
  const [partial] = readdirSync(join(subject.root, 'ingest'));
  writeFileSync(subject.store.path(digest), readFileSync(join(subject.root, 'ingest', partial ?? '')));
  rmSync(join(subject.root, 'ingest', partial ?? ''));
  const store = await subject.reopen();
  assert.deepEqual(subject.store.mended.adopted, [digest]);
  assert.equal(store.stat(digest)?.size, 1000);
  assert.equal(statSync(store.path(digest)).size, 1000);
  assert.deepEqual([...store.ingests()], []);
});
