import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EngineError, isKind } from '@berth/base';
import { chainIds, type Digest, MEDIA_TYPES } from '@berth/oci';
import type { TransferEvent } from './image-service.ts';
import { createMemoryRegistry, openTestStore, putImage, putIndex, putJson, storedDigests } from './test-support.ts';

const APP = { domain: 'docker.io', path: 'library/app' };
const ARM = { os: 'linux', architecture: 'arm64' };

test('a pulled image is stored as it is, unpacked and named', async () => {
  await using store = await openTestStore();
  const image = await putImage(store.registry.repository(APP), { layers: ['one', 'two'] }, 'latest');
  const events: TransferEvent[] = [];
  const result = await store.images.pull('app', { onProgress: (event) => events.push(event) });
  assert.deepEqual(result, { reference: 'app:latest', target: image.manifest, changed: true });
  const resolved = await store.images.resolve('app');
  assert.equal(resolved.id, image.manifest.digest);
  assert.deepEqual(resolved.repoTags, ['app:latest']);
  assert.deepEqual(resolved.repoDigests, [`app@${image.manifest.digest}`]);
  for (const chainId of chainIds(image.diffIds)) assert.equal(store.snapshotter.stat(chainId)?.kind, 'committed');
  assert.equal(await store.images.unpack(resolved), resolved.chainIds.at(-1));
  const phases = (digest: Digest | undefined) =>
    events.flatMap((event) => (event.type === 'layer' && event.digest === digest ? [event.phase] : []));
  assert.deepEqual(
    [...new Set(phases(image.layers[0]?.digest))],
    ['downloading', 'verifying', 'downloaded', 'extracting', 'complete'],
  );
  assert.equal(store.leases.list().length, 0);
  assert.deepEqual(
    store.events.map(({ action, actor }) => [action, actor.id, actor.attributes['name']]),
    [['pull', 'app:latest', 'app']],
  );
  assert.deepEqual(await store.images.check(), []);
});

test('a second pull fetches nothing and says so', async () => {
  await using store = await openTestStore();
  await putImage(store.registry.repository(APP), { layers: ['one'] }, 'latest');
  await store.images.pull('app', {});
  const before = store.registry.fetched.length;
  const events: TransferEvent[] = [];
  const result = await store.images.pull('app', { onProgress: (event) => events.push(event) });
  assert.equal(result.changed, false);
  assert.equal(store.registry.fetched.length, before);
  assert.ok(events.some((event) => event.type === 'layer' && event.phase === 'exists'));
});

test('of an index only the platform asked for is fetched, and attestations disturb nothing', async () => {
  await using store = await openTestStore();
  const target = store.registry.repository(APP);
  const amd = await putImage(target, { layers: ['amd'] });
  const arm = await putImage(target, { layers: ['arm'], platform: ARM });
  const attestation = await putJson(
    target,
    { schemaVersion: 2, mediaType: MEDIA_TYPES.ociManifest, config: amd.config, layers: [] },
    MEDIA_TYPES.ociManifest,
  );
  const index = await putIndex(
    target,
    [
      {
        ...attestation,
        platform: { os: 'unknown', architecture: 'unknown' },
        annotations: { 'vnd.docker.reference.type': 'attestation-manifest' },
      },
      { ...arm.manifest, platform: ARM },
      { ...amd.manifest, platform: { os: 'linux', architecture: 'amd64' } },
    ],
    'latest',
  );
  await store.images.pull('app', {});
  assert.equal(store.content.stat(arm.manifest.digest), undefined);
  assert.equal(store.content.stat(attestation.digest), undefined);
  const resolved = await store.images.resolve('app');
  assert.equal(resolved.id, index.digest);
  assert.equal(resolved.manifest.digest, amd.manifest.digest);
  await assert.rejects(store.images.resolve('app', { platform: ARM }), (error) => isKind(error, 'notFound'));
  await store.images.pull('app', { platform: ARM });
  assert.equal((await store.images.resolve('app', { platform: ARM })).manifest.digest, arm.manifest.digest);
  assert.equal((await store.images.resolve('app')).manifest.digest, amd.manifest.digest);
  await assert.rejects(
    store.images.pull('app', { platform: { os: 'linux', architecture: 's390x' } }),
    /no matching manifest for linux\/s390x in the manifest list entries/,
  );
  assert.deepEqual(await store.images.check(), []);
});

