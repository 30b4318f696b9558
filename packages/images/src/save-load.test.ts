import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { isKind } from '@berth/base';
import { digestOf, MEDIA_TYPES, streamOf } from '@berth/oci';
import { readTar } from './tar-read.ts';
import { writeTar } from './tar-write.ts';
import { bytesOf, layerTar, openTestStore, putImage, putIndex, storedDigests, type TestStore } from './test-support.ts';

const APP = { domain: 'docker.io', path: 'library/app' };
const ARM = { os: 'linux', architecture: 'arm64' };

const archive = (files: Readonly<Record<string, string | Uint8Array>>) =>
  writeTar(
    Object.entries(files).map(([path, text]) => {
      const bytes = Buffer.from(text as string);
      return { path, size: bytes.byteLength, body: async () => streamOf(bytes) };
    }),
  );

async function assertEmpty(store: TestStore): Promise<void> {
  assert.deepEqual(storedDigests(store), []);
  assert.deepEqual([...store.content.ingests()], []);
  assert.deepEqual([...store.snapshotter.list()], []);
  assert.equal(store.leases.list().length, 0);
}

test('save and load keep every digest, also through a further save', async () => {
  await using store = await openTestStore();
  const target = store.registry.repository(APP);
  const amd = await putImage(target, { layers: ['base', 'amd'] });
  const arm = await putImage(target, { layers: ['base', 'arm'], platform: ARM });
  const index = await putIndex(
    target,
    [
      { ...amd.manifest, platform: { os: 'linux', architecture: 'amd64' } },
      { ...arm.manifest, platform: ARM },
    ],
    'v1',
  );
  await putImage(target, { layers: ['single'] }, 'v2');
  await store.images.pull('app:v1', {});
  await store.images.pull('app:v2', {});
  const saved = await bytesOf(await store.images.save(['app']));
  assert.deepEqual(await bytesOf(await store.images.save(['app:v2', 'app:v1'])), saved);

  await using second = await openTestStore();
  // In small pieces, as from a pipe, and compressed.
  const loaded = await second.images.load(pieces(gzipSync(saved)));
  assert.deepEqual(loaded.map(({ name }) => name).sort(), ['app:v1', 'app:v2']);
  assert.equal((await second.images.resolve('app:v1')).id, index.digest);
  assert.deepEqual(storedDigests(second), storedDigests(store));
  assert.deepEqual(await bytesOf(await second.images.save(['app'])), saved);
  assert.equal(second.events.filter(({ action }) => action === 'load').length, 2);
  assert.deepEqual(await second.images.check(), []);
  assert.equal(second.leases.list().length, 0);
});

test('of several platforms those asked for are saved, loaded and unpacked, with what the index says about them', async () => {
  const S390X = { os: 'linux', architecture: 's390x' };
  const AMD = { os: 'linux', architecture: 'amd64' };
  await using store = await openTestStore();
  const target = store.registry.repository(APP);
  const images = [];
  for (const platform of [AMD, ARM, S390X])
    images.push({ platform, ...(await putImage(target, { layers: [platform.architecture], platform })) });
  const attestations = [];
  for (const { manifest } of images)
    attestations.push({
      ...(await putImage(target, { layers: [`about ${manifest.digest}`] })).manifest,
      platform: { os: 'unknown', architecture: 'unknown' },
      annotations: {
        'vnd.docker.reference.type': 'attestation-manifest',
        'vnd.docker.reference.digest': manifest.digest,
      },
    });
  const entries = images.map(({ platform, manifest }) => ({ ...manifest, platform }));
  await putIndex(target, [...entries, ...attestations], 'latest');
  for (const platform of [AMD, ARM, S390X]) await store.images.pull('app', { platform });
  const [amd, arm, s390x] = images;
  const [aboutAmd, aboutArm, aboutS390x] = attestations;
  assert.ok(amd && arm && s390x && aboutAmd && aboutArm && aboutS390x);
  const has = (at: TestStore, { digest }: { readonly digest: typeof amd.manifest.digest }): boolean =>
    at.content.stat(digest) !== undefined;

  const two = await bytesOf(await store.images.save(['app'], { platforms: [ARM, AMD] }));
  assert.deepEqual(await bytesOf(await store.images.save(['app'], { platforms: [AMD, ARM] })), two);
  await using second = await openTestStore();
  await second.images.load(streamOf(two));
  for (const each of [amd.manifest, arm.manifest, aboutAmd, aboutArm]) assert.ok(has(second, each));
  for (const each of [s390x.manifest, aboutS390x]) assert.ok(!has(second, each));
  assert.equal((await second.images.resolve('app')).manifest.digest, amd.manifest.digest);

  const all = await bytesOf(await store.images.save(['app']));
  await using third = await openTestStore();
  await third.images.load(streamOf(all), { platforms: [ARM, S390X] });
  for (const each of [arm.manifest, s390x.manifest, aboutArm, aboutS390x]) assert.ok(has(third, each));
  for (const each of [amd.manifest, aboutAmd, ...amd.layers]) assert.ok(!has(third, each));
  for (const platform of [ARM, S390X]) {
    const { chainIds } = await third.images.resolve('app', { platform });
    assert.equal(third.snapshotter.stat(chainIds.at(-1) ?? '')?.kind, 'committed');
  }
  assert.deepEqual(await third.images.check(), []);
  // What was there before stays.
  await third.images.load(streamOf(two), { platforms: [AMD] });
  for (const { manifest } of images) assert.ok(has(third, manifest));
  await assert.rejects(
    second.images.save(['app'], { platforms: [ARM, S390X] }),
    /does not provide the specified platform \(linux\/s390x\)/,
  );
  await assert.rejects(second.images.load(streamOf(two), { platforms: [S390X] }), (error) => isKind(error, 'dataLoss'));
  const one = await bytesOf(await store.images.save(['app'], { platforms: [S390X] }));
  await using fourth = await openTestStore();
  await fourth.images.load(streamOf(one));
  assert.equal((await fourth.images.resolve('app')).id, s390x.manifest.digest);
});

