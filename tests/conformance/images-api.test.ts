/** The image endpoints of API 1.51 that the docker CLI reaches with flags or not at all, as dockerd's containerd store answers. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { type MadeImage, makeImage, makeIndex, makeTar, ociArchive, sha256 } from '@berth/testkit';
import { missing, startDaemon, startRegistry, type TestDaemon, type TestRegistry } from '../harness/index.ts';
import { jsonLines, putBlob, putImage, putManifest } from './image-kit.ts';

const skip = missing('docker');
const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';

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
  await daemon.assertClean();
  await daemon[Symbol.asyncDispose]();
  await registry[Symbol.asyncDispose]();
});

const get = async <T>(path: string): Promise<T> => {
  const answer = await daemon.api('GET', path);
  assert.equal(answer.status, 200, `${path}: ${answer.body.toString()}`);
  return answer.json() as T;
};
const forPlatform = (architecture: string, os = 'linux'): MadeImage =>
  makeImage({
    layers: [[{ name: 'arch', mode: 0o755, body: architecture.repeat(2000) }]],
    platform: { os, architecture },
    config: { Cmd: ['/arch'], Labels: { arch: architecture } },
  });
const query = (value: unknown): string => encodeURIComponent(JSON.stringify(value));

interface Manifest {
  readonly ID: string;
  readonly Available: boolean;
  readonly Kind: string;
  readonly Size: { readonly Content: number; readonly Total: number };
  readonly ImageData?: {
    readonly Platform: { readonly architecture: string };
    readonly Size: { readonly Unpacked: number };
    readonly Containers: readonly string[];
  };
  readonly AttestationData?: { readonly For: string };
}
interface Inspected {
  readonly Id: string;
  readonly Architecture: string;
  readonly Descriptor: { readonly platform: { readonly architecture: string } };
}
interface Summary {
  readonly Id: string;
  readonly RepoTags: string[];
  readonly Size: number;
  readonly SharedSize: number;
  readonly Manifests?: Manifest[];
}

/** A provenance manifest about an image, as BuildKit writes them. */
function attestationOf(image: MadeImage): {
  readonly config: MadeImage['config'];
  readonly layer: MadeImage['config'];
  readonly manifest: MadeImage['config'];
  readonly entry: object;
} {
  const blob = (mediaType: string, value: object): MadeImage['config'] => {
    const data = Buffer.from(JSON.stringify(value));
    return { mediaType, data, digest: sha256(data), size: data.length };
  };
  const config = blob('application/vnd.oci.image.config.v1+json', {
    architecture: 'unknown',
    os: 'unknown',
    config: {},
    rootfs: { type: 'layers', diff_ids: [] },
  });
  const layer = blob('application/vnd.in-toto+json', { predicateType: 'https://slsa.dev/provenance/v0.2' });
  const describe = ({ mediaType, digest, data }: MadeImage['config']): object => ({
    mediaType,
    digest,
    size: data.length,
  });
  const manifest = blob('application/vnd.oci.image.manifest.v1+json', {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: describe(config),
    layers: [describe(layer)],
  });
  const entry = {
    ...describe(manifest),
    platform: { os: 'unknown', architecture: 'unknown' },
    annotations: {
      'vnd.docker.reference.type': 'attestation-manifest',
      'vnd.docker.reference.digest': image.manifest.digest,
    },
  };
  return { config, layer, manifest, entry };
}

async function putIndexed(
  repository: string,
  tag: string,
): Promise<{
  readonly index: string;
  readonly amd64: MadeImage;
  readonly arm64: MadeImage;
  readonly attestation: string;
}> {
  const [amd64, arm64] = [forPlatform('amd64'), forPlatform('arm64')];
  for (const image of [amd64, arm64])
    await putImage(registry.host, repository, `only-${image.manifest.digest.slice(7, 15)}`, image);
  const attestation = attestationOf(amd64);
  await putBlob(registry.host, repository, attestation.config);
  await putBlob(registry.host, repository, attestation.layer);
  await putManifest(registry.host, repository, attestation.manifest.digest, attestation.manifest);
  const plain = JSON.parse(makeIndex([amd64, arm64]).data.toString()) as { manifests: object[] };
  const data = Buffer.from(
    JSON.stringify({ ...plain, mediaType: OCI_INDEX, manifests: [...plain.manifests, attestation.entry] }),
  );
  await putManifest(registry.host, repository, tag, {
    mediaType: OCI_INDEX,
    data,
    digest: sha256(data),
    size: data.length,
  });
  return { index: sha256(data), amd64, arm64, attestation: attestation.manifest.digest };
}

