import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openState } from '@berth/state';
import { checkContent } from './check-content.ts';
import { openContentStore } from './open-content-store.ts';
import { pruneIngests } from './prune-ingests.ts';

const create = async () => {
  const root = mkdtempSync(join(process.env['BERTH_TEST_TMP'] ?? '/dev/shm', 'berth-test-content-'));
  const state = openState(':memory:');
  const store = await openContentStore({ root, state });
  return {
    root,
    state,
    store,
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      state[Symbol.dispose]();
      rmSync(root, { recursive: true });
    },
  };
};

test('each kind of damage is found and named', async () => {
  await using subject = await create();
  const { root, state, store } = subject;
  const blob = () => store.write('application/x', randomBytes(100));
  const [fine, missing, short, wrong] = [await blob(), await blob(), await blob(), await blob()];
  {
    await using ingest = await store.ingest('fine');
    await ingest.write(randomBytes(10));
  }
  assert.deepEqual(await checkContent(store, state, { verifyDigests: true }), []);
  const [partial = ''] = readdirSync(join(root, 'ingest'));
  rmSync(join(root, 'ingest', partial));
  rmSync(store.path(missing.digest));
  truncateSync(store.path(short.digest), 99);
  writeFileSync(store.path(wrong.digest), randomBytes(100));
  writeFileSync(join(root, 'ingest/stray'), '');
  writeFileSync(join(root, 'blobs/sha256/stray'), '');
  mkdirSync(join(root, 'blobs/md5'));
  writeFileSync(join(root, 'stray'), '');
  rmSync(join(root, 'oci-layout'));
  const summary = async (verifyDigests: boolean) =>
    (await checkContent(store, state, { verifyDigests })).map(({ severity, kind, key, path }) =>
      [severity, kind, key ?? path.slice(root.length)].join(' '),
    );
  const quick = [
    'warning unrecordedFile /stray',
    'error layout /oci-layout',
    'warning unrecordedFile /blobs/md5',
    'warning unrecordedFile /blobs/sha256/stray',
    'warning unrecordedFile /ingest/stray',
    'warning ingestWithoutFile fine',
    `error missingFile ${missing.digest}`,
    `error wrongSize ${short.digest}`,
  ].sort();
  assert.deepEqual((await summary(false)).sort(), quick);
  assert.deepEqual((await summary(true)).sort(), [...quick, `error wrongDigest ${wrong.digest}`].sort());
  assert.ok(!(await summary(true)).some((line) => line.includes(fine.digest)));
});

test('a check of a store that is in use reports nothing', async () => {
  await using subject = await create();
  const { state, store } = subject;
  const controller = new AbortController();
  const work = (async () => {
    while (!controller.signal.aborted) {
      const { digest } = await store.write('application/x', randomBytes(10_000));
      await using ingest = await store.ingest('x');
      await ingest.write(randomBytes(300_000));
      await ingest.abort();
      await store.remove(digest);
    }
  })();
  for (let i = 0; i < 5; i++) assert.deepEqual(await checkContent(store, state, { verifyDigests: true }), []);
  controller.abort();
  await work;
});

test('partial blobs that were forgotten are pruned, those being received are not', async () => {
  await using subject = await create();
  const { store } = subject;
  for (const ref of ['old', 'busy']) {
    await using ingest = await store.ingest(ref);
    await ingest.write(randomBytes(1000));
  }
  await using _busy = await store.ingest('busy');
  assert.equal(await pruneIngests(store, new Date(0)), 0);
  const [{ diskUsage = 0 } = {}] = [...store.ingests()];
  assert.ok(diskUsage >= 1000);
  assert.equal(await pruneIngests(store, new Date(Date.now() + 60_000)), diskUsage);
  assert.deepEqual(
    [...store.ingests()].map(({ ref }) => ref),
    ['busy'],
  );
});