test('a load of one platform takes nothing from what comes for another meanwhile', async () => {
  await using store = await openTestStore();
  const target = store.registry.repository(APP);
  const amd = await putImage(target, { layers: ['amd'] });
  const arm = await putImage(target, { layers: ['arm'], platform: ARM });
  const entries = [
    { ...amd.manifest, platform: { os: 'linux', architecture: 'amd64' } },
    { ...arm.manifest, platform: ARM },
  ];
  await putIndex(target, entries, 'latest');
  for (const { platform } of entries) await store.images.pull('app', { platform });
  const saved = await bytesOf(await store.images.save(['app']));
  await using second = await openTestStore({ registry: store.registry });
  // The archive is read but for its end; then a pull of the other platform begins and ends.
  const meanwhile = async function* (): AsyncGenerator<Uint8Array> {
    yield saved.subarray(0, -1024);
    await second.images.pull('app', { platform: ARM });
    yield saved.subarray(-1024);
  };
  await second.images.load(meanwhile(), { platforms: [{ os: 'linux', architecture: 'amd64' }] });
  for (const { platform } of entries) await second.images.resolve('app', { platform });
  // What is being pushed or saved is not taken away either.
  const saving = await second.images.save(['app']);
  const first = await saving[Symbol.asyncIterator]().next();
  assert.equal(first.done, false);
  await assert.rejects(second.images.remove('app', { platforms: [ARM] }), {
    kind: 'conflict',
    message: /being pulled/,
  });
});

async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 777) yield bytes.subarray(at, at + 777);
}

test('the archive of a save says what docker-archive readers need', async () => {
  await using store = await openTestStore();
  const image = await putImage(store.registry.repository(APP), { layers: ['one'] }, 'latest');
  await store.images.pull('app', {});
  const texts = new Map<string, string>();
  for await (const entry of readTar(await store.images.save(['app:latest'])))
    if (!entry.path.startsWith('blobs/')) texts.set(entry.path, Buffer.from(await bytesOf(entry.body)).toString());
  const hex = (digest: string | undefined) => digest?.slice(7);
  assert.deepEqual(JSON.parse(texts.get('manifest.json') ?? ''), [
    {
      Config: `blobs/sha256/${hex(image.config.digest)}`,
      RepoTags: ['app:latest'],
      Layers: [`blobs/sha256/${hex(image.layers[0]?.digest)}`],
    },
  ]);
  assert.deepEqual(JSON.parse(texts.get('repositories') ?? ''), { app: { latest: hex(image.layers[0]?.digest) } });
  assert.deepEqual(JSON.parse(texts.get('index.json') ?? '').manifests[0].annotations, {
    'io.containerd.image.name': 'docker.io/library/app:latest',
    'org.opencontainers.image.ref.name': 'latest',
  });
  assert.ok(texts.has('oci-layout'));
});

test('a docker-archive with plain layers keeps them plain', async () => {
  await using store = await openTestStore();
  const tar = await layerTar('hello');
  const config = JSON.stringify({
    architecture: 'amd64',
    os: 'linux',
    config: { Cmd: ['sh'] },
    rootfs: { type: 'layers', diff_ids: [digestOf(tar)] },
  });
  const name = `${digestOf(config).slice(7)}.json`;
  const loaded = await store.images.load(
    archive({
      'abc/layer.tar': tar,
      'abc/VERSION': '1.0',
      [name]: config,
      'manifest.json': JSON.stringify([
        { Config: name, RepoTags: ['old:1', 'host:5000/old:2'], Layers: ['abc/layer.tar'] },
      ]),
    }),
  );
  assert.deepEqual(
    loaded.map((image) => image.name),
    ['old:1', 'host:5000/old:2'],
  );
  const image = await store.images.resolve('old:1');
  assert.equal(image.layers[0]?.mediaType, MEDIA_TYPES.ociLayer);
  assert.equal(image.layers[0]?.digest, digestOf(tar));
  assert.equal(image.configDescriptor.digest, digestOf(config));
  assert.deepEqual(image.config.config?.Cmd, ['sh']);
});