test('an index: its manifests are listed, platforms come and go side by side', { skip }, async () => {
  const { index, amd64, arm64, attestation } = await putIndexed('multi', '1');
  const name = `${registry.host}/multi:1`;
  await daemon.ok(['pull', '-q', name]);
  const manifests = async (): Promise<Manifest[]> =>
    (await get<Summary>(`/v1.51/images/${name}/json?manifests=1`)).Manifests ?? [];
  const states = async (): Promise<unknown[]> =>
    (await manifests()).map(({ ID, Kind, Available }) => [ID, Kind, Available]);
  assert.deepEqual(await states(), [
    [amd64.manifest.digest, 'image', true],
    [arm64.manifest.digest, 'image', false],
    [attestation, 'attestation', true],
  ]);
  const [first, second, third] = await manifests();
  assert.equal(first?.ImageData?.Platform.architecture, 'amd64');
  assert.ok((first?.ImageData?.Size.Unpacked ?? 0) > 0);
  assert.equal(first?.Size.Total, (first?.Size.Content ?? 0) + (first?.ImageData?.Size.Unpacked ?? 0));
  assert.equal(second?.Size.Total, 0);
  assert.equal(third?.AttestationData?.For, amd64.manifest.digest);

  await daemon.ok(['pull', '-q', '--platform', 'linux/arm64', name]);
  assert.deepEqual(
    (await states()).map((state) => (state as unknown[])[2]),
    [true, true, true],
  );
  const id = (await get<Summary>(`/v1.51/images/${name}/json`)).Id;
  assert.equal(id, index);
  for (const [architecture, image] of [
    ['amd64', amd64],
    ['arm64', arm64],
  ] as const) {
    const platform = query({ os: 'linux', architecture });
    const inspected = await get<Inspected>(`/v1.51/images/${name}/json?platform=${platform}`);
    assert.deepEqual([inspected.Architecture, inspected.Id], [architecture, image.manifest.digest]);
    assert.equal(inspected.Descriptor.platform.architecture, architecture);
    const container = await daemon.ok(['create', '--platform', `linux/${architecture}`, name]);
    const used = (await manifests()).filter(({ ImageData }) => ImageData?.Containers.includes(container));
    assert.deepEqual(
      used.map(({ ID }) => ID),
      [image.manifest.digest],
    );
    await daemon.ok(['rm', container]);
    const history = await get<unknown[]>(`/v1.51/images/${name}/history?platform=${platform}`);
    assert.equal(history.length, image.layers.length);
  }
  const both = await daemon.api(
    'GET',
    `/v1.51/images/${name}/json?manifests=1&platform=${query({ os: 'linux', architecture: 'amd64' })}`,
  );
  assert.equal(both.status, 400);

  const removed = await daemon.api(
    'DELETE',
    `/v1.51/images/${name}?platforms=${query({ os: 'linux', architecture: 'arm64' })}`,
  );
  assert.deepEqual([removed.status, removed.json()], [200, [{ Deleted: arm64.manifest.digest }]]);
  assert.deepEqual(
    (await states()).map((state) => (state as unknown[])[2]),
    [true, false, true],
  );
  const last = await daemon.api(
    'DELETE',
    `/v1.51/images/${name}?platforms=${query({ os: 'linux', architecture: 'amd64' })}`,
  );
  assert.equal(last.status, 409);
  await daemon.assertClean();
  await daemon.ok(['rmi', name]);
});

test('an attestation travels through save and load, and with what is pushed', { skip }, async () => {
  const { index, attestation } = await putIndexed('attested', '1');
  const name = `${registry.host}/attested:1`;
  for (const platform of ['linux/amd64', 'linux/arm64']) await daemon.ok(['pull', '-q', '--platform', platform, name]);
  const saved = await daemon.api('GET', `/v1.51/images/${name}/get`);
  await daemon.ok(['rmi', name]);
  assert.match(
    jsonLines((await daemon.api('POST', '/v1.51/images/load', { body: saved.body })).body)
      .map(({ stream }) => stream)
      .join(''),
    /Loaded image: /,
  );
  const [summary] = (
    await get<Summary[]>(`/v1.51/images/json?manifests=1&filters=${query({ reference: [name] })}`)
  ).filter(({ Id }) => Id === index);
  assert.deepEqual(
    summary?.Manifests?.map(({ Available }) => Available),
    [true, true, true],
  );
  const copy = `${registry.host}/copied:1`;
  await daemon.ok(['tag', name, copy]);
  await daemon.ok(['push', '-q', copy]);
  const pushed = await fetch(`http://${registry.host}/v2/copied/manifests/${attestation}`, {
    headers: { accept: '*/*' },
  });
  assert.equal(pushed.status, 200);
  await pushed.body?.cancel();
  await daemon.ok(['rmi', copy, name]);
});

