/** What images take and give back: under several names, when they are removed while others work, and by themselves. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { makeImage, makeTar, ociArchive, seededRandom } from '@berth/testkit';
import {
  eventually,
  missing,
  runOk,
  startDaemon,
  startRegistry,
  type TestDaemon,
  type TestRegistry,
  tempDirectory,
  withConfigFile,
} from '../harness/index.ts';
import { putImage } from './image-kit.ts';

const skip = missing('docker');

let daemon: TestDaemon;
let registry: TestRegistry;
before(async () => {
  if (skip) return;
  registry = await startRegistry();
  daemon = await startDaemon();
  await daemon.seedBusybox();
});
after(async () => {
  if (skip) return;
  await daemon.removeContainers();
  await daemon.assertClean();
  await daemon[Symbol.asyncDispose]();
  await registry[Symbol.asyncDispose]();
});

/** Blocks of blobs and layers: what `du` says. */
async function held(of: TestDaemon = daemon): Promise<number> {
  const paths = ['content', 'snapshots'].map((name) => join(of.dataRoot, name));
  return Number((await runOk('du', ['-scB1', ...paths])).split('\n').at(-1)?.split('\t')[0]);
}
const bytes = (seed: number, size: number): Buffer => Buffer.from(seededRandom(seed).bytes(size));
const shared = makeTar([{ name: 'shared', body: bytes(1, 777_777) }]);
const load = async (name: string, seed: number, layers: readonly Buffer[] = [shared]): Promise<string> => {
  const image = makeImage({ layers: [...layers, makeTar([{ name: 'own', body: bytes(seed, 333_333) }])] });
  await daemon.ok(['load'], { input: ociArchive(image, `docker.io/${name}`) });
  return image.manifest.digest;
};
interface Freed {
  readonly SpaceReclaimed: number;
}
const post = async <T>(path: string): Promise<T> => {
  const answer = await daemon.api('POST', path);
  assert.equal(answer.status, 200, answer.body.toString());
  return answer.json() as T;
};
/** What an action says it freed against what `du` says. */
async function assertFrees(what: string, action: () => Promise<number>): Promise<number> {
  const before = await held();
  const told = await action();
  assert.equal(told, before - (await held()), what);
  return told;
}
const filters = (value: object): string => `filters=${encodeURIComponent(JSON.stringify(value))}`;

test('an image of many names is listed under each and counted once', { skip }, async () => {
  const one = await load('space/one:1', 11);
  const two = await load('space/two:1', 12);
  const before = await held();
  const names = [
    'space/one:1',
    ...Array.from({ length: 120 }, (_, at) => `space/alias:${at}`),
    'other.host/deep/name:x',
  ];
  await Promise.all(
    names.map((name) =>
      daemon.api('POST', `/images/${one}/tag?repo=${name.replace(/:[^:]*$/, '')}&tag=${name.split(':').at(-1)}`),
    ),
  );
  const listed = await daemon.ok(['images', '--no-trunc', '--format', '{{.Repository}}:{{.Tag}} {{.ID}}']);
  const lines = listed.split('\n').filter((line) => line.endsWith(one));
  assert.deepEqual(lines.map((line) => line.split(' ')[0]).sort(), names.toSorted());

  const df = (await daemon.api('GET', '/v1.51/system/df')).json() as {
    readonly LayersSize: number;
    readonly Images: readonly {
      readonly Id: string;
      readonly RepoTags: string[];
      readonly Size: number;
      readonly SharedSize: number;
    }[];
  };
  assert.equal(df.Images.filter(({ Id }) => Id === one).length, 1);
  const found = df.Images.find(({ Id }) => Id === one);
  assert.deepEqual(found?.RepoTags.toSorted(), names.toSorted());
  const other = df.Images.find(({ Id }) => Id === two);
  assert.equal(found?.SharedSize, other?.SharedSize, 'one layer is shared by both');
  assert.ok((found?.SharedSize ?? 0) > 777_777 && (found?.SharedSize ?? 0) < (found?.Size ?? 0));
  const verbose = await daemon.ok(['system', 'df', '-v', '--format', 'json']);
  const table = JSON.parse(verbose).Images as readonly { readonly ID: string; readonly UniqueSize: string }[];
  assert.ok(table.filter(({ ID }) => ID === one || one.includes(ID)).length >= 1, verbose.slice(0, 500));
  const unique = df.Images.reduce((sum, { Size, SharedSize }) => sum + Size - SharedSize, 0);
  assert.ok(unique < df.LayersSize, `${unique} of ${df.LayersSize}`);
  await daemon.ok(['rmi', ...names.slice(1)]);
  assert.equal(await held(), before, 'names weigh nothing');
  await daemon.ok(['rmi', 'space/one:1', 'space/two:1']);
});

