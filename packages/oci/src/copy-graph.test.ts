import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isKind } from '@berth/base';
import { describeBytes, pushRandomImage } from './contract.ts';
import { type CopyEvent, copyGraph } from './copy-graph.ts';
import type { Descriptor } from './descriptor.ts';
import { digestOf } from './digest.ts';
import { MEDIA_TYPES } from './media-types.ts';
import { createMemoryTarget, type MemoryTarget } from './memory-target.ts';
import { streamOf } from './streams.ts';
import type { Pusher } from './target.ts';

const pushIndex = async (target: MemoryTarget, manifests: readonly Descriptor[]): Promise<Descriptor> => {
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests }));
  const index = describeBytes(bytes, MEDIA_TYPES.ociIndex);
  await target.push(index, streamOf(bytes));
  return index;
};

/** Notes the order of pushes and how many run at once. */
const recording = (to: MemoryTarget) => {
  const order: string[] = [];
  let running = 0;
  let most = 0;
  const pusher: Pusher = {
    exists: (descriptor) => to.exists(descriptor),
    async push(descriptor, body, options) {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setImmediate(resolve));
      await to.push(descriptor, body, options);
      running--;
      order.push(descriptor.digest);
    },
  };
  return { pusher, order, most: () => most };
};

test('children come before parents, each digest once, no more at a time than asked', async () => {
  const [from, to] = [createMemoryTarget(), createMemoryTarget()];
  const one = await pushRandomImage(from, { layers: 6 });
  const two = await pushRandomImage(from);
  const root = await pushIndex(from, [one.manifest, two.manifest, one.manifest]);
  const { pusher, order, most } = recording(to);
  await copyGraph(from, pusher, root, { concurrency: 2 });
  assert.equal(order.length, new Set(order).size);
  assert.deepEqual([...order].sort(), [...from.digests()].sort());
  assert.ok(most() <= 2);
  for (const layer of one.layers) assert.ok(order.indexOf(layer.digest) < order.indexOf(one.manifest.digest));
  assert.equal(order.at(-1), root.digest);
});

test('the platform filter leaves other platforms out, what exists is not sent again', async () => {
  const [from, to] = [createMemoryTarget(), createMemoryTarget()];
  const one = await pushRandomImage(from);
  const two = await pushRandomImage(from);
  const root = await pushIndex(from, [one.manifest, two.manifest]);
  const events: CopyEvent[] = [];
  const options = {
    platformFilter: ({ digest }: Descriptor) => digest === one.manifest.digest,
    onProgress: (event: CopyEvent) => void events.push(event),
  };
  await copyGraph(from, to, root, options);
  assert.equal(await to.exists(two.manifest), false);
  assert.equal(to.digests().length, 5);
  const last = events.filter(({ phase }) => phase === 'copied');
  assert.equal(last.length, 5);
  events.length = 0;
  const nowhere = { fetch: () => Promise.reject(new Error('nothing should be fetched')) };
  await copyGraph(nowhere, to, root, options);
  assert.deepEqual([...new Set(events.map(({ phase }) => phase))].sort(), ['exists', 'waiting']);
});

test('a failure stops the rest and leaves no manifest', async () => {
  const [from, to] = [createMemoryTarget(), createMemoryTarget()];
  const image = await pushRandomImage(from, { layers: 5 });
  const [, broken] = image.layers;
  const target: Pusher = {
    exists: (descriptor) => to.exists(descriptor),
    async push(descriptor, body, options) {
      if (descriptor.digest === broken?.digest) throw new Error('disk full');
      await to.push(descriptor, body, options);
    },
  };
  await assert.rejects(copyGraph(from, target, image.manifest), /disk full/);
  assert.equal(await to.exists(image.manifest), false);
  await assert.rejects(copyGraph(from, to, image.manifest, { signal: AbortSignal.abort() }), { kind: 'cancelled' });
});

test('lying and circular sources are refused', async () => {
  const [from, to] = [createMemoryTarget(), createMemoryTarget()];
  const image = await pushRandomImage(from);
  const lying = { ...image.manifest, digest: digestOf('other') };
  const liar = { fetch: async () => streamOf(image.bytes) };
  await assert.rejects(copyGraph(liar, to, lying), { kind: 'dataLoss' });
  await assert.rejects(copyGraph(liar, to, { ...image.manifest, size: 3 }), (error) => isKind(error, 'dataLoss'));
  let deepest = image.manifest;
  for (let level = 0; level < 12; level++) deepest = await pushIndex(from, [deepest]);
  await assert.rejects(copyGraph(from, to, deepest), /nested deeper than/);
  assert.deepEqual(to.digests(), []);
});

test('foreign layers stay where they are, mounts save a transfer', async () => {
  const [from, to] = [createMemoryTarget(), createMemoryTarget()];
  const image = await pushRandomImage(from);
  const foreign = {
    mediaType: MEDIA_TYPES.ociForeignLayerGzip,
    digest: digestOf('f'),
    size: 1,
    urls: ['https://example.com/f'],
  };
  const [config] = image.layers;
  assert.ok(config !== undefined);
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.ociManifest,
      config: { ...config, mediaType: MEDIA_TYPES.ociConfig },
      layers: [foreign],
    }),
  );
  const root = describeBytes(bytes, MEDIA_TYPES.ociManifest);
  await from.push(root, streamOf(bytes));
  const phases: string[] = [];
  const mounter = { ...to, mount: async (_: Descriptor, repository: string) => repository === 'source' };
  await copyGraph(from, mounter, root, { mount: () => 'source', onProgress: ({ phase }) => void phases.push(phase) });
  assert.deepEqual(phases.sort(), ['copied', 'mounted', 'skipped', 'waiting', 'waiting']);
});