test('save and load of one platform by the command line, of several by the API', { skip }, async () => {
  const images = ['amd64', 'arm64', 's390x'].map((architecture) => forPlatform(architecture));
  for (const image of images) await putImage(registry.host, 'save', image.manifest.digest, image);
  await putManifest(registry.host, 'save', '1', makeIndex(images));
  const name = `${registry.host}/save:1`;
  const names = ['linux/amd64', 'linux/arm64', 'linux/s390x'];
  for (const platform of names) await daemon.ok(['pull', '-q', '--platform', platform, name]);
  const stored = async (): Promise<readonly string[]> => {
    const { Manifests = [] } = await get<Summary>(`/v1.51/images/${name}/json?manifests=1`);
    return Manifests.filter(({ Available }) => Available).map((each) => each.ImageData?.Platform.architecture ?? '');
  };
  const wanted = (...architectures: readonly string[]): string =>
    architectures.map((architecture) => `&platform=${query({ os: 'linux', architecture })}`).join('');
  const only = await daemon.berth(['push', '--platform', 'linux/arm64', name]);
  assert.match(only.stdout, new RegExp(`1: digest: ${images[1]?.manifest.digest}`), only.stderr);
  const two = await daemon.api('GET', `/v1.51/images/get?names=${name}${wanted('arm64', 's390x')}`);
  const all = await daemon.api('GET', `/v1.51/images/get?names=${name}`);
  assert.deepEqual([two.status, all.status], [200, 200]);
  const one = join(daemon.root, 'one.tar');
  await daemon.ok(['save', '--platform', 'linux/arm64', '-o', one, name]);
  await daemon.ok(['rmi', name]);
  const load = async (body: Buffer, rest = ''): Promise<string> =>
    (await daemon.api('POST', `/v1.51/images/load?quiet=1${rest}`, { body })).body.toString();
  assert.match(await load(two.body), /Loaded image: /);
  assert.deepEqual(await stored(), ['arm64', 's390x']);
  await daemon.ok(['rmi', name]);
  assert.match(await load(all.body, wanted('amd64', 's390x')), /Loaded image: /);
  assert.deepEqual(await stored(), ['amd64', 's390x']);
  await daemon.assertClean();
  await daemon.ok(['rmi', name]);
  await daemon.ok(['load', '-q', '-i', one]);
  assert.equal(await daemon.ok(['image', 'inspect', '-f', '{{.Id}}', name]), images[1]?.manifest.digest);
  assert.match((await daemon.docker(['load', '-i', one, '--platform', 'linux/riscv64'])).stderr, /platform asked for/);
  await daemon.ok(['load', '-q', '-i', one, '--platform', 'linux/arm64']);
  const refusals: readonly (readonly [string, RegExp])[] = [
    ['{"os":"linux"}', /^both OS and Architecture must be provided$/],
    ['{nonsense', /^failed to parse platform: /],
  ];
  for (const [platform, message] of refusals) {
    const answer = await daemon.api('GET', `/v1.51/images/get?names=${name}&platform=${encodeURIComponent(platform)}`);
    assert.equal(answer.status, 400);
    assert.match((answer.json() as { message: string }).message, message);
  }
  const old = await daemon.api('GET', `/v1.47/images/get?names=${name}&platform=nonsense`);
  assert.equal(old.status, 200, 'not known before API 1.48');
  const berth = await daemon.berth(['load', '-q', '-i', one, '--platform', 'linux/arm64', '--platform', 'linux/amd64']);
  assert.equal(berth.code, 0, berth.stderr);
  await daemon.ok(['rmi', name]);
});

