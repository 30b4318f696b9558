/** Mirrors that hand out wrong bytes: the first pull goes on with the next endpoint, and what was unpacked is thrown away. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { isKind } from '@berth/base';
import type { TransferEvent } from '@berth/images';
import { withMounts } from '@berth/linux';
import { parseDigest } from '@berth/oci';
import { startRegistry } from '@berth/registry-server';
import { type BrokenRegistry, type Fault, startBrokenRegistry } from '@berth/registry-server/broken';
import { type MadeImage, makeImage } from '@berth/testkit';
import { putImage } from '../conformance/image-kit.ts';
import { findings, type ImageStore, openImageStore, temporary } from './images.fixture.ts';

const image = (compression: 'gzip' | 'zstd' | 'none'): MadeImage =>
  makeImage({
    compression,
    layers: [
      [{ name: 'big', body: randomBytes(1_500_000) }],
      [{ name: 'small', body: `small ${compression}` }],
      [{ name: 'other', body: randomBytes(300_000).toString('hex') }],
    ],
  });

/** A registry that only its mirrors are asked for in vain, and the mirrors. */
const setUp = async (context: TestContext, count: number) => {
  const root = await temporary('mirror');
  const origin = await startRegistry({ root: join(root, 'registry') });
  const front = await startBrokenRegistry(origin.host);
  const mirrors: BrokenRegistry[] = [];
  for (let at = 0; at < count; at++) mirrors.push(await startBrokenRegistry(origin.host));
  context.after(async () => {
    for (const each of [front, ...mirrors]) await each.close();
    await origin.close();
    rmSync(root, { recursive: true, force: true });
  });
  let stores = 0;
  const open = async (driver: 'overlay' | 'vfs'): Promise<ImageStore> => {
    const own = join(root, `store-${stores++}`);
    await mkdir(own);
    const urls = mirrors.map(({ host }) => `http://${host}`);
    return await openImageStore(own, driver, {
      certificateDirectories: [],
      limits: { backoffMs: 5, attempts: 1, stallMs: 20_000 },
      registries: { [front.host]: { mirrors: urls } },
    });
  };
  return { origin, front, mirrors, open };
};

/** About the layers: once the registry itself has been asked, for the configuration say, mirrors are asked no more. */
const lie = (server: BrokenRegistry | undefined, { layers }: MadeImage, fault: Fault): void => {
  assert.ok(server);
  server.plan = ({ method, path }) =>
    method === 'GET' && layers.some(({ digest }) => path.includes(digest)) ? fault : undefined;
};

const check = async (store: ImageStore, name: string, compression: string): Promise<void> => {
  const top = await store.images.unpack(await store.images.resolve(name));
  assert.ok(top);
  const mounts = await store.snapshotter.view('look', top);
  await withMounts(mounts, join(store.root, 'mounts'), async (tree) => {
    assert.equal(readFileSync(join(tree, 'small'), 'utf8'), `small ${compression}`);
    assert.equal(readFileSync(join(tree, 'big')).byteLength, 1_500_000);
  });
  await store.snapshotter.remove('look');
  assert.deepEqual(await findings(store), []);
  assert.deepEqual(
    [...store.snapshotter.list()].filter(({ kind }) => kind !== 'committed'),
    [],
  );
};

const FAULTS: Readonly<Record<string, Fault>> = {
  'the first byte': { type: 'corrupt', at: 0 },
  'the middle': { type: 'corrupt', at: 700_001 },
  'the last byte': { type: 'corrupt', at: -1 },
  endless: { type: 'endless' },
  'another length': { type: 'length', by: 7 },
  'something else': { type: 'answer', status: 200, body: 'not a layer' },
};

for (const driver of ['overlay', 'vfs'] as const)
  test(`one pull is enough when a mirror lies (${driver})`, async (context) => {
    const { origin, front, mirrors, open } = await setUp(context, 1);
    for (const [what, fault] of Object.entries(FAULTS))
      for (const compression of what === 'the middle' ? (['gzip', 'zstd', 'none'] as const) : (['gzip'] as const)) {
        const made = image(compression);
        await putImage(origin.host, 'a', '1', made);
        lie(
          mirrors[0],
          made,
          fault.type === 'corrupt' && fault.at < 0 ? { ...fault, at: (made.layers[0]?.size ?? 0) - 1 } : fault,
        );
        const seen = mirrors[0]?.seen.length ?? 0;
        await using store = await open(driver);
        const events: TransferEvent[] = [];
        const pulled = await store.images.pull(`${front.host}/a:1`, { onProgress: (event) => events.push(event) });
        assert.equal(pulled.target.digest, made.manifest.digest, what);
        await check(store, `${front.host}/a:1`, compression);
        assert.ok((mirrors[0]?.seen.length ?? 0) > seen, `${what}: the mirror was asked`);
        const retried = events.some((event) => event.type === 'layer' && event.phase === 'retrying');
        if (fault.type === 'corrupt') assert.ok(retried, `${what}: the pull says that it tries again`);
      }
  });

test('two mirrors that lie, each in its way, and pulls at the same time', async (context) => {
  const { origin, front, mirrors, open } = await setUp(context, 2);
  const made = image('gzip');
  await putImage(origin.host, 'a', '1', made);
  lie(mirrors[0], made, { type: 'corrupt', at: 100 });
  lie(mirrors[1], made, { type: 'corrupt', at: 5000 });
  await using store = await open('overlay');
  const name = `${front.host}/a:1`;
  await Promise.all([1, 2, 3].map(() => store.images.pull(name, {})));
  await check(store, name, 'gzip');
});

test('when everybody lies the pull fails and leaves nothing', async (context) => {
  const { origin, front, mirrors, open } = await setUp(context, 2);
  const made = image('gzip');
  await putImage(origin.host, 'a', '1', made);
  for (const each of [front, ...mirrors]) lie(each, made, { type: 'corrupt', at: 100 });
  await using store = await open('overlay');
  const name = `${front.host}/a:1`;
  await assert.rejects(store.images.pull(name, {}), (error) => isKind(error, 'dataLoss'));
  for (const { digest } of made.layers) assert.equal(store.content.stat(parseDigest(digest)), undefined);
  assert.deepEqual([...store.snapshotter.list()], []);
  assert.deepEqual(await findings(store), []);
  front.plan = () => undefined;
  await store.images.pull(name, {});
  await check(store, name, 'gzip');
});