test('what prune and gc say they freed is what du lost', { skip }, async () => {
  await load('space/a:1', 21);
  await load('space/b:1', 22);
  await load('space/c:1', 23, []);
  await daemon.ok(['tag', 'space/c:1', 'space/d:1']);
  await daemon.ok([
    'run',
    '--name',
    'kept',
    '--network',
    'none',
    'busybox',
    'sh',
    '-c',
    'head -c 100001 /dev/urandom > /x',
  ]);

  await load('space/c:1', 24, []);
  await daemon.ok(['rmi', 'space/d:1']);
  await load('space/b:1', 25);
  const dangling = await assertFrees(
    'dangling images',
    async () => (await post<Freed>('/images/prune')).SpaceReclaimed,
  );
  assert.ok(dangling > 333_333);
  await assertFrees('nothing', async () => (await post<Freed>('/images/prune')).SpaceReclaimed);

  const dry = await post<{ readonly bytes: number; readonly images: readonly object[] }>('/berth/gc?dryRun=1');
  assert.equal(await held(), await held());
  assert.equal(dry.images.length, 3, 'all but what the container has');
  const gone = await assertFrees('gc', async () => (await post<{ readonly bytes: number }>('/berth/gc')).bytes);
  assert.equal(gone, dry.bytes, 'a dry run tells what the removal frees');

  await daemon.ok(['rm', 'kept']);
  const context = join(daemon.root, 'context');
  mkdirSync(context);
  writeFileSync(join(context, 'data'), bytes(31, 250_001));
  writeFileSync(join(context, 'Dockerfile'), 'FROM busybox\nCOPY data /\nRUN head -c 99999 /dev/urandom > /more\n');
  await daemon.ok(['build', '-q', '--network', 'none', '-t', 'space/built:1', context]);
  await daemon.ok(['rmi', 'space/built:1']);
  await eventually('the layers of steps are gone by themselves', async () => {
    const first = await held();
    await new Promise((resolve) => setTimeout(resolve, 700));
    return (await held()) === first;
  });
  const cache = await assertFrees('build cache', async () => (await post<Freed>('/build/prune?all=1')).SpaceReclaimed);
  assert.ok(cache > 250_001);
  await load('space/a:1', 21);
  await assertFrees(
    'unused images',
    async () => (await post<Freed>(`/images/prune?${filters({ dangling: ['false'] })}`)).SpaceReclaimed,
  );
  assert.deepEqual((await daemon.api('GET', '/images/json')).json(), []);
  await daemon.seedBusybox();
});

test('rmi right after a run frees every block at once', { skip }, async () => {
  const before = await held();
  const tar = makeTar([
    { name: 'bin/', type: 'directory' },
    { name: 'bin/own', mode: 0o755, body: '#!/bin/own\n' },
  ]);
  for (let round = 0; round < 3; round++) {
    await load('space/run:1', 41, [tar]);
    await daemon.docker(['run', '--rm', '--network', 'none', 'space/run:1', '/bin/own']);
    await daemon.ok(['rmi', 'space/run:1']);
    assert.equal(await held(), before);
  }
  assert.doesNotMatch(daemon.log(), /could not remove garbage/);
});

