import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { isKind } from '@berth/base';
import {
  type ByteStream,
  copyGraph,
  createMemoryTarget,
  type Descriptor,
  digestOf,
  isDeleter,
  isReferrerLister,
  MEDIA_TYPES,
  readAll,
  streamOf,
  type Target,
} from './index.ts';

/** One target under test, made afresh for each test. */
export interface TargetFixture extends AsyncDisposable {
  readonly target: Target;
}

export interface TargetContractOptions {
  /** Label for the test names. */
  readonly name: string;
  /** What an entry in the store is tagged with, default a plain tag; targets with full references say so. */
  readonly reference?: (tag: string) => string;
}

const LIMIT = 8 * 1024 * 1024;

/** Describes bytes. */
export function describeBytes(bytes: Uint8Array, mediaType: string = MEDIA_TYPES.octetStream): Descriptor {
  return { mediaType, digest: digestOf(bytes), size: bytes.byteLength };
}

const json = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));

/** Pushes a small image of random layers; returns its manifest's descriptor and bytes. */
export async function pushRandomImage(
  target: Target,
  options: { readonly layers?: number; readonly layerSize?: number; readonly subject?: Descriptor } = {},
): Promise<{ readonly manifest: Descriptor; readonly bytes: Uint8Array; readonly layers: readonly Descriptor[] }> {
  const layers: Descriptor[] = [];
  for (let index = 0; index < (options.layers ?? 2); index++) {
    const bytes = randomBytes(options.layerSize ?? 1000 + index);
    const layer = describeBytes(bytes, MEDIA_TYPES.ociLayer);
    await target.push(layer, streamOf(bytes));
    layers.push(layer);
  }
  const configBytes = json({
    os: 'linux',
    architecture: 'amd64',
    rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => digest) },
  });
  const config = describeBytes(configBytes, MEDIA_TYPES.ociConfig);
  await target.push(config, streamOf(configBytes));
  const { subject } = options;
  const bytes = json({
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociManifest,
    config,
    layers,
    ...(subject === undefined ? {} : { subject }),
  });
  const manifest = describeBytes(bytes, MEDIA_TYPES.ociManifest);
  await target.push(manifest, streamOf(bytes));
  return { manifest, bytes, layers };
}

async function* failing(bytes: Uint8Array): ByteStream {
  yield bytes;
  throw new Error('source broke');
}

