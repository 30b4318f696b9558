/**
 * Random sequences of everything that changes the store, the daemon killed among them: after each the ledger is exact,
 * fsck has nothing to say and `system df` adds up to `du`. BERTH_SEQUENCES sets how many (6 unless told, 200 for a long
 * run), BERTH_SEED where they begin.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Blob, makeArtifact, makeImage, makeIndex, makeTar, type Random, seededRandom } from '@berth/testkit';
import { putBlob, putImage, putManifest } from '../conformance/image-kit.ts';
import { missing, runOk, startDaemon, startRegistry, type TestDaemon, type TestRegistry } from '../harness/index.ts';

const SEQUENCES = Number(process.env['BERTH_SEQUENCES'] ?? 6);
const STEPS = 10;
const SEED = Number(process.env['BERTH_SEED'] ?? 1);
const REMOTE = ['a:1', 'a:2', 'b:1', 'c:1', 'd:1'] as const;
const PLATFORMS = ['amd64', 's390x'] as const;
const LOCAL = ['one', 'two', 'three'] as const;
/** The `r` ones are left running. */
const CONTAINERS = ['c0', 'c1', 'c2', 'r0', 'r1'] as const;

interface World {
  readonly daemon: TestDaemon;
  readonly registry: TestRegistry;
  readonly random: Random;
  /** What was done, for a failure. */
  readonly trace: string[];
}

const pick = <T>({ random }: World, of: readonly T[]): T => of[random.below(of.length)] as T;
const remote = (world: World, name: string): string => `${world.registry.host}/${name}`;

/** One request whose refusal is as good as its success: names that do not exist are part of the game. */
async function call(world: World, method: string, path: string, body?: object): Promise<void> {
  world.trace.push(`${method} ${path}`);
  const answer = await world.daemon.api(method, path, body === undefined ? {} : { body });
  assert.ok(answer.status < 500, `${method} ${path}: ${answer.status} ${answer.body.toString()}`);
}

async function seedRegistry(registry: TestRegistry): Promise<void> {
  const below = [{ name: 'below', body: 'x'.repeat(30_000) }];
  const spec = (...texts: readonly string[]) =>
    makeImage({ layers: [below, ...texts.map((text, at) => [{ name: `${text}${at}`, body: text.repeat(5000) }])] });
  await putImage(registry.host, 'a', '1', spec('one'));
  await putImage(registry.host, 'a', '2', spec('one', 'two'));
  await putImage(registry.host, 'b', '1', spec('three'));
  await putImage(registry.host, 'c', '1', makeImage({ layers: [[{ name: 'alone', body: 'alone'.repeat(9000) }]] }));
  await seedSigned(registry.host);
}

/** `d:1`: an index of two platforms with a signature, a bill of materials of one of them, and a signature of that. */
async function seedSigned(host: string): Promise<void> {
  const images = ['amd64', 's390x'].map((architecture) =>
    makeImage({
      layers: [[{ name: 'arch', body: architecture.repeat(3000) }]],
      platform: { os: 'linux', architecture },
    }),
  );
  const index = makeIndex(images);
  for (const image of images) await putImage(host, 'd', image.manifest.digest, image);
  await putManifest(host, 'd', '1', index);
  const [first] = images;
  const attach = async (artifactType: string, body: string, subject: Blob): Promise<Blob> => {
    const artifact = makeArtifact({ artifactType, body, subject });
    for (const blob of [artifact.config, ...artifact.layers]) await putBlob(host, 'd', blob);
    await putManifest(host, 'd', artifact.manifest.digest, artifact.manifest);
    return artifact.manifest;
  };
  await attach('application/vnd.cncf.notary.signature', 'signed'.repeat(500), index);
  const sbom = await attach('application/spdx+json', 'sbom'.repeat(2000), first?.manifest ?? index);
  await attach('application/vnd.cncf.notary.signature', 'sbom signed', sbom);
}

const anyImage = (world: World): string =>
  pick(world, [...LOCAL, ...REMOTE.map((name) => remote(world, name)), 'busybox']);