/** The registry, but that layers bigger than `size` wait to be let go. */
async function holding(size: number) {
  const gate = Promise.withResolvers<void>();
  let waiting = 0;
  const [hostname, port] = registry.host.split(':');
  const server = createServer((incoming, outgoing) => {
    const passed = request(
      { hostname, port, path: incoming.url, method: incoming.method, headers: incoming.headers },
      async (answer) => {
        outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
        if (incoming.method === 'GET' && Number(answer.headers['content-length']) > size) {
          waiting++;
          outgoing.flushHeaders();
          await gate.promise;
        }
        answer.pipe(outgoing);
      },
    );
    passed.on('error', () => outgoing.destroy());
    incoming.pipe(passed);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    isWaiting: () => waiting > 0,
    letGo: () => gate.resolve(),
    close: () => {
      gate.resolve();
      server.closeAllConnections();
      server.close();
    },
  };
}

test('removal frees unshared bytes at once, while a pull and a build of the same layers go on', { skip }, async () => {
  const own = makeTar([{ name: 'own', body: bytes(51, 400_000) }]);
  await putImage(registry.host, 'going', '1', makeImage({ layers: [shared, own] }));
  const proxy = await holding(390_000);
  try {
    const empty = await held();
    await load('space/first:1', 52);
    await load('space/second:1', 53);
    const pulling = daemon.ok(['pull', '-q', `${proxy.host}/going:1`]);
    const input = Buffer.from('FROM busybox\nRUN head -c 50000 /dev/urandom > /made; sleep 2; echo done > /done\n');
    const building = daemon.ok(['build', '-q', '--network', 'none', '-t', 'space/build:1', '-'], { input });
    await eventually('the pull has begun', proxy.isWaiting);
    const before = await held();
    await daemon.ok(['rmi', 'space/first:1']);
    const after = await held();
    // what the build wrote meanwhile is less than one file of the image
    assert.ok(before - after >= 2 * 333_333 - 100_000, `${before - after} bytes`);
    await daemon.ok(['rmi', 'space/second:1']);
    assert.ok(before - (await held()) >= 4 * 333_333 - 100_000, 'the second image’s own bytes');
    proxy.letGo();
    await pulling;
    await building;
    assert.equal(await daemon.ok(['run', '--rm', '--network', 'none', 'space/build:1', 'cat', '/done']), 'done');
    const [pulled] = JSON.parse(await daemon.ok(['image', 'inspect', `${proxy.host}/going:1`]));
    assert.equal(pulled.RootFS.Layers.length, 2);
    await daemon.assertClean();
    await daemon.ok(['rmi', `${proxy.host}/going:1`, 'space/build:1']);
    await daemon.ok(['builder', 'prune', '-af']);
    await eventually('all is given back', async () => (await held()) === empty);
  } finally {
    proxy.close();
  }
});

test('with watermarks a collection stops at the lower one and spares what is in use', {
  skip,
}, async () => {
  await using root = await tempDirectory('gc');
  const disk = root.path;
  await runOk('mount', ['-t', 'tmpfs', '-o', 'size=32m', 'tmpfs', disk]);
  try {
    const below = join(disk, 'berth');
    mkdirSync(below);
    const settings = { 'image-gc': { high: 60, low: 30, 'min-age': '0s' } };
    const args = await withConfigFile(below, settings);
    await using small = await startDaemon({ root: below, args });
    const names = ['one', 'two', 'three', 'four'];
    for (const [at, name] of names.entries()) {
      const image = makeImage({ layers: [makeTar([{ name, body: bytes(60 + at, 2_500_000) }])] });
      await small.ok(['load'], { input: ociArchive(image, `docker.io/library/${name}:1`) });
    }
    await small.ok(['create', '--name', 'user', 'one:1', 'x']);
    await small.ok(['tag', 'two:1', 'again:1']);
    const gc = async (query: string): Promise<readonly (readonly string[])[]> => {
      const answer = (await small.api('POST', `/berth/gc${query}`)).json() as {
        readonly images: readonly { readonly names: readonly string[] }[];
      };
      return answer.images.map((image) => image.names);
    };
    const used = async (): Promise<number> =>
      Number((await runOk('df', ['--output=pcent', disk])).match(/(\d+)%/)?.[1]);
    assert.ok((await used()) > 60);
    const planned = await gc('?dryRun=1');
    assert.ok((await used()) > 60, 'a dry run removes nothing');
    assert.deepEqual(await gc(''), planned);
    assert.ok(!planned.flat().includes('one:1'), 'a container has it');
    assert.ok((await used()) <= 31, `${await used()} percent`);
    assert.deepEqual(await gc(''), []);
    await small.assertClean();
  } finally {
    await runOk('umount', [disk]);
  }
});