/** The promises of {@link Target}, as tests. */
export function targetContract(create: () => Promise<TargetFixture>, options: TargetContractOptions): void {
  const { name, reference = (tag: string) => tag } = options;
  const read = async (target: Target, descriptor: Descriptor): Promise<Uint8Array> =>
    Buffer.from(await readAll(await target.fetch(descriptor), LIMIT));

  test(`${name}: a pushed blob exists and is fetched whole and in ranges`, async () => {
    await using fixture = await create();
    const { target } = fixture;
    const bytes = randomBytes(300_000);
    const blob = describeBytes(bytes);
    assert.equal(await target.exists(blob), false);
    await target.push(blob, streamOf(bytes));
    assert.equal(await target.exists(blob), true);
    assert.deepEqual(await read(target, blob), bytes);
    const tail = await readAll(await target.fetch(blob, { range: { start: 299_000 } }), LIMIT);
    assert.deepEqual(Buffer.from(tail), bytes.subarray(299_000));
    const middle = await readAll(await target.fetch(blob, { range: { start: 10, end: 20 } }), LIMIT);
    assert.deepEqual(Buffer.from(middle), bytes.subarray(10, 20));
  });

  test(`${name}: pushing the same blob twice is no error`, async () => {
    await using fixture = await create();
    const bytes = randomBytes(10);
    await fixture.target.push(describeBytes(bytes), streamOf(bytes));
    await fixture.target.push(describeBytes(bytes), streamOf(bytes));
    assert.deepEqual(await read(fixture.target, describeBytes(bytes)), bytes);
  });

  test(`${name}: a body that is not what was promised is refused and not kept`, async () => {
    await using fixture = await create();
    const { target } = fixture;
    const bytes = randomBytes(5000);
    const wrong = randomBytes(5000);
    const blob = describeBytes(bytes);
    for (const body of [wrong, bytes.subarray(1), Buffer.concat([bytes, wrong])]) {
      await assert.rejects(target.push(blob, streamOf(body)), (error) => isKind(error, 'dataLoss', 'invalid'));
      assert.equal(await target.exists(blob), false);
    }
    await assert.rejects(target.push(blob, failing(bytes.subarray(0, 100))));
    assert.equal(await target.exists(blob), false);
    await target.push(blob, streamOf(bytes));
    assert.deepEqual(await read(target, blob), bytes);
  });

  test(`${name}: what is not there is notFound`, async () => {
    await using fixture = await create();
    const blob = describeBytes(randomBytes(10));
    await assert.rejects(
      async () => readAll(await fixture.target.fetch(blob), LIMIT),
      (error) => isKind(error, 'notFound'),
    );
    await assert.rejects(fixture.target.resolve(reference('absent')), (error) => isKind(error, 'notFound'));
  });

  test(`${name}: tags resolve, move, and digests resolve`, async () => {
    await using fixture = await create();
    const { target } = fixture;
    const first = await pushRandomImage(target);
    const second = await pushRandomImage(target);
    await target.tag(first.manifest, reference('v1'));
    const { mediaType, digest, size } = await target.resolve(reference('v1'));
    assert.deepEqual({ mediaType, digest, size }, first.manifest);
    assert.deepEqual(await read(target, first.manifest), Buffer.from(first.bytes));
    await target.tag(second.manifest, reference('v1'));
    assert.equal((await target.resolve(reference('v1'))).digest, second.manifest.digest);
    assert.equal((await target.resolve(first.manifest.digest)).digest, first.manifest.digest);
  });

  test(`${name}: a graph is copied in and out bit by bit`, async () => {
    await using fixture = await create();
    const [source, sink] = [createMemoryTarget(), createMemoryTarget()];
    const image = await pushRandomImage(source, { layers: 4, layerSize: 100_000 });
    const index = json({
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.ociIndex,
      manifests: [{ ...image.manifest, platform: { os: 'linux', architecture: 'amd64' } }],
    });
    const root = describeBytes(index, MEDIA_TYPES.ociIndex);
    await source.push(root, streamOf(index));
    await copyGraph(source, fixture.target, root);
    await copyGraph(fixture.target, sink, root);
    assert.deepEqual([...sink.digests()].sort(), [...source.digests()].sort());
  });

  test(`${name}: an aborted signal stops a push`, async () => {
    await using fixture = await create();
    const bytes = randomBytes(1000);
    const signal = AbortSignal.abort();
    await assert.rejects(fixture.target.push(describeBytes(bytes), streamOf(bytes), { signal }));
    assert.equal(await fixture.target.exists(describeBytes(bytes)), false);
  });

  test(`${name}: manifests are deleted, where the target can`, async (context) => {
    await using fixture = await create();
    const { target } = fixture;
    if (!isDeleter(target)) return context.skip('target cannot delete');
    const { manifest } = await pushRandomImage(target);
    await target.delete(manifest);
    assert.equal(await target.exists(manifest), false);
    await assert.rejects(target.resolve(manifest.digest), (error) => isKind(error, 'notFound'));
  });

  test(`${name}: referrers are listed, where the target can`, async (context) => {
    await using fixture = await create();
    const { target } = fixture;
    if (!isReferrerLister(target)) return context.skip('target lists no referrers');
    const image = await pushRandomImage(target);
    assert.deepEqual(await target.referrers(image.manifest), []);
    const signature = await pushRandomImage(target, { layers: 1, subject: image.manifest });
    const digests = (await target.referrers(image.manifest)).map(({ digest }) => digest);
    assert.deepEqual(digests, [signature.manifest.digest]);
  });
}
