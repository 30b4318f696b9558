import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import {
  copyGraph,
  createMemoryTarget,
  type Descriptor,
  decodeManifest,
  digestOf,
  MEDIA_TYPES,
  readAll,
  streamOf,
  type Target,
} from '@berth/oci';
import { pushRandomImage, targetContract } from '@berth/oci/contract';
import { createRegistryClient } from '@berth/registry-client';
import { startRegistry } from '@berth/registry-server';
import { startBrokenRegistry } from '@berth/registry-server/broken';
import { findTool, missing, requireTool } from '../harness/index.ts';

const BASE = process.env['BERTH_TEST_TMP'] ?? '/dev/shm';
const run = promisify(execFile);

const dockerRegistry = findTool('docker-registry');

const temporary = async (): Promise<string> => mkdtemp(join(BASE, 'berth-test-'));

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
};

const answers = async (port: number): Promise<void> => {
  for (let attempt = 0; attempt < 100; attempt++) {
    const socket = connect(port, '127.0.0.1');
    const up = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    });
    socket.destroy();
    if (up) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`nothing listens on port ${port}`);
};

/** Debian's docker-registry on a free port. */
const startDockerRegistry = async (binary: string): Promise<AsyncDisposable & { readonly host: string }> => {
  const root = await temporary();
  const port = await freePort();
  const config = join(root, 'config.yml');
  await mkdir(join(root, 'data'));
  await writeFile(
    config,
    `version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: ${root}/data}, delete: {enabled: true}}\nhttp: {addr: "127.0.0.1:${port}"}\n`,
  );
  const child = spawn(binary, ['serve', config], { stdio: 'ignore' });
  const exited = once(child, 'exit');
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL');
    await exited;
    await rm(root, { recursive: true, force: true });
  };
  try {
    await answers(port);
  } catch (error) {
    await stop();
    throw error;
  }
  return { host: `127.0.0.1:${port}`, [Symbol.asyncDispose]: stop };
};

if (dockerRegistry === undefined)
  test("the client against Debian's docker-registry", { skip: missing('docker-registry') }, () => undefined);
else {
  for (const chunkBytes of [undefined, 70_000])
    targetContract(
      async () => {
        const registry = await startDockerRegistry(dockerRegistry);
        const client = createRegistryClient({ limits: { backoffMs: 5 } });
        return {
          target: client.repository(`${registry.host}/some/image`, chunkBytes === undefined ? {} : { chunkBytes }),
          async [Symbol.asyncDispose]() {
            await client[Symbol.asyncDispose]();
            await registry[Symbol.asyncDispose]();
          },
        };
      },
      { name: `client against docker-registry, ${chunkBytes === undefined ? 'whole' : 'chunked'} uploads` },
    );

  test('client against docker-registry: mount, error texts, tags', async () => {
    await using registry = await startDockerRegistry(dockerRegistry);
    await using client = createRegistryClient();
    await mountsAndTexts(client, registry.host);
  });
}

if (dockerRegistry !== undefined)
  test('a push to docker-registry that is cut, or whose answer is lost, comes to its end', async () => {
    await using registry = await startDockerRegistry(dockerRegistry);
    await using broken = await startBrokenRegistry(registry.host);
    await using client = createRegistryClient({ limits: { backoffMs: 5, stallMs: 5000 } });
    for (const chunkBytes of [undefined, 40_000])
      for (const fault of [
        { type: 'cutRequest', after: 30_000 },
        { type: 'cutRequest', after: 0 },
        { type: 'loseAnswer' },
        { type: 'answer', status: 503 },
      ] as const) {
        const bytes = randomBytes(100_000);
        const blob = { mediaType: MEDIA_TYPES.ociLayer, digest: digestOf(bytes), size: bytes.byteLength };
        let left = 1;
        const body = chunkBytes === undefined ? 'PUT' : 'PATCH';
        broken.plan = ({ method }) => (method === body && left-- > 0 ? fault : undefined);
        const repository = client.repository(`${broken.host}/a`, chunkBytes === undefined ? {} : { chunkBytes });
        await repository.pushFrom(blob, async (offset) => streamOf(bytes.subarray(offset)));
        const stored = await client.repository(`${registry.host}/a`).fetch(blob);
        assert.equal(digestOf(await readAll(stored, 1e6)), blob.digest, JSON.stringify([chunkBytes, fault]));
      }
  });

const mountsAndTexts = async (client: ReturnType<typeof createRegistryClient>, host: string): Promise<void> => {
  const source = client.repository(`${host}/a`);
  const target = client.repository(`${host}/b/c`);
  const { manifest, layers } = await pushRandomImage(source);
  await source.tag(manifest, 'v1');
  await source.tag(manifest, 'v2');
  assert.deepEqual([...(await source.tags())].sort(), ['v1', 'v2']);
  const [layer] = layers;
  assert.ok(layer !== undefined);
  assert.equal(await target.exists(layer), false);
  assert.equal(await target.mount(layer, `${host}/a`), true);
  assert.equal(await target.exists(layer), true);
  await assert.rejects(source.resolve('nope'), {
    message: `manifest for ${host}/a:nope not found: manifest unknown: manifest unknown`,
    kind: 'notFound',
  });
};

