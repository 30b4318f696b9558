/** The image API by client libraries that know nothing of us: docker-py and dockerode. */
import assert from 'node:assert/strict';
import { createReadStream, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { makeTar } from '@berth/testkit';
import {
  busyboxTar,
  CHECKOUT,
  explain,
  missing,
  requireTool,
  run,
  startDaemon,
  startRegistry,
  type TestDaemon,
  type TestRegistry,
} from '../harness/index.ts';

let daemon: TestDaemon;
let registry: TestRegistry;
before(async () => {
  registry = await startRegistry();
  daemon = await startDaemon();
});
after(async () => {
  await daemon.removeContainers();
  await daemon.assertClean();
  await daemon[Symbol.asyncDispose]();
  await registry[Symbol.asyncDispose]();
});

test('docker-py: import, tag, list, commit, build, push, pull, save, load, history, df, prune, remove', {
  skip: missing('docker-py'),
}, async () => {
  const program = join(CHECKOUT, 'tests/fixtures/images-by-docker-py.py');
  const ran = await run(requireTool('docker-py'), [program, registry.host, await busyboxTar(), daemon.root], {
    env: daemon.env,
  });
  assert.equal(ran.code, 0, explain(ran));
  assert.equal(ran.stdout, 'done\n');
});

type Json = Readonly<Record<string, unknown>>;
type Summary = Json & { readonly Id: string; readonly RepoTags: readonly string[] };

/** The part of dockerode, which has no types of its own, that is used here. */
interface Dockerode {
  readonly modem: {
    followProgress(stream: NodeJS.ReadableStream, done: (error: Error | null, lines: readonly Json[]) => void): void;
  };
  importImage(source: NodeJS.ReadableStream, options: Json): Promise<NodeJS.ReadableStream>;
  loadImage(source: NodeJS.ReadableStream): Promise<NodeJS.ReadableStream>;
  buildImage(source: unknown, options: Json): Promise<NodeJS.ReadableStream>;
  pull(name: string): Promise<NodeJS.ReadableStream>;
  listImages(options?: Json): Promise<readonly Summary[]>;
  getImage(name: string): DockerodeImage;
  getImages(options: Json): Promise<Readable>;
  createContainer(options: Json): Promise<{
    readonly id: string;
    start(): Promise<unknown>;
    wait(): Promise<{ readonly StatusCode: number }>;
    commit(options: Json): Promise<{ readonly Id: string }>;
    remove(): Promise<unknown>;
  }>;
  pruneImages(
    options: Json,
  ): Promise<{ readonly ImagesDeleted: readonly Json[] | null; readonly SpaceReclaimed: number }>;
  df(): Promise<{ readonly Images: readonly Summary[]; readonly LayersSize: number }>;
}
interface DockerodeImage {
  inspect(): Promise<
    Json & { readonly Id: string; readonly RepoTags: readonly string[]; readonly RepoDigests: readonly string[] }
  >;
  history(): Promise<readonly Json[]>;
  tag(options: Json): Promise<unknown>;
  push(options?: Json): Promise<NodeJS.ReadableStream>;
  get(): Promise<Readable>;
  distribution(): Promise<{ readonly Descriptor: { readonly digest: string } }>;
  remove(options?: Json): Promise<readonly Json[]>;
}

test('dockerode: import, tag, list, commit, build, push, pull, save, load, history, df, prune, remove', async () => {
  const { default: Docker } = (await import('dockerode' as string)) as {
    readonly default: new (options: Json) => Dockerode;
  };
  const docker = new Docker({ socketPath: daemon.socket });
  const followed = (stream: NodeJS.ReadableStream): Promise<readonly Json[]> =>
    new Promise((resolve, reject) =>
      docker.modem.followProgress(stream, (error, lines) => (error ? reject(error) : resolve(lines))),
    );
  const text = (lines: readonly Json[]): string => lines.map(({ stream, status }) => stream ?? status).join('\n');

  await followed(await docker.importImage(createReadStream(await busyboxTar()), { repo: 'ode/base', tag: '1' }));
  const base = await docker.getImage('ode/base:1').inspect();
  await docker.getImage('ode/base:1').tag({ repo: 'ode/alias', tag: '2' });
  const listed = (await docker.listImages()).filter(({ Id }) => Id === base.Id);
  assert.deepEqual(
    listed.map(({ RepoTags }) => RepoTags.toSorted()),
    [['ode/alias:2', 'ode/base:1']],
  );
  const reference = JSON.stringify({ reference: ['ode/alias'] });
  assert.deepEqual(
    (await docker.listImages({ filters: reference })).map(({ Id }) => Id),
    [base.Id],
  );

  const container = await docker.createContainer({
    Image: 'ode/base:1',
    Cmd: ['sh', '-c', 'echo 1 > /file'],
    HostConfig: { NetworkMode: 'none' },
  });
  await container.start();
  assert.equal((await container.wait()).StatusCode, 0);
  const { Id } = await container.commit({
    repo: 'ode/made',
    tag: '1',
    comment: 'why',
    author: 'Me',
    changes: 'ENV X=1',
  });
  await container.remove();
  const made = await docker.getImage('ode/made:1').inspect();
  assert.deepEqual([made.Id, made['Comment'], made['Author']], [Id, 'why', 'Me']);
  assert.deepEqual(
    (await docker.getImage(Id).history()).map(({ Comment }) => Comment),
    ['why', 'Imported from -'],
  );

  const context = join(daemon.root, 'ode');
  mkdirSync(context);
  writeFileSync(join(context, 'Dockerfile'), 'FROM ode/base:1\nCOPY added /\n');
  writeFileSync(join(context, 'added'), 'added');
  const built = await followed(
    await docker.buildImage({ context, src: ['Dockerfile', 'added'] }, { t: 'ode/built:1', version: '1' }),
  );
  assert.match(text(built), /Successfully tagged ode\/built:1/);
  const tarred = makeTar([{ name: 'Dockerfile', body: 'FROM ode/base:1\nRUN echo 2 > /two\n' }]);
  await followed(await docker.buildImage(Readable.from([tarred]), { t: 'ode/built:2' }));

  const remote = `${registry.host}/ode/made:1`;
  await docker.getImage('ode/made:1').tag({ repo: `${registry.host}/ode/made`, tag: '1' });
  const pushed = await followed(await docker.getImage(remote).push());
  const digest = pushed.map(({ aux }) => (aux as { readonly Digest?: string } | undefined)?.Digest).find(Boolean);
  assert.equal((await docker.getImage(remote).distribution()).Descriptor.digest, digest);
  await docker.getImage(remote).remove();
  const pulled = await followed(await docker.pull(remote));
  assert.match(text(pulled), new RegExp(`Digest: ${digest}`));
  assert.ok((await docker.getImage(remote).inspect()).RepoDigests.includes(`${registry.host}/ode/made@${digest}`));
  await assert.rejects(docker.pull(`${registry.host}/ode/nosuch:1`).then(followed), /not found|manifest unknown/);

  const one = await buffer(await docker.getImage('ode/made:1').get());
  const both = await buffer(await docker.getImages({ names: ['ode/made:1', 'ode/built:1'] }));
  assert.ok(both.length > one.length);
  for (const name of ['ode/made:1', 'ode/built:1', remote]) await docker.getImage(name).remove();
  await assert.rejects(docker.getImage('ode/made:1').inspect(), { statusCode: 404 });
  const loaded = text(await followed(await docker.loadImage(Readable.from([both]))));
  assert.match(loaded, /Loaded image: ode\/made:1/);
  assert.match(loaded, /Loaded image: ode\/built:1/);
  assert.equal((await docker.getImage('ode/made:1').inspect()).Id, Id);

  const usage = await docker.df();
  assert.ok(usage.LayersSize > 0 && usage.Images.some(({ RepoTags }) => RepoTags.includes('ode/made:1')));
  await docker.getImage('ode/base:1').tag({ repo: 'ode/built', tag: '2' });
  const pruned = await docker.pruneImages({ filters: JSON.stringify({ dangling: ['true'] }) });
  assert.equal(pruned.ImagesDeleted?.length, 1);
  assert.ok(pruned.SpaceReclaimed > 0);
  for (const name of ['ode/made:1', 'ode/built:1', 'ode/built:2', 'ode/alias:2', 'ode/base:1'])
    await docker.getImage(name).remove({ force: true });
  assert.deepEqual(await docker.listImages({ all: true }), []);
});
