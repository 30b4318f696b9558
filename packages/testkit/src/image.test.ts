import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { TarParser } from '@berth/archive';
import { dockerArchive, makeImage, makeIndex, ociArchive, sha256 } from './image.ts';
import { makeTar, randomMembers } from './tar.ts';

const names = (tar: Buffer): readonly string[] => {
  const found: string[] = [];
  const parser = new TarParser({ entry: (e) => void found.push(e.name), data: () => undefined, end: () => undefined });
  parser.push(tar);
  parser.finish();
  return found;
};

test('the same seed makes the same archive, another seed another', () => {
  assert.deepEqual(makeTar(randomMembers(1)), makeTar(randomMembers(1)));
  assert.notDeepEqual(makeTar(randomMembers(1)), makeTar(randomMembers(2)));
  assert.equal(names(makeTar(randomMembers(3, 50))).length, 50);
});

test('an image is consistent, and its archives hold all of it', () => {
  const image = makeImage({ layers: [randomMembers(1), [{ name: 'x', body: 'y' }]] });
  const manifest = JSON.parse(image.manifest.data.toString()) as { layers: { digest: string }[] };
  assert.deepEqual(
    manifest.layers.map((layer) => layer.digest),
    image.layers.map((layer) => layer.digest),
  );
  for (const [i, layer] of image.layers.entries()) {
    assert.equal(sha256(layer.data), layer.digest);
    assert.equal(sha256(gunzipSync(layer.data)), image.diffIds[i]);
  }
  assert.ok(names(ociArchive(image, 'x:1')).includes(`blobs/sha256/${image.config.digest.slice(7)}`));
  assert.ok(names(dockerArchive(image, ['x:1'])).includes('manifest.json'));
  assert.equal((JSON.parse(makeIndex([image]).data.toString()) as { manifests: unknown[] }).manifests.length, 1);
});