const ACTIONS: Readonly<Record<string, (world: World) => Promise<void>>> = {
  pull: (world) =>
    call(world, 'POST', `/images/create?fromImage=${encodeURIComponent(remote(world, pick(world, REMOTE)))}`),
  tag: (world) =>
    call(world, 'POST', `/images/${encodeURIComponent(anyImage(world))}/tag?repo=${pick(world, LOCAL)}&tag=latest`),
  async run(world) {
    const name = `c${world.random.below(3)}`;
    const Cmd = ['sh', '-c', `head -c ${world.random.below(200_000)} /dev/urandom > /made; mkdir -p /d; rm -f /bin/vi`];
    await call(world, 'POST', `/containers/create?name=${name}`, {
      Image: 'busybox',
      Cmd,
      HostConfig: { NetworkMode: 'none' },
    });
    await call(world, 'POST', `/containers/${name}/start`);
    await call(world, 'POST', `/containers/${name}/wait`);
  },
  commit: (world) => call(world, 'POST', `/commit?container=${pick(world, CONTAINERS)}&repo=${pick(world, LOCAL)}`),
  removeContainer: (world) => call(world, 'DELETE', `/containers/${pick(world, CONTAINERS)}?force=1`),
  async build(world) {
    const input = `FROM busybox\nRUN echo ${world.random.below(3)} > /built\nRUN echo ${world.random.below(3)} >> /built\n`;
    world.trace.push(`build ${JSON.stringify(input)}`);
    await world.daemon.docker(['build', '-q', '--network=none', '-t', pick(world, LOCAL), '-'], {
      input: Buffer.from(input),
    });
  },
  remove: (world) =>
    call(
      world,
      'DELETE',
      `/images/${encodeURIComponent(pick(world, [...LOCAL, ...REMOTE.map((name) => remote(world, name))]))}?force=${world.random.below(2)}`,
    ),
  prune: (world) => call(world, 'POST', '/images/prune'),
  pruneUnused: (world) => call(world, 'POST', `/images/prune?filters=${encodeURIComponent('{"dangling":["false"]}')}`),
  pruneContainers: (world) => call(world, 'POST', '/containers/prune'),
  gc: (world) => call(world, 'POST', '/berth/gc'),
  async saveAndLoad(world) {
    const name = anyImage(world);
    world.trace.push(`save and load ${name}`);
    const saved = await world.daemon.api(
      'GET',
      `/images/${encodeURIComponent(name)}/get?referrers=${world.random.below(2)}`,
    );
    if (saved.status !== 200) return;
    // A part of it as often as the whole: what a cut load leaves is nobody's.
    const whole = world.random.below(2) === 0;
    const body = whole ? saved.body : saved.body.subarray(0, world.random.below(saved.body.length));
    await world.daemon.api('POST', '/images/load?quiet=1', { body });
  },
  async import(world) {
    const body = makeTar([{ name: 'imported', body: world.random.bytes(world.random.below(100_000)) }]);
    world.trace.push('import');
    await world.daemon.api('POST', `/images/create?fromSrc=-&repo=${pick(world, LOCAL)}`, { body });
  },
  async leaveRunning(world) {
    const name = `r${world.random.below(2)}`;
    const Cmd = ['sh', '-c', 'echo x > /x; sleep 1000'];
    const HostConfig = { NetworkMode: 'none' };
    await call(world, 'POST', `/containers/create?name=${name}`, { Image: pick(world, LOCAL), Cmd, HostConfig });
    // An image without a shell is a refusal like any other.
    world.trace.push(`start ${name}`);
    await world.daemon.api('POST', `/containers/${name}/start`);
  },
  pullSigned: (world) =>
    call(
      world,
      'POST',
      `/images/create?fromImage=${encodeURIComponent(remote(world, 'd:1'))}&referrers=${world.random.below(2)}&platform=linux/${pick(world, PLATFORMS)}`,
    ),
  async push(world) {
    const name = remote(world, 'pushed');
    await call(world, 'POST', `/images/${encodeURIComponent(anyImage(world))}/tag?repo=${name}&tag=1`);
    await call(world, 'POST', `/images/${encodeURIComponent(name)}/push?tag=1&referrers=${world.random.below(2)}`);
    await call(world, 'DELETE', `/images/${encodeURIComponent(`${name}:1`)}`);
  },
  async loadPlatform(world) {
    const wanted = (architecture: string): string =>
      `platform=${encodeURIComponent(JSON.stringify({ os: 'linux', architecture }))}`;
    world.trace.push('save of d:1, load of one platform');
    const saved = await world.daemon.api('GET', `/v1.51/images/get?names=${remote(world, 'd:1')}&referrers=1`);
    if (saved.status !== 200) return;
    await world.daemon.api('POST', `/v1.51/images/load?quiet=1&${wanted(pick(world, PLATFORMS))}`, {
      body: saved.body,
    });
  },
  removePlatform: (world) =>
    call(
      world,
      'DELETE',
      `/v1.51/images/${encodeURIComponent(remote(world, 'd:1'))}?platforms=${encodeURIComponent(JSON.stringify({ os: 'linux', architecture: pick(world, PLATFORMS) }))}`,
    ),
  pruneCache: (world) => call(world, 'POST', '/build/prune?all=1'),
};