test('an archive of the oldest kind is converted', async () => {
  await using store = await openTestStore();
  const [base, top] = ['a'.repeat(64), 'b'.repeat(64)];
  await store.images.load(
    archive({
      [`${base}/json`]: JSON.stringify({ id: base, os: 'linux', architecture: 'amd64' }),
      [`${base}/layer.tar`]: await layerTar('lower'),
      [`${top}/json`]: JSON.stringify({
        id: top,
        parent: base,
        os: 'linux',
        architecture: 'amd64',
        config: { User: 'me' },
      }),
      [`${top}/layer.tar`]: await layerTar('upper'),
      repositories: JSON.stringify({ ancient: { v0: top } }),
    }),
  );
  const image = await store.images.resolve('ancient:v0');
  assert.equal(image.layers.length, 2);
  assert.equal(image.diffIds[0], digestOf(await layerTar('lower')));
  assert.equal(image.config.config?.User, 'me');
});

test('an unnamed image is reported by its ID and stays, dangling', async () => {
  await using store = await openTestStore();
  const image = await putImage(store.registry.repository(APP), { layers: ['one'] }, 'latest');
  await store.images.pull('app', {});
  const saved = await bytesOf(await store.images.save([image.manifest.digest]));
  await using second = await openTestStore();
  assert.deepEqual(await second.images.load(streamOf(saved)), [{ id: image.manifest.digest }]);
  const [summary] = await second.images.list({ filters: { dangling: ['true'] } });
  assert.equal(summary?.id, image.manifest.digest);
});

test('a bad archive is refused and leaves nothing', async (t) => {
  const tar = await layerTar('hello');
  const config = JSON.stringify({
    architecture: 'amd64',
    os: 'linux',
    rootfs: { type: 'layers', diff_ids: [digestOf(tar)] },
  });
  const manifest = (entry: object) =>
    JSON.stringify([{ Config: 'c.json', RepoTags: ['x:1'], Layers: ['l.tar'], ...entry }]);
  const cases: Readonly<Record<string, Readonly<Record<string, string | Uint8Array>>>> = {
    'no manifest at all': { 'l.tar': tar },
    'a layer is missing': { 'c.json': config, 'manifest.json': manifest({}) },
    'the configuration is missing': { 'l.tar': tar, 'manifest.json': manifest({}) },
    'a layer has other bytes': { 'l.tar': await layerTar('else'), 'c.json': config, 'manifest.json': manifest({}) },
    'a compressed layer unpacks to something else': {
      'l.tar': gzipSync(await layerTar('else')),
      'c.json': config,
      'manifest.json': manifest({}),
    },
    'a name is none': { 'l.tar': tar, 'c.json': config, 'manifest.json': manifest({ RepoTags: ['UPPER CASE'] }) },
    'a blob is not what its path says': {
      [`blobs/sha256/${'0'.repeat(64)}`]: 'x',
      'oci-layout': '{}',
      'index.json': '{}',
    },
    'a path leaves the archive': {
      '../../etc/passwd': 'x',
      'l.tar': tar,
      'c.json': config,
      'manifest.json': manifest({}),
    },
    'the index names what is not there': {
      'oci-layout': '{}',
      'index.json': JSON.stringify({
        schemaVersion: 2,
        manifests: [{ mediaType: MEDIA_TYPES.ociManifest, digest: `sha256:${'2'.repeat(64)}`, size: 3 }],
      }),
    },
    'too many layers': {
      'l.tar': tar,
      'c.json': config,
      'manifest.json': manifest({ Layers: Array(3000).fill('l.tar') }),
    },
  };
  for (const [name, files] of Object.entries(cases))
    await t.test(name, async () => {
      await using store = await openTestStore();
      await assert.rejects(store.images.load(archive(files)), (error) => isKind(error, 'dataLoss', 'invalid'));
      await assertEmpty(store);
    });
  await t.test('cut short anywhere', async () => {
    await using store = await openTestStore();
    const whole = await bytesOf(archive({ 'l.tar': tar, 'c.json': config, 'manifest.json': manifest({}) }));
    for (const length of [0, 100, 512, 700, 2048, 3000, 4100]) {
      await assert.rejects(store.images.load(streamOf(whole.subarray(0, length))), (error) =>
        isKind(error, 'dataLoss', 'invalid'),
      );
      await assertEmpty(store);
    }
  });
});

test('saved by its digest an image has no name', async () => {
  await using store = await openTestStore();
  const { manifest } = await putImage(store.registry.repository(APP), { layers: ['one'] }, 'v1');
  await store.images.pull('app:v1', {});
  for (const name of [manifest.digest, `app@${manifest.digest}`, `app:v1@${manifest.digest}`]) {
    await using second = await openTestStore();
    const saved = await bytesOf(await store.images.save([name]));
    assert.deepEqual(await second.images.load(streamOf(saved)), [{ id: manifest.digest }]);
  }
});
