import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isKind } from '@berth/base';
import { checkContent, contentDiskReport, contentTarget, createLayoutIndex, openContentStore } from '@berth/content';
import { withMounts } from '@berth/linux';
import { copyGraph, type Descriptor, digestOf, isDigest } from '@berth/oci';
import { pushRandomImage } from '@berth/oci/contract';
import { openState } from '@berth/state';

const temporary = () => {
  const path = mkdtempSync(join(process.env['BERTH_TEST_TMP'] ?? '/dev/shm', 'berth-test-content-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
};

test('skopeo reads the store in place, and copies out of it bit by bit', async () => {
  using directory = temporary();
  using state = openState(join(directory.path, 'berth.db'));
  const root = join(directory.path, 'content');
  await using store = await openContentStore({ root, state });
  const names = new Map<string, Descriptor>();
  const index = createLayoutIndex(root, () => Array.from(names, ([name, descriptor]) => ({ name, descriptor })));
  const target = contentTarget(store, {
    resolve: (name) => names.get(name),
    tag: async (descriptor, name) => {
      names.set(name, descriptor);
      await index.refresh();
    },
  });
  const image = await pushRandomImage(target, { layers: 3, layerSize: 50_000 });
  await pushRandomImage(target);
  const name = 'docker.io/library/random:1.0';
  await target.tag(image.manifest, name);
  const inspected = JSON.parse(
    execFileSync('skopeo', ['inspect', `oci:${root}:${name}`], { encoding: 'utf8' }),
  ) as Record<string, unknown>;
  assert.equal(inspected['Digest'], image.manifest.digest);
  assert.deepEqual(
    inspected['Layers'],
    image.layers.map((layer) => layer.digest),
  );
  const copy = join(directory.path, 'copy');
  execFileSync('skopeo', ['copy', '--quiet', '--preserve-digests', `oci:${root}:${name}`, `dir:${copy}`]);
  assert.equal(digestOf(execFileSync('cat', [join(copy, 'manifest.json')])), image.manifest.digest);
  assert.deepEqual(await checkContent(store, state, { verifyDigests: true }), []);
});

test('what skopeo wrote as an image layout arrives with its digests', async () => {
  using directory = temporary();
  const foreign = join(directory.path, 'foreign');
  using state = openState(':memory:');
  await using store = await openContentStore({ root: foreign, state });
  const names = new Map<string, Descriptor>();
  const target = contentTarget(store, {
    resolve: (name) => names.get(name),
    tag: (descriptor, name) => void names.set(name, descriptor),
  });
  const { manifest } = await pushRandomImage(target, { layers: 2, layerSize: 10_000 });
  using otherState = openState(':memory:');
  await using other = await openContentStore({ root: join(directory.path, 'other'), state: otherState });
  const sink = contentTarget(other, { resolve: () => undefined, tag: () => undefined });
  await copyGraph(target, sink, manifest);
  assert.deepEqual(
    [...other.list()].map(({ digest }) => digest),
    [...store.list()].map(({ digest }) => digest),
  );
  assert.ok(isDigest(manifest.digest));
});

test('a full disk is said so, leaves nothing half made, and with room again the ingest goes on', async () => {
  using directory = temporary();
  using state = openState(join(directory.path, 'berth.db'));
  const small = { type: 'tmpfs', source: 'tmpfs', options: ['size=4m'] };
  await withMounts([small], directory.path, async (root) => {
    await using store = await openContentStore({ root, state });
    const ballast = await store.write('application/octet-stream', randomBytes(2_500_000));
    const data = randomBytes(3_000_000);
    const expected = { digest: digestOf(data), size: data.length };
    const full = (error: unknown): boolean => isKind(error, 'exhausted') && /no space left/.test(String(error));
    for (const size of [10_000, 1_000_000]) {
      await using ingest = await store.ingest('pull', expected);
      const before = ingest.offset;
      await assert.rejects(async () => {
        for (let at = before; at < data.length; at += size) await ingest.write(data.subarray(at, at + size));
        await ingest.commit(expected);
      }, full);
    }
    await assert.rejects(store.write('application/octet-stream', randomBytes(3_000_000)), full);
    assert.deepEqual(await checkContent(store, state, { verifyDigests: true }), []);
    assert.deepEqual(
      [...store.list()].map(({ digest }) => digest),
      [ballast.digest],
    );
    await store.remove(ballast.digest);
    await using again = await store.ingest('pull', expected);
    assert.ok(again.offset > 500_000, `goes on at ${again.offset}`);
    await again.write(data.subarray(again.offset));
    await again.commit(expected);
    assert.deepEqual(await checkContent(store, state, { verifyDigests: true }), []);
    const du = Number(execFileSync('du', ['-s', '-B1', root]).toString().split('\t')[0]);
    assert.equal(contentDiskReport(store).total, du);
  });
});