test('client against our server: mount, error texts, tags', async (context) => {
  const { registry, client } = await ours(context);
  await mountsAndTexts(client, registry.host);
});

const ours = async (context: TestContext) => {
  const root = await temporary();
  const registry = await startRegistry({ root });
  const client = createRegistryClient({ limits: { backoffMs: 5 } });
  context.after(async () => {
    await client[Symbol.asyncDispose]();
    await registry.close();
    await rm(root, { recursive: true, force: true });
  });
  return { registry, client, root };
};

test('skopeo copies in, inspects, copies out and deletes, bit by bit', {
  skip: missing('skopeo'),
}, async (context) => {
  const { registry, client, root } = await ours(context);
  const first = client.repository(`${registry.host}/first`);
  const { manifest } = await pushRandomImage(first, { layers: 3, layerSize: 50_000 });
  await first.tag(manifest, 'v1');
  const insecure = ['--src-tls-verify=false', '--dest-tls-verify=false'];
  const layout = join(root, 'layout');
  const copy = (...args: readonly string[]) =>
    run('skopeo', ['--insecure-policy', 'copy', '--preserve-digests', ...args], { timeout: 20_000 });
  await copy('--src-tls-verify=false', `docker://${registry.host}/first:v1`, `oci:${layout}:v1`);
  await copy('--dest-tls-verify=false', `oci:${layout}:v1`, `docker://${registry.host}/second/deep/name:v1`);
  await copy(...insecure, `docker://${registry.host}/second/deep/name:v1`, `docker://${registry.host}/third:latest`);
  const third = client.repository(`${registry.host}/third`);
  assert.equal((await third.resolve('latest')).digest, manifest.digest);
  const sink = createMemoryTarget();
  await copyGraph(third, sink, manifest);
  const kept = decodeManifest(await readAll(await sink.fetch(manifest), 1e6));
  assert.equal(kept.kind === 'image' && kept.image.layers.length, 3);
  const listed = await run('skopeo', ['list-tags', '--tls-verify=false', `docker://${registry.host}/third`]);
  assert.deepEqual((JSON.parse(listed.stdout) as { Tags: string[] }).Tags, ['latest']);
  await run('skopeo', ['delete', '--tls-verify=false', `docker://${registry.host}/third:latest`]);
  await assert.rejects(third.resolve('latest'), { kind: 'notFound' });
});

test('docker manifest makes, pushes and reads an index; its parts stay what they were', {
  skip: missing('docker'),
}, async (context) => {
  const { registry, client, root } = await ours(context);
  const repository = client.repository(`${registry.host}/multi`);
  const parts: string[] = [];
  for (const architecture of ['amd64', 'arm64']) {
    const { manifest } = await pushPlatformImage(repository, architecture);
    await repository.tag(manifest, architecture);
    parts.push(manifest.digest);
  }
  const env = { ...process.env, DOCKER_CONFIG: join(root, 'docker') };
  const dockerManifest = (...args: readonly string[]) =>
    run(requireTool('docker'), ['manifest', ...args], { env, timeout: 20_000 });
  const name = `${registry.host}/multi:all`;
  const names = ['amd64', 'arm64'].map((tag) => `${registry.host}/multi:${tag}`);
  await dockerManifest('create', '--insecure', name, ...names);
  await dockerManifest('annotate', name, names[1] ?? '', '--variant', 'v8');
  const pushed = await dockerManifest('push', '--insecure', name);
  assert.equal((await repository.resolve('all')).digest, pushed.stdout.trim());
  const index = decodeManifest(await readAll(await repository.fetch(await repository.resolve('all')), 1e6));
  assert.ok(index.kind === 'index');
  assert.deepEqual(index.index.manifests.map(({ digest }) => digest).sort(), [...parts].sort());
  assert.equal(index.index.manifests.find(({ digest }) => digest === parts[1])?.platform?.variant, 'v8');
  const read = await dockerManifest('inspect', '--insecure', name);
  assert.equal((JSON.parse(read.stdout) as { manifests: unknown[] }).manifests.length, 2);
  // The same index goes on to another repository and comes back bit by bit.
  const copy = client.repository(`${registry.host}/copy`);
  const root2 = await repository.resolve('all');
  await copyGraph(repository, copy, root2);
  await copy.tag(root2, 'all');
  assert.deepEqual(await copy.resolve('all'), root2);
});

const pushPlatformImage = async (target: Target, architecture: string): Promise<{ readonly manifest: Descriptor }> => {
  const put = async (mediaType: string, bytes: Uint8Array): Promise<Descriptor> => {
    const descriptor = { mediaType, digest: digestOf(bytes), size: bytes.byteLength };
    await target.push(descriptor, streamOf(bytes));
    return descriptor;
  };
  const layer = await put(MEDIA_TYPES.dockerLayerGzip, gzipSync(Buffer.from(`layer of ${architecture}`)));
  const config = await put(
    MEDIA_TYPES.dockerConfig,
    Buffer.from(JSON.stringify({ architecture, os: 'linux', rootfs: { type: 'layers', diff_ids: [layer.digest] } })),
  );
  const mediaType = MEDIA_TYPES.dockerManifest;
  const manifest = { schemaVersion: 2, mediaType, config, layers: [layer] };
  return { manifest: await put(mediaType, Buffer.from(JSON.stringify(manifest))) };
};
