import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isKind } from '@berth/base';
import type { TransferEvent } from './image-service.ts';
import { openTestStore, putImage, putIndex } from './test-support.ts';

const APP = { domain: 'docker.io', path: 'library/app' };
const COPY = { domain: 'registry.test', path: 'team/copy' };
const ARM = { os: 'linux', architecture: 'arm64' };

test('what was pulled is pushed byte for byte, and a second time nothing', async () => {
  await using store = await openTestStore();
  const image = await putImage(store.registry.repository(APP), { layers: ['one', 'two'] }, 'latest');
  await store.images.pull('app', {});
  await store.images.tag('app', 'registry.test/team/copy:v1');
  const result = await store.images.push('registry.test/team/copy:v1', {});
  assert.deepEqual(result, { tag: 'v1', digest: image.manifest.digest, size: image.manifest.size });
  const there = store.registry.repository(COPY);
  assert.equal((await there.resolve('v1')).digest, image.manifest.digest);
  for (const layer of image.layers) assert.ok(await there.exists(layer));
  const events: TransferEvent[] = [];
  await store.images.push('registry.test/team/copy:v1', { onProgress: (event) => events.push(event) });
  assert.ok(!events.some((event) => event.type === 'layer' && event.phase === 'pushed'));
  assert.equal(store.events.at(-1)?.action, 'push');
});

test('an index with platforms that were not pulled becomes the platform that was', async () => {
  await using store = await openTestStore();
  const target = store.registry.repository(APP);
  const amd = await putImage(target, { layers: ['amd'] });
  const arm = await putImage(target, { layers: ['arm'], platform: ARM });
  const index = await putIndex(
    target,
    [
      { ...amd.manifest, platform: { os: 'linux', architecture: 'amd64' } },
      { ...arm.manifest, platform: ARM },
    ],
    'latest',
  );
  await store.images.pull('app', {});
  await store.images.tag('app', 'registry.test/team/copy:v1');
  assert.equal((await store.images.push('registry.test/team/copy:v1', {})).digest, amd.manifest.digest);
  await assert.rejects(store.images.push('registry.test/team/copy:v1', { platform: ARM }), (error) =>
    isKind(error, 'notFound'),
  );
  await store.images.pull('app', { platform: ARM });
  assert.equal((await store.images.push('registry.test/team/copy:v1', {})).digest, index.digest);
  assert.equal(
    (await store.images.push('registry.test/team/copy:v2', {}).catch((error: unknown) => error)) instanceof Error,
    true,
  );
});