async function step(world: World): Promise<void> {
  const names = Object.keys(ACTIONS);
  const name = pick(world, names);
  const action = ACTIONS[name];
  const chance = world.random.below(8);
  if (chance === 1) {
    const other = pick(world, names);
    world.trace.push(`${name} and ${other} at once`);
    await Promise.all([action?.(world), ACTIONS[other]?.(world)]);
    return;
  }
  if (chance > 0) return await action?.(world);
  // Killed while at it: whatever the client sees is right, as long as the store is.
  world.trace.push(`kill -9 during ${name}`);
  const cut = action?.(world).catch(() => undefined);
  await sleep(world.random.below(60));
  await world.daemon.kill9();
  await cut;
  await world.daemon.restart();
}

interface DiskUsageAnswer {
  readonly LayersSize: number;
  readonly Containers: readonly { readonly SizeRw?: number }[] | null;
  readonly Volumes: readonly { readonly UsageData: { readonly Size: number } }[] | null;
}

/** The database's log grows while it is being looked at, so a few tries are fair; bytes lost or found are not. */
async function checkLedger({ daemon, trace }: World): Promise<void> {
  await daemon.assertClean();
  let [told, real] = [0, -1];
  for (let tries = 0; tries < 5 && told !== real; tries++) {
    const df = (await daemon.api('GET', '/system/df')).json() as DiskUsageAnswer;
    told = df.LayersSize;
    for (const { SizeRw } of df.Containers ?? []) told += SizeRw ?? 0;
    for (const { UsageData } of df.Volumes ?? []) told += UsageData.Size;
    real = Number((await runOk('du', ['-sB1', daemon.dataRoot])).split('\t')[0]);
  }
  assert.equal(told, real, `system df against du after\n${trace.join('\n')}`);
}

test(`${SEQUENCES} random sequences leave the ledger exact`, {
  skip: missing('docker'),
  timeout: 60_000 + SEQUENCES * 20_000,
}, async () => {
  try {
    await playAll();
  } catch (error) {
    // What went wrong first is what matters; disposal then fails too, and would hide it.
    throw error instanceof SuppressedError ? error.suppressed : error;
  }
});

async function playAll(): Promise<void> {
  await using registry = await startRegistry();
  await seedRegistry(registry);
  await using daemon = await startDaemon({ logLevel: 'info' });
  for (let at = 0; at < SEQUENCES; at++) {
    const world: World = { daemon, registry, random: seededRandom(SEED + at), trace: [`seed ${SEED + at}`] };
    await daemon.seedBusybox();
    try {
      for (let count = 0; count < STEPS; count++) await step(world);
      await checkLedger(world);
    } catch (error) {
      throw new Error(`after\n${world.trace.join('\n')}`, { cause: error });
    }
  }
  const world: World = { daemon, registry, random: seededRandom(0), trace: ['at the end'] };
  await daemon.removeContainers();
  await call(world, 'POST', '/build/prune?all=1');
  await call(world, 'POST', `/images/prune?filters=${encodeURIComponent('{"dangling":["false"]}')}`);
  assert.deepEqual((await daemon.api('GET', '/images/json?all=1')).json(), []);
  const { checked } = (await daemon.api('GET', '/berth/fsck')).json() as { checked: Record<string, number> };
  assert.deepEqual([checked['blobs'], checked['snapshots']], [0, 0], 'nothing is kept without a name');
  await checkLedger(world);
}
