/** docker load: every form of archive there has been, compressed in every way, from a pipe and from a file. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { dockerArchive, type MadeImage, makeImage, makeTar, ociArchive, sha256, type TarMember } from '@berth/testkit';
import { missing, run, startDaemon, type TestDaemon } from '../harness/index.ts';

const skip = missing('docker', 'xz', 'bzip2');

let daemon: TestDaemon;
before(async () => {
  if (!skip) daemon = await startDaemon();
});
after(async () => {
  if (skip) return;
  await daemon.assertClean();
  await daemon[Symbol.asyncDispose]();
});

const image = makeImage({
  layers: [
    [{ name: 'lower', body: 'l'.repeat(3000) }],
    [{ name: 'middle', body: 'm'.repeat(3000) }],
    [{ name: 'upper', body: 'u'.repeat(3000) }],
  ],
  config: { Cmd: ['/upper'], Env: ['A=b'] },
});

/** The directories of the archives before docker 1.10, lowest first; the top one has the image's configuration. */
function v1Layers(of: MadeImage, change: (json: Record<string, unknown>, at: number) => object = (json) => json) {
  const ids = of.tars.map((_, at) => sha256(Buffer.from(`v1 layer ${at}`)).slice(7));
  const members = of.tars.flatMap((tar, at): readonly TarMember[] => {
    const id = ids[at] ?? '';
    const json = {
      id,
      ...(at > 0 ? { parent: ids[at - 1] } : {}),
      created: '2015-04-01T10:00:00Z',
      container_config: { Cmd: ['/bin/sh', '-c', `#(nop) layer ${at}`] },
      docker_version: '1.6.2',
      author: 'Someone',
      ...(at === of.tars.length - 1 ? { config: { Cmd: ['/upper'], Env: ['A=b'] } } : {}),
      architecture: 'amd64',
      os: 'linux',
      Size: 3000,
    };
    return [
      { name: `${id}/`, type: 'directory' },
      { name: `${id}/VERSION`, body: '1.0' },
      { name: `${id}/json`, body: JSON.stringify(change(json, at)) },
      { name: `${id}/layer.tar`, body: tar },
    ];
  });
  return { members, ids, top: ids.at(-1) ?? '' };
}

function v1Archive(): Buffer {
  const { members, top } = v1Layers(image);
  return makeTar([...members, { name: 'repositories', body: JSON.stringify({ 'forms/v1': { old: top } }) }]);
}

const FORMS: Readonly<Record<string, { readonly archive: Buffer; readonly name: string }>> = {
  'an OCI layout': { archive: ociArchive(image, 'docker.io/forms/oci:1'), name: 'forms/oci:1' },
  'a docker-archive': { archive: dockerArchive(image, ['forms/docker:1']), name: 'forms/docker:1' },
  'an archive of docker before 1.10': { archive: v1Archive(), name: 'forms/v1:old' },
};

const filtered = async (program: string, args: readonly string[], input: Buffer): Promise<Buffer> => {
  const ran = await run(program, args, { input });
  assert.equal(ran.code, 0, ran.stderr);
  return ran.bytes;
};
const halves = (data: Buffer): readonly Buffer[] => [data.subarray(0, data.length / 2), data.subarray(data.length / 2)];
const COMPRESSIONS: Readonly<Record<string, (data: Buffer) => Buffer | Promise<Buffer>>> = {
  plain: (data) => data,
  gzip: (data) => gzipSync(data),
  'gzip in two members': (data) => Buffer.concat(halves(data).map((half) => gzipSync(half))),
  zstd: (data) => zstdCompressSync(data),
  'zstd in two frames': (data) => Buffer.concat(halves(data).map((half) => zstdCompressSync(half))),
  xz: (data) => filtered('xz', ['-0c'], data),
  bzip2: (data) => filtered('bzip2', ['-1c'], data),
};

for (const [form, { archive, name }] of Object.entries(FORMS))
  test(`${form}: in every compression, from a pipe and from a file`, { skip }, async () => {
    for (const [compression, compress] of Object.entries(COMPRESSIONS)) {
      const input = await compress(archive);
      const file = join(daemon.root, 'archive');
      writeFileSync(file, input);
      for (const load of [() => daemon.ok(['load'], { input }), () => daemon.ok(['load', '-i', file])]) {
        assert.equal(await load(), `Loaded image: ${name}`, compression);
        const [found] = JSON.parse(await daemon.ok(['image', 'inspect', name]));
        assert.deepEqual(found.RootFS.Layers, image.diffIds, compression);
        assert.deepEqual([found.Config.Cmd, found.Config.Env], [['/upper'], ['A=b']], compression);
        await daemon.ok(['rmi', name]);
      }
    }
    await assertEmpty(form);
  });

test('what the oldest archives say of their layers is kept as history', { skip }, async () => {
  await daemon.ok(['load'], { input: FORMS['an archive of docker before 1.10']?.archive ?? Buffer.alloc(0) });
  const history = await daemon.ok(['history', '--no-trunc', '--format', '{{.CreatedBy}}', 'forms/v1:old']);
  assert.deepEqual(
    history.split('\n'),
    [2, 1, 0].map((at) => `/bin/sh -c #(nop) layer ${at}`),
  );
  const [found] = JSON.parse(await daemon.ok(['image', 'inspect', 'forms/v1:old']));
  assert.deepEqual(
    [found.Author, found.Architecture, found.Os, found.Created, found.DockerVersion],
    ['Someone', 'amd64', 'linux', '2015-04-01T10:00:00Z', '1.6.2'],
  );
  await daemon.ok(['rmi', 'forms/v1:old']);
});

