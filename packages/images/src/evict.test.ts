import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openTestStore, putImage } from './test-support.ts';

const APP = { domain: 'docker.io', path: 'library/app' };

test('the longest unused goes first, what is shared counts with the last that has it, used images stay', async () => {
  await using store = await openTestStore();
  const repository = store.registry.repository(APP);
  for (const tag of ['a', 'b', 'c', 'd']) {
    await putImage(repository, { layers: ['shared'.repeat(2000), tag] }, tag);
    await store.images.pull(`app:${tag}`, {});
    await sleep(3);
  }
  const ids = await Promise.all(['a', 'b', 'c', 'd'].map(async (tag) => (await store.images.resolve(`app:${tag}`)).id));
  const [a, b, c, d] = ids;
  assert.ok(a && b && c && d);
  await store.images.unpack(await store.images.resolve('app:a'));
  store.users.set(c, [{ id: 'container', running: false }]);
  const dry = await store.images.evict({ bytes: Number.POSITIVE_INFINITY, dryRun: true });
  assert.deepEqual(
    dry.map(({ id }) => id),
    [b, d, a],
  );
  assert.equal((await store.images.list()).length, 4, 'a dry run removes nothing');

  assert.deepEqual(await store.images.evict({ bytes: 0 }), []);
  const first = await store.images.evict({ bytes: 1 });
  assert.deepEqual(
    first.map(({ id, names }) => [id, names]),
    [[b, ['app:b']]],
  );
  assert.equal(first[0]?.bytes, dry[0]?.bytes, 'a dry run tells what the removal frees');
  const since = new Date(Date.now() - 3_600_000);
  assert.deepEqual(await store.images.evict({ bytes: Number.POSITIVE_INFINITY, unusedSince: since }), []);
  store.users.clear();
  const rest = await store.images.evict({ bytes: Number.POSITIVE_INFINITY });
  assert.deepEqual(
    rest.map(({ id }) => id),
    [c, d, a],
  );
  assert.deepEqual([...store.content.list()], []);
  assert.ok((rest.at(-1)?.bytes ?? 0) > (rest[0]?.bytes ?? 0), 'the last one frees what they shared');
});
