/** Signatures, bills of materials and such travel with their image where asked, are listed, are kept with it and go with it. */
import assert from 'node:assert/strict';
import { constants, verify, X509Certificate } from 'node:crypto';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { type Digest, streamOf } from '@berth/oci';
import { createRegistryClient } from '@berth/registry-client';
import { type Blob, type MadeImage, makeArtifact, makeImage, makeIndex, makeTar, sha256 } from '@berth/testkit';
import {
  missing,
  run,
  startDaemon,
  startDockerRegistry,
  startRegistry,
  type TestDaemon,
  type TestRegistry,
} from '../harness/index.ts';
import { putImage, putManifest } from './image-kit.ts';

const skip = missing('docker');
const SIGNATURE = 'application/vnd.cncf.notary.signature';
const SBOM = 'application/spdx+json';

let daemon: TestDaemon;
const registries: TestRegistry[] = [];
const client = createRegistryClient({ certificateDirectories: [] });
before(async () => {
  if (skip) return;
  daemon = await startDaemon();
  registries.push(await startRegistry());
  if (!missing('docker-registry')) registries.push(await startDockerRegistry());
});
after(async () => {
  await client[Symbol.asyncDispose]();
  if (skip) return;
  await daemon.assertClean();
  await daemon[Symbol.asyncDispose]();
  for (const registry of registries) await registry[Symbol.asyncDispose]();
});

type Artifact = ReturnType<typeof makeArtifact>;
const descriptorOf = ({ mediaType, digest, size }: Blob) => ({ mediaType, digest: digest as Digest, size });
const cosignTag = (subject: Blob): string => `${subject.digest.replace(':', '-')}.sig`;

/** Pushes an artifact as notation and oras do: by digest, listed by the registry or under the tag that stands in. */
async function attach(name: string, artifact: Artifact): Promise<void> {
  const repository = client.repository(name);
  for (const blob of [artifact.config, ...artifact.layers, artifact.manifest])
    await repository.push(descriptorOf(blob), streamOf(blob.data));
}

interface Signed {
  readonly index: Blob;
  readonly mine: MadeImage;
  readonly artifacts: Readonly<Record<'onIndex' | 'sbom' | 'onSbom' | 'cosign', Artifact>>;
}

/** cosign's signatures look like images of no platform, but for their layers. */
function cosignSignature(body: string): Artifact {
  const data = Buffer.from(
    JSON.stringify({
      architecture: '',
      created: '0001-01-01T00:00:00Z',
      history: [{ created: '0001-01-01T00:00:00Z' }],
      os: '',
      rootfs: { type: 'layers', diff_ids: [sha256(Buffer.from(body))] },
      config: {},
    }),
  );
  const mediaType = 'application/vnd.oci.image.config.v1+json';
  return makeArtifact({
    artifactType: 'application/vnd.dev.cosign.simplesigning.v1+json',
    body,
    config: { mediaType, digest: sha256(data), size: data.length, data },
  });
}

/** An index of two platforms with a signature, a bill of materials of one platform, a signature of that, and cosign's. */
async function seed(host: string, repository: string, text: string): Promise<Signed> {
  const runnable = makeTar([
    { name: 'bin/', type: 'directory' },
    { name: 'bin/busybox', mode: 0o755, body: readFileSync('/bin/busybox') },
  ]);
  const mine = makeImage({
    layers: [runnable, [{ name: 'text', body: text }]],
    config: { Cmd: ['/bin/busybox', 'cat', '/text'] },
  });
  const other = makeImage({ layers: [[{ name: 'x', body: text }]], platform: { os: 'linux', architecture: 's390x' } });
  for (const image of [mine, other]) await putImage(host, repository, image.manifest.digest, image);
  const index = makeIndex([mine, other]);
  await putManifest(host, repository, '1', index);
  const annotations = { 'org.example.by': 'me', 'io.containerd.image.name': 'docker.io/library/evil:1' };
  const onIndex = makeArtifact({ artifactType: SIGNATURE, body: `signed ${text}`, subject: index, annotations });
  const sbom = makeArtifact({ artifactType: SBOM, body: `{"of":"${text}"}`, subject: mine.manifest });
  const onSbom = makeArtifact({ artifactType: SIGNATURE, body: `sbom signed ${text}`, subject: sbom.manifest });
  const cosign = cosignSignature(`{"critical":"${text}"}`);
  for (const each of [onIndex, sbom, onSbom]) await attach(`${host}/${repository}`, each);
  await putImage(host, repository, cosignTag(index), cosign);
  return { index, mine, artifacts: { onIndex, sbom, onSbom, cosign } };
}