test('import takes the same compressions, from a pipe and from a file', { skip }, async () => {
  const tar = makeTar([{ name: 'hello', body: 'hi'.repeat(3000) }]);
  for (const [compression, compress] of Object.entries(COMPRESSIONS)) {
    const input = await compress(tar);
    const file = join(daemon.root, 'root');
    writeFileSync(file, input);
    for (const source of ['-', file]) {
      await daemon.ok(['import', source, 'imported:1'], source === '-' ? { input } : {});
      const layers = await daemon.ok(['image', 'inspect', '-f', '{{json .RootFS.Layers}}', 'imported:1']);
      assert.equal(layers, JSON.stringify([sha256(tar)]), compression);
    }
    await daemon.ok(['rmi', 'imported:1']);
  }
  await daemon.ok(['image', 'prune', '-f']);
  await assertEmpty('import');
});

async function assertEmpty(after: string): Promise<void> {
  assert.deepEqual((await daemon.api('GET', '/images/json?all=1')).json(), [], after);
  const { checked } = (await daemon.api('GET', '/berth/fsck')).json() as { checked: Record<string, number> };
  assert.deepEqual([checked['blobs'], checked['snapshots']], [0, 0], `${after}: something stayed`);
}

test('hostile archives of the oldest form are refused and leave nothing', { skip }, async () => {
  const { members, ids, top } = v1Layers(image);
  const repositories = (value: unknown): TarMember => ({ name: 'repositories', body: JSON.stringify(value) });
  const named = repositories({ bad: { 1: top } });
  const changed = (change: Parameters<typeof v1Layers>[1]): Buffer =>
    makeTar([...v1Layers(image, change).members, named]);
  const without = (name: string): Buffer => makeTar([...members.filter((member) => member.name !== name), named]);
  const cases: Readonly<Record<string, Buffer>> = {
    'parents in a circle': changed((json, at) => (at === 0 ? { ...json, parent: top } : json)),
    'a parent that is a path': changed((json, at) => (at === 0 ? { ...json, parent: '../../etc' } : json)),
    'a parent that is a number': changed((json, at) => (at === 1 ? { ...json, parent: 7 } : json)),
    'a parent that is not there': changed((json, at) => (at === 0 ? { ...json, parent: 'f'.repeat(64) } : json)),
    'json that is a list': changed((json, at) => (at === 0 ? [json] : json)),
    'a layer without its tar': without(`${ids[1]}/layer.tar`),
    'a layer without its json': without(`${ids[1]}/json`),
    'an ID that is a path': makeTar([...members, repositories({ bad: { 1: '../../../etc/passwd' } })]),
    'an ID of the wrong kind': makeTar([...members, repositories({ bad: { 1: { a: 'b' } } })]),
    'tags that are no object': makeTar([...members, repositories({ bad: top })]),
    'a name that is none': makeTar([...members, repositories({ 'BAD NAME': { 1: top } })]),
    'a tag that is none': makeTar([...members, repositories({ bad: { '../x': top } })]),
    'repositories that are a list': makeTar([...members, repositories([top])]),
    'a layer that is no tar': makeTar([
      ...members.map((member) => (member.name === `${top}/layer.tar` ? { ...member, body: 'x'.repeat(5000) } : member)),
      named,
    ]),
    'a layer that is a link to the host': makeTar([
      ...members.filter((member) => member.name !== `${top}/layer.tar`),
      { name: `${top}/layer.tar`, type: 'symlink', linkName: '../../../../../etc/passwd' },
      named,
    ]),
    'a layer that is a device': makeTar([
      ...members.filter((member) => member.name !== `${top}/layer.tar`),
      { name: `${top}/layer.tar`, type: 'block', major: 8, minor: 0 },
      named,
    ]),
  };
  for (const [what, input] of Object.entries(cases)) {
    const ran = await daemon.docker(['load'], { input });
    assert.equal(ran.code, 1, `${what}: ${ran.stdout}`);
    assert.match(ran.stderr, /\S/, what);
    assert.doesNotMatch(ran.stderr + ran.stdout, /TypeError|undefined|Cannot read|root:/, what);
    await assertEmpty(what);
  }
});

test('an archive that is cut or damaged in any compression is refused and leaves nothing', { skip }, async () => {
  for (const { archive } of Object.values(FORMS))
    for (const [compression, compress] of Object.entries(COMPRESSIONS)) {
      const whole = await compress(archive);
      const flipped = Buffer.from(whole);
      for (let at = Math.floor(whole.length / 3); at < whole.length / 3 + 40; at++)
        flipped[at] = 0xff ^ (flipped[at] ?? 0);
      for (const [what, input] of Object.entries({ cut: whole.subarray(0, whole.length / 2), flipped })) {
        if (compression === 'plain' && what === 'flipped') continue; // in the legacy forms nothing guards every byte
        const ran = await daemon.docker(['load'], { input });
        assert.equal(ran.code, 1, `${compression} ${what}: ${ran.stdout}`);
        await assertEmpty(`${compression} ${what}`);
      }
    }
});