test('pull -a and push -a: every tag', { skip }, async () => {
  for (const tag of ['1', '2', '3'])
    await putImage(registry.host, 'tags', tag, makeImage({ layers: [[{ name: tag, body: tag }]] }));
  const name = `${registry.host}/tags`;
  await daemon.ok(['pull', '-q', '-a', name]);
  assert.deepEqual((await daemon.ok(['images', '--format', '{{.Tag}}', name])).split('\n').sort(), ['1', '2', '3']);
  for (const tag of ['1', '2']) await daemon.ok(['tag', `${name}:${tag}`, `${registry.host}/again:${tag}`]);
  await daemon.ok(['push', '-a', `${registry.host}/again`]);
  const listed = (await (await fetch(`http://${registry.host}/v2/again/tags/list`)).json()) as { tags: string[] };
  assert.deepEqual(listed.tags, ['1', '2']);
  await daemon.ok(['rmi', ...['1', '2', '3'].map((tag) => `${name}:${tag}`)]);
  const berth = await daemon.berth(['pull', '-a', name]);
  assert.deepEqual([berth.code, berth.stdout.trim().split('\n').at(-1)], [0, name]);
  assert.equal((await daemon.ok(['images', '--format', '{{.Tag}}', name])).split('\n').length, 3);
  const tagged = await daemon.berth(['pull', '-a', `${name}:1`]);
  assert.deepEqual([tagged.code, tagged.stderr.trim()], [1, "tag can't be used with --all-tags/-a"]);
  const none = await daemon.docker(['push', '-a', `${registry.host}/never`]);
  assert.equal(none.code, 1);
  assert.match(none.stderr, /An image does not exist locally with the tag: /);
  await daemon.ok([
    'rmi',
    ...['1', '2', '3'].map((tag) => `${name}:${tag}`),
    `${registry.host}/again:1`,
    `${registry.host}/again:2`,
  ]);
});

test('an image of several names is one image, and what images share is counted', { skip }, async () => {
  const below = [{ name: 'below', body: 'b'.repeat(100_000) }];
  await putImage(registry.host, 'shared', '1', makeImage({ layers: [below, [{ name: 'x', body: 'x' }]] }));
  await putImage(registry.host, 'shared', '2', makeImage({ layers: [below, [{ name: 'y', body: 'y' }]] }));
  const [one, two] = [`${registry.host}/shared:1`, `${registry.host}/shared:2`];
  await daemon.ok(['pull', '-q', one]);
  await daemon.ok(['pull', '-q', two]);
  await daemon.ok(['tag', one, 'alias:x']);
  const listed = (await get<Summary[]>('/v1.51/images/json?shared-size=1')).filter(({ RepoTags }) =>
    RepoTags.some((tag) => tag.includes('shared')),
  );
  assert.deepEqual(listed.map(({ RepoTags }) => RepoTags.length).sort(), [1, 2]);
  for (const { Size, SharedSize } of listed)
    assert.ok(SharedSize > 100_000 && SharedSize < Size, `${SharedSize} of ${Size}`);
  const unasked = await get<Summary[]>('/v1.51/images/json');
  assert.ok(unasked.every(({ SharedSize }) => SharedSize === -1));
  await daemon.ok(['rmi', two]);
  const alone = (await get<Summary[]>('/v1.51/images/json?shared-size=1')).find(({ RepoTags }) =>
    RepoTags.includes('alias:x'),
  );
  assert.equal(alone?.SharedSize, 0);
  await daemon.ok(['rmi', one, 'alias:x']);
});

