import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { packDirectory } from '@berth/archive';
import { streamOf } from '@berth/oci';
import {
  type CountedRegistry,
  findings,
  type ImageStore,
  openImageStore,
  startCountedRegistry,
  temporary,
} from './images.fixture.ts';

const LAYERS = 4;
const LAYER_BYTES = 6_000_000;

async function seed(root: string, registry: CountedRegistry): Promise<string> {
  await using store = await openImageStore(root);
  const tree = join(root, 'tree');
  const parts = [];
  for (let n = 0; n < LAYERS; n++) {
    mkdirSync(tree);
    writeFileSync(join(tree, `file${n}`), randomBytes(LAYER_BYTES));
    const { id } = await store.images.import(packDirectory(tree), {});
    parts.push(await store.images.resolve(id));
    rmSync(tree, { recursive: true });
  }
  const name = `${registry.host}/team/app:1`;
  await store.images.create({
    config: {
      architecture: 'amd64',
      os: 'linux',
      rootfs: { type: 'layers', diff_ids: parts.flatMap((part) => part.diffIds) },
    },
    layers: parts.flatMap((part) => part.layers),
    names: [name],
  });
  await store.images.push(name, {});
  return name;
}

/** Kills a pull once so many bytes have reached its disk. */
async function killAfter(bytes: number, root: string, name: string): Promise<void> {
  const script = join(import.meta.dirname, 'images.puller.ts');
  const child = spawn(process.execPath, [script, root, name], { stdio: 'inherit' });
  const exited = once(child, 'exit');
  const watch = setInterval(() => {
    if (onDisk(join(root, 'content')) >= bytes) child.kill('SIGKILL');
  }, 1);
  try {
    await exited;
  } finally {
    clearInterval(watch);
  }
}

function onDisk(content: string): number {
  let bytes = 0;
  for (const directory of ['ingest', 'blobs/sha256'])
    for (const name of existsSync(join(content, directory)) ? readdirSync(join(content, directory)) : [])
      bytes += statSync(join(content, directory, name), { throwIfNoEntry: false })?.size ?? 0;
  return bytes;
}

/** Bytes of whole and partial blobs. */
function stored(store: ImageStore): number {
  let bytes = 0;
  for (const { size } of store.content.list()) bytes += size;
  for (const { offset } of store.content.ingests()) bytes += offset;
  return bytes;
}

test('a pull killed again and again comes to its end, fetches only what is missing and leaks nothing', async () => {
  const base = await temporary('images');
  const root = join(base, 'root');
  for (const name of ['seed', 'root']) mkdirSync(join(base, name));
  try {
    await using registry = await startCountedRegistry(join(base, 'registry'));
    const name = await seed(join(base, 'seed'), registry);
    registry.sent = 0;
    for (const part of [0.1, 0.4, 0.7]) {
      await killAfter(part * LAYERS * LAYER_BYTES, root, name);
      await using store = await openImageStore(root);
      await store.snapshotter.cleanup();
      const before = stored(store);
      // A refused load ends with a sweep, which must not cost what was fetched.
      await assert.rejects(store.images.load(streamOf(new Uint8Array(0))));
      assert.equal(stored(store), before);
      assert.deepEqual(await findings(store), []);
    }
    await using store = await openImageStore(root);
    const missing = LAYERS * LAYER_BYTES - stored(store);
    assert.ok(missing < 0.8 * LAYERS * LAYER_BYTES, `${missing} bytes were still missing`);
    registry.sent = 0;
    await store.images.pull(name, {});
    assert.ok(registry.sent < missing + 100_000, `${registry.sent} bytes were sent, ${missing} were missing`);
    assert.deepEqual([...store.content.ingests()], []);
    assert.deepEqual(await findings(store), []);
    await store.images.remove(name);
    assert.deepEqual([...store.content.list()], []);
    assert.deepEqual([...store.snapshotter.list()], []);
  } finally {
    rmSync(base, { recursive: true });
  }
});
