import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isKind } from '@berth/base';
import { type ByteStream, type Descriptor, digestOf, MEDIA_TYPES, streamOf } from '@berth/oci';
import { type TargetFixture, targetContract } from '@berth/oci/contract';
import { openState } from '@berth/state';
import { checkContent } from './check-content.ts';
import { contentTarget, pushRef } from './content-target.ts';
import { contentDiskReport } from './disk-report.ts';
import { createLayoutIndex } from './layout-index.ts';
import { openContentStore } from './open-content-store.ts';

const create = async () => {
  const root = mkdtempSync(join(process.env['BERTH_TEST_TMP'] ?? '/dev/shm', 'berth-test-content-'));
  const state = openState(':memory:');
  const store = await openContentStore({ root, state });
  const names = new Map<string, Descriptor>();
  const target = contentTarget(store, {
    resolve: (name) => names.get(name),
    tag: (descriptor, name) => void names.set(name, descriptor),
  });
  return {
    root,
    state,
    store,
    names,
    target,
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      const findings = await checkContent(store, state, { verifyDigests: true });
      const report = contentDiskReport(store);
      state[Symbol.dispose]();
      rmSync(root, { recursive: true });
      assert.deepEqual(findings, []);
      assert.equal(report.blobs.bytes + report.ingests.bytes + report.overhead, report.total);
    },
  } satisfies TargetFixture & Record<string, unknown>;
};

targetContract(create, { name: 'content store' });

const failing = async function* (bytes: Uint8Array): ByteStream {
  yield bytes;
  throw new Error('connection lost');
};

test('an interrupted pushFrom asks only for the rest', async () => {
  await using fixture = await create();
  const bytes = randomBytes(2_000_000);
  const blob = { mediaType: MEDIA_TYPES.octetStream, digest: digestOf(bytes), size: bytes.length };
  const offsets: number[] = [];
  const attempt = (end?: number) =>
    fixture.target.pushFrom(blob, async (offset) => {
      offsets.push(offset);
      return end === undefined ? streamOf(bytes.subarray(offset)) : failing(bytes.subarray(offset, end));
    });
  await assert.rejects(attempt(1_234_567), /connection lost/);
  await assert.rejects(attempt(1_500_000), /connection lost/);
  await attempt();
  assert.deepEqual(offsets, [0, 1_234_567, 1_500_000]);
  assert.equal(fixture.store.stat(blob.digest)?.size, bytes.length);
  await attempt();
  assert.equal(offsets.length, 3, 'what is there is not asked for');
});

test('a partial that is not the beginning of the blob costs a second try, not the blob', async () => {
  await using fixture = await create();
  const bytes = randomBytes(5000);
  const blob = { mediaType: MEDIA_TYPES.octetStream, digest: digestOf(bytes), size: bytes.length };
  await assert.rejects(fixture.target.push(blob, failing(randomBytes(100))), /connection lost/);
  assert.deepEqual(
    [...fixture.store.ingests()].map(({ ref, offset }) => ({ ref, offset })),
    [{ ref: pushRef(blob.digest), offset: 100 }],
  );
  await fixture.target.pushFrom(blob, async (offset) => streamOf(bytes.subarray(offset)));
  assert.equal(fixture.store.stat(blob.digest)?.size, 5000);
  assert.deepEqual([...fixture.store.ingests()], []);
});

test('one blob pushed several times at once arrives', async () => {
  await using fixture = await create();
  const bytes = randomBytes(600_000);
  const blob = { mediaType: MEDIA_TYPES.octetStream, digest: digestOf(bytes), size: bytes.length };
  await Promise.all([1, 2, 3].map(() => fixture.target.push(blob, streamOf(bytes))));
  await assert.rejects(fixture.target.resolve('nothing'), (error) => isKind(error, 'notFound'));
  assert.deepEqual(await fixture.target.resolve(blob.digest), blob);
  assert.deepEqual([...fixture.store.ingests()], []);
});

test('index.json follows the names and is never half written', async () => {
  await using fixture = await create();
  const descriptor = await fixture.store.write(MEDIA_TYPES.ociManifest, Buffer.from('{}'));
  const index = createLayoutIndex(fixture.root, () => [
    ...fixture.names.entries().map(([name, named]) => ({ name, descriptor: named })),
  ]);
  const read = () =>
    (JSON.parse(readFileSync(join(fixture.root, 'index.json'), 'utf8')).manifests as Descriptor[]).map(
      ({ annotations }) => annotations?.['org.opencontainers.image.ref.name'],
    );
  const refreshes: Promise<void>[] = [];
  for (const name of ['c', 'a', 'b']) {
    await fixture.target.tag(descriptor, name);
    refreshes.push(index.refresh());
    read();
  }
  await Promise.all(refreshes);
  assert.deepEqual(read(), ['a', 'b', 'c']);
  fixture.names.delete('b');
  await index.refresh();
  assert.deepEqual(read(), ['a', 'c']);
});