interface Row {
  readonly subject: string;
  readonly digest: string;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly suffix?: string;
}

const listed = async (name: string, at: TestDaemon = daemon): Promise<readonly Row[]> => {
  const answer = await at.api('GET', `/berth/images/${name}/referrers`);
  assert.equal(answer.status, 200, answer.body.toString());
  return answer.json() as Row[];
};

const digests = (rows: readonly { readonly digest: string }[]): readonly string[] =>
  rows.map(({ digest }) => digest).sort();

const expected = ({ artifacts }: Signed): readonly string[] =>
  digests(Object.values(artifacts).map(({ manifest }) => manifest));

const isStored = (digest: string): boolean =>
  existsSync(join(daemon.dataRoot, 'content/blobs', digest.replace(':', '/')));

const checkRegistry = async (name: string, { index, artifacts }: Signed, subject: Blob): Promise<void> => {
  const repository = client.repository(name);
  const about = async (blob: Blob): Promise<readonly string[]> =>
    digests(await repository.referrers(descriptorOf(blob)));
  assert.deepEqual(await about(subject), [artifacts.sbom.manifest.digest]);
  assert.deepEqual(await about(artifacts.sbom.manifest), [artifacts.onSbom.manifest.digest]);
  assert.deepEqual(await about(index), [artifacts.onIndex.manifest.digest]);
  assert.equal((await repository.resolve(cosignTag(index))).digest, artifacts.cosign.manifest.digest);
};

test('pull, list, run, push, save, load and remove, in registries with and without a referrers API', {
  skip,
}, async () => {
  for (const [at, { host }] of registries.entries()) {
    const signed = await seed(host, 'signed', `text ${at}`);
    const { index, mine, artifacts } = signed;
    const name = `${host}/signed:1`;
    await daemon.ok(['pull', '-q', name]);
    assert.deepEqual(await listed(name), [], 'nobody asked');
    const pulled = await daemon.berth(['pull', '--referrers', name]);
    assert.equal(pulled.code, 0, pulled.stderr);
    const rows = await listed(name);
    assert.deepEqual(digests(rows), expected(signed));
    const row = (artifact: Artifact): Row | undefined => rows.find(({ digest }) => digest === artifact.manifest.digest);
    assert.equal(row(artifacts.onIndex)?.subject, index.digest);
    assert.equal(row(artifacts.onIndex)?.artifactType, SIGNATURE);
    assert.equal(row(artifacts.onIndex)?.annotations?.['org.example.by'], 'me');
    assert.equal(row(artifacts.sbom)?.subject, mine.manifest.digest);
    assert.equal(row(artifacts.onSbom)?.subject, artifacts.sbom.manifest.digest);
    assert.deepEqual([row(artifacts.cosign)?.subject, row(artifacts.cosign)?.suffix], [index.digest, 'sig']);
    const shown = await daemon.berth(['referrers', name]);
    assert.match(shown.stdout, /^DIGEST +KIND +SUBJECT +SIZE\n/);
    assert.match(shown.stdout, /cosign sig/);
    assert.match(
      shown.stdout,
      new RegExp(`${artifacts.sbom.manifest.digest.slice(7, 19)} +${SBOM.replace('+', '\\+')}`),
    );

    const answer = await daemon.api('GET', `/images/${name}/json?manifests=1`);
    const { Manifests } = answer.json() as { Manifests: { ID: string; Kind: string; Available: boolean }[] };
    assert.deepEqual(
      Manifests.map(({ Kind, Available }) => `${Kind} ${Available}`),
      ['image true', 'image false', ...Object.keys(artifacts).map(() => 'unknown true')],
    );

    // They are no images, take part in its size, and do not keep it from running.
    assert.equal((await daemon.ok(['images', '-qa'])).split('\n').length, 1);
    assert.equal(await daemon.ok(['run', '--rm', '--network', 'none', name]), `text ${at}`);
    await daemon.ok(['image', 'prune', '-f']);
    await daemon.ok(['system', 'prune', '-f']);
    assert.deepEqual(digests(await listed(name)), expected(signed));
    await daemon.assertClean();

    // To another registry, the index whole: both platforms are needed for that.
    await daemon.ok(['pull', '-q', '--platform', 'linux/s390x', name]);
    for (const { host: to } of registries) {
      await daemon.ok(['tag', name, `${to}/copied:1`]);
      await daemon.ok(['push', '-q', `${to}/copied:1`]);
      await assert.rejects(client.repository(`${to}/copied`).resolve(cosignTag(index)), { kind: 'notFound' });
      const pushed = await daemon.berth(['push', '--referrers', `${to}/copied:1`]);
      assert.equal(pushed.code, 0, pushed.stderr);
      await checkRegistry(`${to}/copied`, signed, mine.manifest);
      await daemon.ok(['rmi', `${to}/copied:1`]);
    }

    // Saved only when asked for; loaded with what they are about.
    const [plain, whole] = [join(daemon.root, 'plain.tar'), join(daemon.root, 'whole.tar')];
    await daemon.ok(['save', '-o', plain, name]);
    assert.equal((await daemon.berth(['save', '--referrers', '-o', whole, name])).code, 0);
    const members = async (archive: string): Promise<string> => (await run('tar', ['-tf', archive])).stdout;
    for (const { manifest } of Object.values(artifacts)) {
      assert.ok(!(await members(plain)).includes(manifest.digest.slice(7)));
      assert.ok((await members(whole)).includes(manifest.digest.slice(7)));
    }
    await daemon.ok(['rmi', name]);
    for (const { manifest } of Object.values(artifacts)) assert.ok(!isStored(manifest.digest), 'gone with the image');
    assert.deepEqual(globSync(join(daemon.dataRoot, 'content/blobs/sha256/*')), []);
    assert.equal(await daemon.ok(['load', '-q', '-i', whole]), `Loaded image: ${name}`);
    assert.deepEqual(digests(await listed(name)), expected(signed));
    assert.equal((await daemon.ok(['images', '-qa'])).split('\n').length, 1);
    const again = join(daemon.root, 'again.tar');
    assert.equal((await daemon.berth(['save', '--referrers', '-o', again, name])).code, 0);
    assert.ok(readFileSync(again).equals(readFileSync(whole)), 'saved again it is the same archive');
    await daemon.assertClean();
    await daemon.ok(['rmi', name]);
    assert.deepEqual(globSync(join(daemon.dataRoot, 'content/blobs/sha256/*')), []);
  }
});

