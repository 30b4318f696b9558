import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EngineError, isKind } from '@berth/base';
import fc from 'fast-check';
import { decodeImageConfig } from './decode-image-config.ts';
import { decodeManifest } from './decode-manifest.ts';
import { digestOf } from './digest.ts';
import { childrenOf } from './manifest.ts';
import { layerCompression, MEDIA_TYPES } from './media-types.ts';

const json = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));
const descriptor = { mediaType: MEDIA_TYPES.ociLayerGzip, digest: digestOf('x'), size: 1 };
const config = { mediaType: MEDIA_TYPES.ociConfig, digest: digestOf('c'), size: 2 };
const image = { schemaVersion: 2, mediaType: MEDIA_TYPES.ociManifest, config, layers: [descriptor] };

test('images and indexes of both families are told apart, with and without media type', () => {
  const { mediaType: _, ...untyped } = image;
  assert.equal(decodeManifest(json(untyped)).mediaType, MEDIA_TYPES.ociManifest);
  assert.equal(decodeManifest(json({ schemaVersion: 2, manifests: [] })).mediaType, MEDIA_TYPES.ociIndex);
  assert.equal(decodeManifest(json(untyped), MEDIA_TYPES.dockerManifest).mediaType, MEDIA_TYPES.dockerManifest);
  assert.equal(decodeManifest(json({ ...image, mediaType: MEDIA_TYPES.dockerManifest })).kind, 'image');
  assert.deepEqual(childrenOf(decodeManifest(json(image))), [config, descriptor]);
  const nulls = decodeManifest(json({ schemaVersion: 2, mediaType: MEDIA_TYPES.dockerIndex, manifests: null }));
  assert.deepEqual(childrenOf(nulls), []);
});

test('hostile manifests are refused with a reason', () => {
  const refused = (value: unknown, pattern: RegExp, type?: string): void => {
    const bytes = value instanceof Uint8Array ? value : json(value);
    assert.throws(
      () => decodeManifest(bytes, type),
      (error: Error) => isKind(error, 'invalid', 'tooLarge') && pattern.test(error.message),
    );
  };
  refused(Buffer.alloc(5 * 1024 * 1024), /at most/);
  refused(Buffer.from('['.repeat(100_000)), /nested deeper/);
  refused(Buffer.from('{"a":"\\""'), /not valid JSON/);
  refused(Buffer.from([0x22, 0xff, 0x22]), /UTF-8/);
  refused([], /not an object/);
  refused({ ...image, schemaVersion: 1 }, /schema 1, which is no longer supported/);
  refused({ ...image, schemaVersion: 3 }, /unsupported manifest schemaVersion 3/);
  refused({ ...image, schemaVersion: 0, mediaType: undefined }, /unsupported manifest schemaVersion 0/);
  assert.equal(decodeManifest(json({ ...image, schemaVersion: 0 })).mediaType, MEDIA_TYPES.ociManifest);
  refused({ ...image, mediaType: 'text/plain' }, /unsupported manifest media type/);
  refused({ ...image, manifests: [] }, /both an image and an index/);
  refused(image, /announced as/, MEDIA_TYPES.ociIndex);
  refused({ ...image, config: { ...config, size: -1 } }, /not a size/);
  refused({ ...image, config: { ...config, size: 1.5 } }, /not a size/);
  refused({ ...image, config: { ...config, size: 2 ** 60 } }, /not a size/);
  refused({ ...image, config: { ...config, digest: 'sha256:../../etc' } }, /config\.digest is not a valid digest/);
  refused({ ...image, layers: [{ ...descriptor, mediaType: 'x\n/y' }] }, /layers\[0\]\.mediaType/);
  refused({ ...image, layers: 'many' }, /not an array/);
  refused({ ...image, layers: Array.from({ length: 5000 }, () => descriptor) }, /at most 4096/);
});

test('decoders throw only typed errors, whatever the bytes', () => {
  const decoders = [(bytes: Uint8Array) => decodeManifest(bytes), decodeImageConfig];
  const mutated = fc.record({
    schemaVersion: fc.constantFrom(1, 2, '2'),
    config: fc.oneof(fc.jsonValue(), fc.constant(config)),
    layers: fc.oneof(fc.jsonValue(), fc.constant([descriptor])),
    rootfs: fc.oneof(fc.jsonValue(), fc.constant({ type: 'layers', diff_ids: [] })),
    history: fc.jsonValue(),
  });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array(), mutated.map(json)), (bytes) => {
      for (const decode of decoders) {
        try {
          decode(bytes);
        } catch (error) {
          assert.ok(error instanceof EngineError && isKind(error, 'invalid', 'tooLarge'));
        }
      }
    }),
  );
});

test('image configurations: nulls dropped, unknown fields kept, platform filled in', () => {
  const decoded = decodeImageConfig(
    json({
      architecture: 'arm64',
      config: { Env: null, Cmd: null, Labels: { a: 'b' }, Volumes: null, Custom: 1 },
      rootfs: { type: 'layers', diff_ids: [digestOf('x')] },
      moby: { x: 1 },
      history: null,
    }),
  );
  assert.deepEqual(decoded, {
    architecture: 'arm64',
    os: 'linux',
    config: { Cmd: null, Labels: { a: 'b' }, Custom: 1 },
    rootfs: { type: 'layers', diff_ids: [digestOf('x')] },
    moby: { x: 1 },
  });
  for (const bad of [{ Env: 'x' }, { Cmd: [1] }, { Labels: { a: 1 } }, { User: 5 }])
    assert.throws(
      () => decodeImageConfig(json({ config: bad, rootfs: { type: 'layers' } })),
      /invalid image configuration: config\./,
    );
  assert.throws(() => decodeImageConfig(json({ rootfs: { type: 'layers', diff_ids: ['x'] } })), /diff_ids\[0\]/);
  assert.throws(() => decodeImageConfig(json({})), /rootfs/);
});

test('layer compression follows the media type', () => {
  assert.equal(layerCompression(MEDIA_TYPES.ociLayer), 'none');
  assert.equal(layerCompression(MEDIA_TYPES.ociLayerZstd), 'zstd');
  assert.equal(layerCompression(MEDIA_TYPES.dockerLayerGzip), 'gzip');
  assert.equal(layerCompression(MEDIA_TYPES.ociForeignLayerGzip), 'gzip');
  assert.equal(layerCompression(MEDIA_TYPES.inToto), undefined);
});