test('import from a URL', { skip }, async () => {
  const tar = gzipSync(makeTar([{ name: 'hello', body: 'hi' }]));
  const server = createServer((request, response) =>
    request.url === '/root.tgz' ? response.end(tar) : response.writeHead(404).end(),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const at = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const answer = await daemon.api(
      'POST',
      `/v1.51/images/create?fromSrc=${encodeURIComponent(`${at}/root.tgz`)}&repo=fetched&message=note&changes=${encodeURIComponent('CMD /hello')}`,
    );
    const lines = jsonLines(answer.body);
    assert.equal(lines[0]?.['status'], `Downloading from http://${at}/root.tgz`);
    assert.match(String(lines.at(-1)?.['status']), /^sha256:/);
    assert.equal(
      await daemon.ok(['image', 'inspect', '-f', '{{.Comment}} {{.Config.Cmd}}', 'fetched']),
      'note [/bin/sh -c /hello]',
    );
    const absent = jsonLines(
      (await daemon.api('POST', `/v1.51/images/create?fromSrc=${encodeURIComponent(`http://${at}/none`)}`)).body,
    );
    assert.match(String(absent.at(-1)?.['error']), /404/);
    await daemon.ok(['rmi', 'fetched']);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test('images for another system or machine are stored and shipped, and refused at run with a reason', {
  skip,
}, async () => {
  for (const [image, name, reason] of [
    [forPlatform('amd64', 'windows'), 'windows:1', /windows/],
    [forPlatform('s390x'), 'foreign:1', /exec format error|s390x/i],
  ] as const) {
    await daemon.api('POST', '/v1.51/images/load', { body: ociArchive(image, `docker.io/library/${name}`) });
    const inspected = await get<{ Os: string; Architecture: string }>(`/v1.51/images/${name}/json`);
    assert.ok(['windows', 's390x'].includes(inspected.Os) || inspected.Architecture === 's390x');
    const pushed = `${registry.host}/${name}`;
    await daemon.ok(['tag', name, pushed]);
    await daemon.ok(['push', '-q', pushed]);
    const ran = await daemon.docker(['run', '--rm', '--network', 'none', name]);
    assert.notEqual(ran.code, 0);
    assert.match(ran.stderr, reason);
    await daemon.ok(['rmi', '-f', name, pushed]);
  }
});

test('events of images carry their labels', { skip }, async () => {
  const since = Math.floor(Date.now() / 1000) - 1;
  await daemon.api('POST', '/v1.51/images/load', {
    body: ociArchive(forPlatform('amd64'), 'docker.io/library/labelled:1'),
  });
  await daemon.ok(['tag', 'labelled:1', 'labelled:2']);
  await daemon.ok(['rmi', 'labelled:1', 'labelled:2']);
  const events = jsonLines(
    (
      await daemon.api(
        'GET',
        `/v1.51/events?since=${since}&until=${Math.ceil(Date.now() / 1000) + 1}&filters=${query({ type: ['image'] })}`,
      )
    ).body,
  );
  const labelled = events.filter(
    (event) => (event['Actor'] as { Attributes: Record<string, string> }).Attributes['arch'] === 'amd64',
  );
  const actions = labelled.map((event) => event['Action']);
  for (const action of ['load', 'tag', 'untag', 'delete'])
    assert.ok(actions.includes(action), `${action} in ${actions}`);
});

test('an image that is made is an event, since API 1.46', { skip }, async () => {
  const since = Math.floor(Date.now() / 1000) - 1;
  const container = await daemon.ok(['create', 'busybox', 'true']);
  const image = await daemon.ok(['commit', container]);
  const made = async (version: string): Promise<readonly unknown[]> => {
    const filters = query({ type: ['image'], image: [image] });
    const until = Math.ceil(Date.now() / 1000) + 1;
    const { body } = await daemon.api('GET', `/${version}/events?since=${since}&until=${until}&filters=${filters}`);
    return jsonLines(body).map((event) => event['Action']);
  };
  assert.deepEqual(await made('v1.51'), ['create']);
  assert.deepEqual(await made('v1.45'), []);
  await daemon.ok(['rm', container]);
  await daemon.ok(['rmi', image]);
});

test('an artifact is pulled, listed, saved, loaded, pushed and removed like an image, and does not run', {
  skip,
}, async () => {
  const blob = (mediaType: string, text: string): MadeImage['config'] => {
    const data = Buffer.from(text);
    return { mediaType, data, digest: sha256(data), size: data.length };
  };
  const describe = ({ mediaType, digest, size }: MadeImage['config']): object => ({ mediaType, digest, size });
  const config = blob('application/vnd.example.chart.config.v1+json', '{}');
  const chart = blob('application/vnd.example.chart.v1', 'chart'.repeat(1000));
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const manifest = blob(
    mediaType,
    JSON.stringify({ schemaVersion: 2, mediaType, config: describe(config), layers: [describe(chart)] }),
  );
  for (const each of [config, chart]) await putBlob(registry.host, 'chart', each);
  await putManifest(registry.host, 'chart', '1', manifest);
  const name = `${registry.host}/chart:1`;
  await daemon.ok(['pull', '-q', name]);
  const saved = await daemon.api('GET', `/v1.51/images/${name}/get`);
  assert.equal(saved.status, 200, saved.body.toString());
  await daemon.ok(['rmi', name]);
  const loaded = jsonLines((await daemon.api('POST', '/v1.51/images/load', { body: saved.body })).body);
  assert.match(loaded.map(({ stream }) => stream).join(''), /Loaded image: /);
  const [listed] = await get<Summary[]>(`/v1.51/images/json?manifests=1&filters=${query({ reference: [name] })}`);
  assert.equal(listed?.Id, manifest.digest);
  assert.deepEqual(
    listed?.Manifests?.map(({ Kind, Available }) => [Kind, Available]),
    [['unknown', true]],
  );
  await daemon.ok(['tag', name, `${registry.host}/chart:2`]);
  await daemon.ok(['push', '-q', `${registry.host}/chart:2`]);
  const ran = await daemon.docker(['run', '--rm', name]);
  assert.equal(ran.code, 125);
  assert.match(ran.stderr, /is not a container image/);
  await daemon.ok(['rmi', name, `${registry.host}/chart:2`]);
});