test('an interrupted layer goes on where it stopped, also in a later pull', async () => {
  await using store = await openTestStore();
  const text = Array.from({ length: 3000 }, (_, i) => `line ${i * 7919}`).join('\n');
  const image = await putImage(store.registry.repository(APP), { layers: [text] }, 'latest');
  const layer = image.layers[0];
  assert.ok(layer);
  const starts: number[] = [];
  store.registry.tamper = (blob, body, range) => {
    if (blob.digest !== layer.digest) return body;
    starts.push(range?.start ?? 0);
    return starts.length > 1 ? body : cutAt(body, 1000);
  };
  await assert.rejects(store.images.pull('app', {}), /the line broke/);
  assert.equal([...store.content.ingests()][0]?.offset, 1000);
  await assert.rejects(store.images.resolve('app'), /No such image: app:latest/);
  await store.images.pull('app', {});
  assert.deepEqual(starts, [0, 1000]);
  assert.deepEqual([...store.content.ingests()], []);
  await store.images.resolve('app');
});

async function* cutAt(body: AsyncIterable<Uint8Array>, length: number): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) {
    yield chunk.subarray(0, length);
    throw new EngineError('unavailable', 'the line broke');
  }
}

test('a kept beginning that is wrong is thrown away, and the same pull fetches the layer whole', async () => {
  await using store = await openTestStore();
  const image = await putImage(store.registry.repository(APP), { layers: ['kept'.repeat(3000)] }, 'latest');
  const starts: number[] = [];
  store.registry.tamper = (blob, body, range) => {
    if (blob.digest !== image.layers[0]?.digest) return body;
    starts.push(range?.start ?? 0);
    return starts.length > 1 ? body : cutAt(flipped(body), 20);
  };
  await assert.rejects(store.images.pull('app', {}), /the line broke/);
  await store.images.pull('app', {});
  assert.deepEqual(starts, [0, 20, 0]);
  await store.images.resolve('app');
});

test('an aborted pull leaves no lease and no active snapshot', async () => {
  await using store = await openTestStore();
  await putImage(store.registry.repository(APP), { layers: ['one', 'two', 'three', 'four', 'five'] }, 'latest');
  const abort = new AbortController();
  store.registry.tamper = (blob, body) => {
    if (blob.mediaType === MEDIA_TYPES.ociLayerGzip) queueMicrotask(() => abort.abort());
    return body;
  };
  await assert.rejects(store.images.pull('app', { signal: abort.signal }), (error) => isKind(error, 'cancelled'));
  assert.equal(store.leases.list().length, 0);
  assert.deepEqual(
    [...store.snapshotter.list()].filter(({ kind }) => kind !== 'committed'),
    [],
  );
  store.registry.tamper = undefined;
  await store.images.pull('app', {});
});

test('pulls of images that share layers share the work', async () => {
  await using store = await openTestStore();
  const target = store.registry.repository(APP);
  const first = await putImage(target, { layers: ['base', 'first'] }, '1');
  await putImage(target, { layers: ['base', 'second'] }, '2');
  await Promise.all(['app:1', 'app:2', 'app:1'].map((name) => store.images.pull(name, {})));
  const base = first.layers[0]?.digest;
  assert.equal(store.registry.fetched.filter((digest) => digest === base).length, 1);
  assert.equal([...store.snapshotter.list()].length, 3);
});

test('one of two waiting pulls may leave without harm to the other', async () => {
  await using store = await openTestStore();
  await putImage(store.registry.repository(APP), { layers: ['base', 'top'] }, 'latest');
  const abort = new AbortController();
  const gate = Promise.withResolvers<void>();
  store.registry.tamper = (_blob, body) => held(body, gate.promise);
  const leaving = store.images.pull('app', { signal: abort.signal });
  const staying = store.images.pull('app', {});
  leaving.catch(() => undefined);
  await new Promise((resolve) => setTimeout(resolve, 20));
  abort.abort();
  gate.resolve();
  await assert.rejects(leaving, (error) => isKind(error, 'cancelled'));
  await staying;
  await store.images.resolve('app');
});

