import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isKind } from '@berth/base';
import { MEDIA_TYPES, streamOf } from '@berth/oci';
import { globToRegExp } from './glob.ts';
import { untilTime } from './list-filters.ts';
import { layerTar, openTestStore, putImage, type TestStore } from './test-support.ts';

const APP = { domain: 'docker.io', path: 'library/app' };

async function filled(): Promise<TestStore> {
  const store = await openTestStore();
  const target = store.registry.repository(APP);
  await putImage(
    target,
    { layers: ['base'], created: '2024-01-01T00:00:00Z', config: { Labels: { tier: 'web' } } },
    'old',
  );
  await putImage(target, { layers: ['base', 'more'], created: '2024-06-01T00:00:00Z' }, 'new');
  await store.images.pull('app:old', {});
  await store.images.pull('app:new', {});
  await store.images.tag('app:new', 'host:5000/team/app:1');
  return store;
}

const namesOf = async (store: TestStore, filters: Record<string, string[]>): Promise<readonly string[]> =>
  (await store.images.list({ filters })).flatMap((image) => image.repoTags);

test("newest first, with docker's filters", async () => {
  await using store = await filled();
  assert.deepEqual(await namesOf(store, {}), ['app:new', 'host:5000/team/app:1', 'app:old']);
  assert.deepEqual(await namesOf(store, { label: ['tier=web'] }), ['app:old']);
  assert.deepEqual(await namesOf(store, { label: ['tier'] }), ['app:old']);
  assert.deepEqual(await namesOf(store, { 'label!': ['tier'] }), ['app:new', 'host:5000/team/app:1']);
  assert.deepEqual(await namesOf(store, { reference: ['app'] }), ['app:new', 'app:old']);
  assert.deepEqual(await namesOf(store, { reference: ['*/*/app'] }), ['host:5000/team/app:1']);
  assert.deepEqual(await namesOf(store, { reference: ['app:o?d'] }), ['app:old']);
  assert.deepEqual(await namesOf(store, { before: ['app:new'] }), ['app:old']);
  assert.deepEqual(await namesOf(store, { since: ['app:old'] }), ['app:new', 'host:5000/team/app:1']);
  assert.deepEqual(await namesOf(store, { until: ['2024-03-01T00:00:00Z'] }), ['app:old']);
  assert.deepEqual(await namesOf(store, { dangling: ['true'] }), []);
  await assert.rejects(store.images.list({ filters: { nonsense: ['1'] } }), (error) => isKind(error, 'invalid'));
  await assert.rejects(store.images.list({ filters: { dangling: ['perhaps'] } }), (error) => isKind(error, 'invalid'));
});

test('shared bytes are those that another image has too', async () => {
  await using store = await filled();
  const [newer, older] = await store.images.list({ sharedSize: true });
  assert.ok(newer && older);
  assert.equal(newer.sharedSize, older.sharedSize);
  assert.ok(older.sharedSize > 0 && older.sharedSize < older.size);
  assert.ok((await store.images.list())[0]?.sharedSize === -1);
});

test('hundreds of names are listed quickly', async () => {
  await using store = await filled();
  for (let n = 0; n < 300; n++) store.images.assignName(`bulk:t${n}`, (await store.images.resolve('app:new')).target);
  await store.images.list();
  const started = performance.now();
  assert.equal((await store.images.list()).flatMap((image) => image.repoTags).length, 303);
  assert.ok(performance.now() - started < 200);
});

test('names that are kept in memory follow every change, undone ones too', async () => {
  await using store = await filled();
  const { target } = await store.images.resolve('app:new');
  const names = async () => (await store.images.list({ filters: { since: ['app:old'] } }))[0]?.repoTags;
  const before = ['app:new', 'host:5000/team/app:1'];
  assert.deepEqual(await names(), before);
  assert.throws(
    () =>
      store.state.transaction(() => {
        store.images.assignName('undone:1', target);
        throw new Error('undone');
      }),
    /undone/,
  );
  assert.deepEqual(await names(), before);
  assert.deepEqual((await store.images.resolve('app:new')).repoTags, before);
  await store.images.tag('app:new', 'more:1');
  assert.deepEqual((await store.images.resolve('app:new')).repoTags, [...before, 'more:1']);
  assert.deepEqual(await names(), [...before, 'more:1']);
  await store.images.remove('more:1');
  assert.deepEqual(await names(), before);
});