test('removing one platform frees what is about it', { skip }, async () => {
  const [registry] = registries;
  assert.ok(registry);
  const signed = await seed(registry.host, 'platforms', 'platforms');
  const name = `${registry.host}/platforms:1`;
  for (const platform of ['linux/s390x', 'linux/amd64'])
    assert.equal((await daemon.berth(['pull', '--referrers', '--platform', platform, name])).code, 0);
  const removed = await daemon.berth(['rmi', '--platform', 'linux/amd64', name]);
  assert.equal(removed.code, 0, removed.stderr);
  assert.deepEqual(
    digests(await listed(name)),
    digests([signed.artifacts.onIndex.manifest, signed.artifacts.cosign.manifest]),
  );
  assert.ok(!isStored(signed.artifacts.sbom.manifest.digest));
  assert.ok(!isStored(signed.artifacts.onSbom.manifest.digest));
  await daemon.assertClean();
  await daemon.ok(['rmi', name]);
});

test('a daemon that is told so takes them along for every client', { skip }, async () => {
  const [registry] = registries;
  assert.ok(registry);
  const signed = await seed(registry.host, 'always', 'always');
  await using own = await startDaemon({ args: ['--referrers'] });
  const name = `${registry.host}/always:1`;
  await own.ok(['pull', '-q', name]);
  assert.deepEqual(digests(await listed(name, own)), expected(signed));
  await own.restart();
  assert.deepEqual(digests(await listed(name, own)), expected(signed));
  await own.ok(['rmi', name]);
  const answer = await own.api('POST', `/images/create?fromImage=${registry.host}/always&tag=1&referrers=0`);
  assert.equal(answer.status, 200);
  assert.deepEqual(await listed(name, own), [], 'a call that says no');
  await own.assertClean();
});

test("what is in a registry under cosign's tag can be pulled as well, and is not run", { skip }, async () => {
  const [registry] = registries;
  assert.ok(registry);
  const { index } = await seed(registry.host, 'tagged', 'tagged');
  const name = `${registry.host}/tagged:${cosignTag(index)}`;
  await daemon.ok(['pull', name]);
  const ran = await daemon.docker(['run', '--rm', name]);
  assert.equal(ran.code, 125);
  assert.match(ran.stderr, /is not a container image/);
  await daemon.assertClean();
  await daemon.ok(['rmi', name]);
});