async function* held(body: AsyncIterable<Uint8Array>, gate: Promise<void>): AsyncGenerator<Uint8Array> {
  await gate;
  yield* body;
}

test('bytes that are not what was promised are refused and leave nothing', async (t) => {
  const refuse = async (
    spoil: (documents: { config: Record<string, unknown>; manifest: Record<string, unknown> }) => void,
    kinds: readonly ('dataLoss' | 'invalid' | 'tooLarge' | 'notFound')[],
  ) => {
    await using store = await openTestStore();
    await putImage(store.registry.repository(APP), { layers: ['one'], spoil }, 'latest');
    await assert.rejects(store.images.pull('app', {}), (error) => isKind(error, ...kinds));
    await assert.rejects(store.images.resolve('app'), /No such image/);
    assert.deepEqual([...store.snapshotter.list()], []);
    await store.images.prune({ dangling: true });
  };
  await t.test('a diff ID that the layer does not have', () =>
    refuse(
      ({ config }) => {
        config['rootfs'] = { type: 'layers', diff_ids: [`sha256:${'0'.repeat(64)}`] };
      },
      ['dataLoss'],
    ),
  );
  await t.test('fewer diff IDs than layers', () =>
    refuse(
      ({ config }) => {
        config['rootfs'] = { type: 'layers', diff_ids: [] };
      },
      ['dataLoss'],
    ),
  );
  await t.test('a size that is a lie', () =>
    refuse(
      ({ manifest }) => {
        const [layer] = manifest['layers'] as { size: number }[];
        manifest['layers'] = [{ ...layer, size: 5 }];
      },
      ['dataLoss', 'tooLarge'],
    ),
  );
  await t.test('a layer that is not there', () =>
    refuse(
      ({ manifest }) => {
        const [layer] = manifest['layers'] as object[];
        manifest['layers'] = [{ ...layer, digest: `sha256:${'1'.repeat(64)}` }];
      },
      ['notFound'],
    ),
  );
  await t.test('thousands of layers', () =>
    refuse(
      ({ manifest }) => {
        const [layer] = manifest['layers'] as object[];
        manifest['layers'] = Array.from({ length: 2000 }, () => layer);
      },
      ['tooLarge'],
    ),
  );
  await t.test('a blob with other bytes', async () => {
    await using store = await openTestStore();
    const image = await putImage(store.registry.repository(APP), { layers: ['one'] }, 'latest');
    store.registry.tamper = (blob, body) => (blob.digest === image.layers[0]?.digest ? flipped(body) : body);
    await assert.rejects(store.images.pull('app', {}), (error) => isKind(error, 'dataLoss'));
    assert.deepEqual([...store.content.ingests()], []);
    assert.equal(store.content.stat(image.layers[0]?.digest as Digest), undefined);
  });
});

async function* flipped(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) yield chunk.map((byte) => byte ^ 0xff);
}

test('an index that names itself, or an image of Windows, is stored or refused without harm', async () => {
  await using store = await openTestStore();
  const target = store.registry.repository(APP);
  const windows = { os: 'windows', architecture: 'amd64' };
  const image = await putImage(target, { layers: ['win'], platform: windows }, 'win');
  await store.images.pull('app:win', {});
  const resolved = await store.images.resolve('app:win');
  assert.equal(resolved.platform.os, 'windows');
  assert.equal(resolved.manifest.digest, image.manifest.digest);
  await assert.rejects(store.images.unpack(resolved), (error) => isKind(error, 'invalid'));
  const inner = await putIndex(target, [image.manifest]);
  await putIndex(target, [{ ...inner, platform: { os: 'linux', architecture: 'amd64' } }], 'nested');
  await assert.rejects(store.images.pull('app:nested', {}), (error) => isKind(error, 'invalid'));
});

test('by digest; and a registry that answers something else is not believed', async () => {
  const registry = createMemoryRegistry();
  await using store = await openTestStore({ registry });
  const image = await putImage(registry.repository(APP), { layers: ['one'] });
  const name = `app@${image.manifest.digest}`;
  const { reference } = await store.images.pull(name, {});
  assert.equal(reference, name);
  const resolved = await store.images.resolve(name);
  assert.deepEqual([resolved.repoTags, resolved.repoDigests], [[], [name]]);
  assert.equal(storedDigests(store).length, 3);
});