test("an ID may be shortened as long as it is one image's", async () => {
  await using store = await filled();
  const { id } = await store.images.resolve('app:old');
  assert.equal((await store.images.resolve(id.slice(7, 15))).id, id);
  assert.equal((await store.images.resolve(id.slice(0, 20))).id, id);
  await assert.rejects(store.images.resolve('sha256:ffffffffffff'), /No such image/);
  await assert.rejects(store.images.resolve('Not A Name'), (error) => isKind(error, 'invalid'));
});

test('history tells steps newest first, with sizes and the tags of known parents', async () => {
  await using store = await filled();
  const base = await store.images.resolve('app:old');
  const created = await store.images.create({
    config: {
      ...base.config,
      history: [...(base.config.history ?? []), { created_by: 'CMD run', empty_layer: true, comment: 'c' }],
    },
    layers: base.layers,
    names: ['made'],
    parent: base.id,
    format: 'docker',
  });
  const steps = await store.images.history('made');
  assert.deepEqual(
    steps.map(({ id, createdBy, tags }) => [id, createdBy, tags]),
    [
      [created.id, 'CMD run', ['made:latest']],
      [base.id, 'add base', ['app:old']],
    ],
  );
  assert.equal(steps[0]?.size, 0);
  assert.ok((steps[1]?.size ?? 0) > 0);
  const made = await store.images.resolve('made');
  assert.equal(made.manifest.mediaType, MEDIA_TYPES.dockerManifest);
  assert.equal(made.layers[0]?.mediaType, MEDIA_TYPES.dockerLayerGzip);
  assert.equal((await store.images.list()).find(({ id }) => id === made.id)?.parentId, base.id);
});

test('create refuses layers that are not stored', async () => {
  await using store = await filled();
  const base = await store.images.resolve('app:old');
  const [layer] = base.layers;
  assert.ok(layer);
  const missing = { ...layer, digest: base.configDescriptor.digest };
  await assert.rejects(store.images.create({ config: base.config, layers: [missing] }), (error) =>
    isKind(error, 'notFound'),
  );
  await assert.rejects(store.images.create({ config: base.config, layers: [] }), (error) => isKind(error, 'dataLoss'));
});

test('import makes an image of one layer', async () => {
  await using store = await openTestStore();
  const image = await store.images.import(streamOf(await layerTar('root')), {
    reference: 'mine',
    message: 'by hand',
    config: { Cmd: ['sh'] },
  });
  const resolved = await store.images.resolve('mine:latest');
  assert.equal(resolved.id, image.id);
  assert.deepEqual(resolved.config.config?.Cmd, ['sh']);
  assert.equal(resolved.config.history?.[0]?.comment, 'by hand');
  assert.equal(store.snapshotter.stat(resolved.chainIds[0] ?? '')?.kind, 'committed');
  assert.deepEqual(
    store.events.map(({ action }) => action),
    ['tag', 'import'],
  );
  const empty = await store.images.import(streamOf(new Uint8Array(0)), {});
  assert.equal((await store.images.resolve(empty.id)).diffIds.length, 1);
});

test('patterns stop at a slash', () => {
  assert.ok(globToRegExp('a*c').test('abbc'));
  assert.ok(!globToRegExp('a*').test('a/b'));
  assert.ok(globToRegExp('[a-c]?').test('bz'));
  assert.ok(globToRegExp('[^a]').test('b'));
  assert.ok(globToRegExp('a.b').test('a.b') && !globToRegExp('a.b').test('axb'));
  assert.throws(
    () => globToRegExp('[a'),
    (error) => isKind(error, 'invalid'),
  );
});

test('until takes times and durations', () => {
  assert.equal(untilTime('1h30m', 10_000_000), 10_000_000 - 5_400_000);
  assert.equal(untilTime('1700000000', 0), 1_700_000_000_000);
  assert.throws(
    () => untilTime('soon', 0),
    (error) => isKind(error, 'invalid'),
  );
});