/** What cosign 2.6 signed (by tag and as a referrer), oras-go 2.6 attached and notation-go 1.3 signed. */
const SIGNED = gunzipSync(readFileSync(join(import.meta.dirname, '../fixtures/signed-image.tar.gz')));
const COSIGN_KEY = readFileSync(join(import.meta.dirname, '../fixtures/signed-image.pub'), 'utf8');
const TYPES = { notation: SIGNATURE, cosign: 'application/vnd.dev.cosign.artifact.sig.v1+json' };

test('what cosign, oras and notation made is intact after load, push, pull, another registry and save', {
  skip,
}, async () => {
  const [first, last = first] = registries;
  assert.ok(first && last);
  const berth = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await daemon.berth(args);
    assert.equal(code, 0, stderr);
    return stdout;
  };
  const [here, there] = [`${first.host}/signed:1`, `${last.host}/carried:1`];
  await daemon.api('POST', '/images/load', { body: SIGNED });
  const before = await listed('signed:1');
  const id = (await daemon.ok(['image', 'inspect', '-f', '{{.Id}}', 'signed:1'])).trim() as Digest;
  await daemon.ok(['tag', 'signed:1', here]);
  await berth('push', '--referrers', here);
  await daemon.ok(['rmi', 'signed:1', here]);
  await berth('pull', '--referrers', here);
  assert.deepEqual(await listed(here), before);
  for (const name of [there, 'signed:1']) await daemon.ok(['tag', here, name]);
  await berth('push', '--referrers', there);
  const saved = await daemon.api('GET', '/images/get?names=signed:1&referrers=1');
  assert.ok(saved.body.equals(SIGNED), 'the same bytes');
  await daemon.ok(['rmi', 'signed:1', here, there]);
  assert.equal(before.length, 4);
  for (const { digest, artifactType, suffix } of before) {
    const layer = await layerOf(last.host, suffix === undefined ? digest : `${id.replace(':', '-')}.${suffix}`);
    if (artifactType === TYPES.notation) assert.equal(notationSigned(layer.body), id);
    else if (artifactType === TYPES.cosign || suffix === 'sig') assert.equal(cosignSigned(layer), id);
    else assert.equal(layer.body.toString(), 'attached by oras');
  }
});

interface Layer {
  readonly body: Buffer;
  readonly annotations?: Readonly<Record<string, string>>;
}

async function layerOf(host: string, manifest: string): Promise<Layer> {
  const get = async (path: string): Promise<Response> => {
    const headers = { accept: 'application/vnd.oci.image.manifest.v1+json' };
    const answer = await fetch(`http://${host}/v2/carried/${path}`, { headers });
    assert.equal(answer.status, 200, path);
    return answer;
  };
  const { layers } = (await (await get(`manifests/${manifest}`)).json()) as {
    layers: readonly { digest: string; annotations?: Record<string, string> }[];
  };
  const [{ digest = '', annotations } = {}] = layers;
  return {
    body: Buffer.from(await (await get(`blobs/${digest}`)).arrayBuffer()),
    ...(annotations ? { annotations } : {}),
  };
}

/** The digest in a payload whose signature is the key's. */
function cosignSigned({ body, annotations }: Layer): string {
  const signature = Buffer.from(annotations?.['dev.cosignproject.cosign/signature'] ?? '', 'base64');
  assert.ok(verify('sha256', body, COSIGN_KEY, signature));
  const payload = JSON.parse(body.toString()) as { critical: { image: Record<string, string> } };
  return payload.critical.image['docker-manifest-digest'] ?? '';
}

/** The digest in a JWS (PS384) whose signature is that of the certificate in it. */
function notationSigned(envelope: Buffer): string {
  const jws = JSON.parse(envelope.toString()) as {
    payload: string;
    protected: string;
    signature: string;
    header: { x5c: readonly string[] };
  };
  const { publicKey } = new X509Certificate(Buffer.from(jws.header.x5c[0] ?? '', 'base64'));
  const key = { key: publicKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 48 };
  const text = Buffer.from(`${jws.protected}.${jws.payload}`);
  assert.ok(verify('sha384', text, key, Buffer.from(jws.signature, 'base64url')));
  const payload = JSON.parse(Buffer.from(jws.payload, 'base64url').toString()) as {
    targetArtifact: { digest: string };
  };
  return payload.targetArtifact.digest;
}
