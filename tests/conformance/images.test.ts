/** Images by the unmodified docker CLI: import, load, save, list, inspect, history, tag, remove, commit. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { dockerArchive, type MadeImage, makeImage, makeIndex, makeTar, ociArchive, sha256 } from '@berth/testkit';
import { busyboxTar, missing, runOk, startDaemon, type TestDaemon } from '../harness/index.ts';
import { startDockerd } from './engines.ts';

const skip = missing('docker');
const short = (id: string): string => id.replace('sha256:', '').slice(0, 12);

let daemon: TestDaemon;
before(async () => {
  if (skip) return;
  daemon = await startDaemon();
  await daemon.seedBusybox();
});
after(async () => {
  if (skip) return;
  await daemon.assertClean();
  await daemon[Symbol.asyncDispose]();
});

const idOf = async (name: string): Promise<string> => await daemon.ok(['image', 'inspect', '-f', '{{.Id}}', name]);
const named = (text: string): MadeImage =>
  makeImage({
    layers: [
      [
        { name: 'etc/', type: 'directory' },
        { name: 'etc/below', body: 'below' },
      ],
      [{ name: 'etc/above', body: text }],
    ],
    config: { Cmd: ['sh'], Env: ['A=b'], Labels: { made: text } },
  });
const refuses = async (args: readonly string[], text: RegExp | string, input?: Buffer): Promise<void> => {
  const ran = await daemon.docker(args, input === undefined ? {} : { input });
  assert.equal(ran.code, 1, `${args.join(' ')}: ${ran.stdout}${ran.stderr}`);
  if (typeof text === 'string') assert.equal(ran.stderr.trim(), `Error response from daemon: ${text}`);
  else assert.match(ran.stderr, text);
};

test('import: from a pipe, compressed or not, with changes and a message', { skip }, async () => {
  const tar = makeTar([{ name: 'hello', body: 'hi' }]);
  for (const [name, input] of Object.entries({ plain: tar, gzip: gzipSync(tar), zstd: zstdCompressSync(tar) })) {
    const id = await daemon.ok(
      [
        'import',
        '-c',
        'CMD ["/hello"]',
        '-c',
        'ENV X=1',
        '-c',
        'LABEL a=b',
        '-m',
        'a message',
        '-',
        `imported:${name}`,
      ],
      { input },
    ); // prettier-ignore
    assert.match(id, /^sha256:[0-9a-f]{64}$/);
    const [image] = JSON.parse(await daemon.ok(['image', 'inspect', `imported:${name}`]));
    assert.equal(image.Id, id);
    assert.deepEqual(image.Config.Cmd, ['/hello']);
    assert.deepEqual(image.Config.Env, ['X=1']);
    assert.deepEqual(image.Config.Labels, { a: 'b' });
    assert.equal(image.Comment, 'a message');
    assert.deepEqual(image.RootFS, { Type: 'layers', Layers: [sha256(tar)] });
  }
  await daemon.ok(['import', '-', 'imported:silent'], { input: tar });
  assert.match(await daemon.ok(['history', '--format', '{{.Comment}}', 'imported:silent']), /^Imported from -$/);
  await refuses(['import', '-', 'imported:broken'], /Error response from daemon|unexpected/, tar.subarray(0, 700));
  await refuses(['import', '-', 'UPPER'], /invalid reference format: repository name .*must be lowercase/, tar);
  for (const tag of ['plain', 'gzip', 'zstd', 'silent']) await daemon.ok(['rmi', `imported:${tag}`]);
});

test('load: docker-archive and OCI layout, compressed or not; names and IDs are told', { skip }, async () => {
  const image = named('load');
  const archives = {
    docker: dockerArchive(image, ['load/one:1', 'load/two:2']),
    oci: ociArchive(image, 'docker.io/load/three:3'),
  };
  assert.equal(
    await daemon.ok(['load'], { input: archives.docker }),
    'Loaded image: load/one:1\nLoaded image: load/two:2',
  );
  assert.equal(await daemon.ok(['load'], { input: gzipSync(archives.oci) }), 'Loaded image: load/three:3');
  assert.equal(
    await daemon.ok(['load', '-q'], { input: zstdCompressSync(archives.oci) }),
    'Loaded image: load/three:3',
  );
  assert.equal(await idOf('load/three:3'), image.manifest.digest, 'an OCI layout keeps its digests');
  const nameless = await daemon.ok(['load'], { input: dockerArchive(named('nameless'), []) });
  assert.match(nameless, /^Loaded image ID: sha256:[0-9a-f]{64}$/);
  await daemon.ok(['rmi', nameless.slice('Loaded image ID: '.length), 'load/one:1', 'load/two:2', 'load/three:3']);
  await refuses(['load'], /.+/, Buffer.from('this is no archive at all'.repeat(100)));
  await refuses(['load'], /.+/, makeTar([{ name: 'something', body: 'else' }]));
}); // prettier-ignore

test('save and load are the same image, here and by skopeo', { skip: skip || missing('skopeo') }, async () => {
  const image = named('save');
  await daemon.ok(['load'], { input: ociArchive(image, 'save:1') });
  await daemon.ok(['tag', 'save:1', 'save:2']);
  const file = join(daemon.root, 'saved.tar');
  await daemon.ok(['save', '-o', file, 'save']);
  const raw = async (source: string): Promise<string> => await runOk('skopeo', ['inspect', '--raw', source]);
  assert.equal(await raw(`oci-archive:${file}:1`), image.manifest.data.toString());
  assert.equal(
    await runOk('skopeo', ['inspect', '--config', '--raw', `docker-archive:${file}:save:2`]),
    image.config.data.toString(),
  ); // prettier-ignore

  await daemon.ok(['rmi', 'save:1', 'save:2']);
  assert.equal(
    (await daemon.ok(['load', '-i', file])).split('\n').sort().join(),
    'Loaded image: save:1,Loaded image: save:2',
  ); // prettier-ignore
  assert.equal(await idOf('save:2'), image.manifest.digest);

  // What skopeo writes, in either form, is loaded.
  for (const kind of ['docker-archive', 'oci-archive']) {
    const copy = join(daemon.root, `${kind}.tar`);
    await runOk('skopeo', ['copy', '-q', `oci-archive:${file}:1`, `${kind}:${copy}:${kind}:1`]);
    assert.equal(await daemon.ok(['load', '-i', copy]), `Loaded image: ${kind}:1`);
    assert.equal(
      await daemon.ok(['image', 'inspect', '-f', '{{json .RootFS.Layers}}', `${kind}:1`]),
      JSON.stringify(image.diffIds),
    ); // prettier-ignore
    await daemon.ok(['rmi', `${kind}:1`]);
  }
  await daemon.ok(['rmi', 'save:1', 'save:2']);
  await refuses(['save', 'nosuch'], /No such image: nosuch/);
});

test('images: filters, digests, formats', { skip }, async () => {
  const [one, two] = [named('one'), named('two')];
  await daemon.ok(['load'], { input: ociArchive(one, 'list/a:1') });
  await daemon.ok(['load'], { input: ociArchive(two, 'list/b:1') });
  await daemon.ok(['tag', 'list/a:1', 'list/a:2']);
  await daemon.ok(['load'], { input: ociArchive(named('over'), 'list/b:1') }); // two is left without a name
  const names = async (...args: string[]): Promise<string> =>
    (await daemon.ok(['images', '--format', '{{.Repository}}:{{.Tag}}', ...args])).split('\n').sort().join(' ');
  assert.equal(await names('list/a'), 'list/a:1 list/a:2');
  assert.equal(await names('list/a:2'), 'list/a:2');
  assert.equal(await names('-f', 'reference=list/*:1'), 'list/a:1 list/b:1');
  assert.equal(await names('-f', 'label=made=one'), 'list/a:1 list/a:2');
  assert.equal(await names('-f', 'dangling=true'), '<none>:<none>');
  assert.equal(await daemon.ok(['images', '-q', '-f', 'dangling=true']), short(two.manifest.digest));
  assert.equal(
    await daemon.ok(['images', '--digests', '--no-trunc', '--format', '{{.Digest}} {{.ID}}', 'list/a:1']),
    `${one.manifest.digest} ${one.manifest.digest}`,
  ); // prettier-ignore
  await refuses(['images', '-f', 'colour=red'], /invalid filter 'colour'/);
  assert.match(await daemon.ok(['image', 'prune', '-f']), new RegExp(`deleted: ${two.manifest.digest}`));
  assert.equal(await names('-f', 'dangling=true'), '');
  const since = await names('-f', 'since=busybox', '-f', 'reference=list/*');
  assert.equal(since, '', 'made before busybox, whatever the time they were loaded');
  await daemon.ok(['rmi', 'list/a:1', 'list/a:2', 'list/b:1']);
});

test('inspect and history', { skip }, async () => {
  const image = named('inspect');
  await daemon.ok(['load'], { input: ociArchive(image, 'inspect:1') });
  const [found] = JSON.parse(await daemon.ok(['inspect', 'inspect:1']));
  assert.deepEqual(found.RepoTags, ['inspect:1']);
  assert.deepEqual(found.RepoDigests, [`inspect@${image.manifest.digest}`]);
  assert.equal(found.Architecture, image.platform.architecture);
  assert.equal(found.Created, '2024-01-01T00:00:00Z');
  assert.deepEqual(found.RootFS.Layers, image.diffIds);
  assert.deepEqual(found.Config.Labels, { made: 'inspect' });
  const history = await daemon.ok(['history', '--no-trunc', '--format', '{{.ID}} {{.CreatedBy}}', 'inspect:1']);
  assert.equal(history, `${image.manifest.digest} layer 1\n<missing> layer 0`);
  for (const name of [`inspect@${image.manifest.digest}`, image.manifest.digest, short(image.manifest.digest)])
    assert.equal(await idOf(name), image.manifest.digest);
  await daemon.ok(['rmi', 'inspect:1']);
  await refuses(['history', 'inspect:1'], 'No such image: inspect:1');
  const none = await daemon.docker(['image', 'inspect', 'inspect:1']);
  assert.deepEqual([none.code, none.stdout.trim()], [1, '[]']);
  assert.match(none.stderr, /No such image: inspect:1/);
});

test('rmi: by tag, digest, ID and prefix; what is untagged and deleted is told', { skip }, async () => {
  const image = named('rmi');
  const id = image.manifest.digest;
  const load = async (): Promise<unknown> => await daemon.ok(['load'], { input: ociArchive(image, 'rmi:1') });
  await load();
  await daemon.ok(['tag', 'rmi:1', 'other/rmi:2']);
  assert.equal(await daemon.ok(['rmi', 'rmi:1']), 'Untagged: rmi:1');
  assert.equal(await daemon.ok(['rmi', 'other/rmi:2']), `Untagged: other/rmi:2\nDeleted: ${id}`);
  for (const name of [id, short(id), id.slice(7, 15), `rmi@${id}`]) {
    await load();
    const lines = (await daemon.ok(['rmi', name])).split('\n');
    assert.equal(lines[0], 'Untagged: rmi:1');
    assert.equal(lines.at(-1), `Deleted: ${id}`);
  }
  await load();
  await daemon.ok(['tag', 'rmi:1', 'other/rmi:2']);
  await refuses(
    ['rmi', short(id)],
    `conflict: unable to delete ${short(id)} (must be forced) - image is referenced in multiple repositories`,
  ); // prettier-ignore
  const forced = (await daemon.ok(['rmi', '-f', short(id)])).split('\n');
  assert.deepEqual(forced, ['Untagged: rmi:1', 'Untagged: other/rmi:2', `Deleted: ${id}`]);
  await refuses(['rmi', 'rmi:1'], 'No such image: rmi:1');
  await refuses(['rmi', id], `No such image: ${id}`);
});

test('rmi: an image that containers use', { skip }, async () => {
  await daemon.ok(['tag', 'busybox', 'used:1']);
  await daemon.ok(['rmi', 'busybox']);
  const id = await idOf('used:1');
  const stopped = short(await daemon.ok(['create', '--name', 'stopped', 'used:1', 'true']));
  await refuses(
    ['rmi', 'used:1'],
    `conflict: unable to remove repository reference "used:1" (must force) - container ${stopped} is using its referenced image ${short(id)}`,
  ); // prettier-ignore
  await refuses(
    ['rmi', short(id)],
    `conflict: unable to delete ${short(id)} (must be forced) - image is being used by stopped container ${stopped}`,
  ); // prettier-ignore
  await daemon.ok(['rm', 'stopped']);
  const running = short(
    await daemon.ok(['run', '-d', '--name', 'running', '--network', 'none', 'used:1', 'sleep', '100']),
  ); // prettier-ignore
  await refuses(
    ['rmi', '-f', short(id)],
    `conflict: unable to delete ${short(id)} (cannot be forced) - image is being used by running container ${running}`,
  ); // prettier-ignore
  assert.equal(await daemon.ok(['rmi', '-f', 'used:1']), 'Untagged: used:1');
  assert.equal(await daemon.ok(['exec', 'running', 'echo', 'still here']), 'still here');
  await daemon.ok(['rm', '-f', 'running']);
  await daemon.ok(['tag', id, 'busybox']);
});

test('commit: changes, author, message; the image runs', { skip }, async () => {
  await daemon.ok([
    'run',
    '--name',
    'changed',
    '--network',
    'none',
    'busybox',
    'sh',
    '-c',
    'echo new >/file; rm /bin/tar; mkdir -m 1777 /d; chown 5:6 /d',
  ]); // prettier-ignore
  const id = await daemon.ok([
    'commit',
    '-a',
    'Me <me@here>',
    '-m',
    'why',
    '-c',
    'ENV Q=1',
    '-c',
    'CMD ["cat","/file"]',
    'changed',
    'committed:1',
  ]); // prettier-ignore
  assert.match(id, /^sha256:[0-9a-f]{64}$/);
  const [image] = JSON.parse(await daemon.ok(['image', 'inspect', id]));
  assert.deepEqual([image.Author, image.Comment, image.RootFS.Layers.length], ['Me <me@here>', 'why', 2]);
  assert.ok(image.Config.Env.includes('Q=1'));
  assert.equal(await daemon.ok(['run', '--rm', '--network', 'none', 'committed:1']), 'new');
  assert.equal(
    await daemon.ok([
      'run',
      '--rm',
      '--network',
      'none',
      'committed:1',
      'sh',
      '-c',
      'stat -c "%a %u %g" /d; test -e /bin/tar || echo gone',
    ]),
    '1777 5 6\ngone',
  ); // prettier-ignore
  const layer = await daemon.ok(['history', '--no-trunc', '--format', '{{.Comment}}|{{.CreatedBy}}', 'committed:1']);
  assert.match(layer, /^why\|sh -c echo new/);
  await daemon.ok(['rm', 'changed']);
  await daemon.ok(['rmi', 'committed:1']);
  await refuses(['commit', 'changed'], 'No such container: changed');
});

test('tag: refusals', { skip }, async () => {
  await refuses(['tag', 'nosuch', 'x'], 'No such image: nosuch:latest');
  const ran = await daemon.docker(['tag', 'busybox', 'Bad:x']);
  assert.match(ran.stderr, /invalid reference format|must be lowercase/);
  await refuses(
    ['tag', 'busybox', `busybox@sha256:${'0'.repeat(64)}`],
    /refusing to create a tag with a digest reference/,
  );
}); // prettier-ignore

test('an index in an archive: every platform is kept, the host one runs', { skip }, async () => {
  const mine = makeImage({ layers: [readBusybox()], config: { Entrypoint: ['/busybox'] } });
  const theirs = makeImage({ layers: [[{ name: 'x', body: 'y' }]], platform: { os: 'linux', architecture: 's390x' } });
  const index = makeIndex([mine, theirs]);
  const blobs = [index, ...[mine, theirs].flatMap((i) => [i.manifest, i.config, ...i.layers])];
  const input = makeTar([
    { name: 'oci-layout', body: '{"imageLayoutVersion":"1.0.0"}' },
    {
      name: 'index.json',
      body: JSON.stringify({
        schemaVersion: 2,
        manifests: [
          {
            mediaType: index.mediaType,
            digest: index.digest,
            size: index.size,
            annotations: { 'io.containerd.image.name': 'docker.io/library/multi:1' },
          },
        ],
      }),
    },
    ...blobs.map((b) => ({ name: `blobs/sha256/${b.digest.slice(7)}`, body: b.data })),
  ]); // prettier-ignore
  assert.equal(await daemon.ok(['load'], { input }), 'Loaded image: multi:1');
  assert.equal(await idOf('multi:1'), index.digest);
  assert.equal(await daemon.ok(['run', '--rm', '--network', 'none', 'multi:1', 'echo', 'mine']), 'mine');
  assert.equal(
    await daemon.ok(['image', 'inspect', '--platform', 'linux/s390x', '-f', '{{.Architecture}}', 'multi:1']),
    's390x',
  ); // prettier-ignore
  const out = join(daemon.root, 'multi.tar');
  await daemon.ok(['save', '-o', out, 'multi:1']);
  await daemon.ok(['rmi', 'multi:1']);
  await daemon.ok(['load', '-i', out]);
  assert.equal(await idOf('multi:1'), index.digest);
  await daemon.ok(['rmi', 'multi:1']);
});

function readBusybox(): Buffer {
  return makeTar([{ name: 'busybox', mode: 0o755, body: readFileSync('/bin/busybox') }]);
}

test('an archive as dockerd 20.10 writes it', { skip }, async () => {
  // A layer directory for each, legacy `json` and `VERSION` files beside.
  const image = named('legacy');
  const hex = (digest: string): string => digest.slice(7);
  const directory = (at: number): string => sha256(Buffer.from(`v1 ${at}`)).slice(7);
  const input = makeTar([
    ...image.tars.flatMap((tar, at) => [
      { name: `${directory(at)}/`, type: 'directory' as const },
      { name: `${directory(at)}/VERSION`, body: '1.0' },
      {
        name: `${directory(at)}/json`,
        body: JSON.stringify({ id: directory(at), ...(at > 0 ? { parent: directory(at - 1) } : {}) }),
      },
      { name: `${directory(at)}/layer.tar`, body: tar },
    ]),
    { name: `${hex(image.config.digest)}.json`, body: image.config.data },
    {
      name: 'manifest.json',
      body: `${JSON.stringify([{ Config: `${hex(image.config.digest)}.json`, RepoTags: ['legacy:1'], Layers: [0, 1].map((at) => `${directory(at)}/layer.tar`) }])}\n`,
    },
    { name: 'repositories', body: `${JSON.stringify({ legacy: { 1: directory(1) } })}\n` },
  ]); // prettier-ignore
  const file = join(daemon.root, 'legacy.tar');
  writeFileSync(file, input);
  assert.equal(await daemon.ok(['load', '-i', file]), 'Loaded image: legacy:1');
  assert.deepEqual(
    JSON.parse(await daemon.ok(['image', 'inspect', '-f', '{{json .RootFS.Layers}}', 'legacy:1'])),
    image.diffIds,
  ); // prettier-ignore
  await daemon.ok(['rmi', 'legacy:1']);
});

test('a real dockerd: what one saves the other loads', { skip: skip || missing('dockerd') }, async () => {
  await using peer = await startDockerd();
  const theirs = join(daemon.root, 'theirs.tar');
  await peer.ok(['import', '-c', 'CMD ["/bin/sh"]', await busyboxTar(), 'base:1']);
  await peer.ok(['create', '--name', 'made', 'base:1']);
  await peer.ok(['cp', '/etc/hostname', 'made:/added']);
  await peer.ok(['commit', 'made', 'theirs:1']);
  await peer.ok(['save', '-o', theirs, 'theirs:1', 'base:1']);
  const layersOf = (engine: { ok: TestDaemon['ok'] }, name: string): Promise<string> =>
    engine.ok(['image', 'inspect', '-f', '{{json .RootFS.Layers}} {{json .Config.Cmd}}', name]);
  const loaded = await daemon.ok(['load', '-i', theirs]);
  assert.deepEqual(loaded.split('\n').sort(), ['Loaded image: base:1', 'Loaded image: theirs:1']);
  assert.equal(await layersOf(daemon, 'theirs:1'), await layersOf(peer, 'theirs:1'));
  assert.equal(
    await daemon.ok(['run', '--rm', '--network', 'none', 'theirs:1', '/bin/cat', '/added']),
    readFileSync('/etc/hostname', 'utf8').trim(),
  );

  const ours = join(daemon.root, 'ours.tar');
  await daemon.ok(['save', '-o', ours, 'theirs:1']);
  const id = await peer.ok(['image', 'inspect', '-f', '{{.Id}}', 'theirs:1']);
  await peer.ok(['rm', 'made']);
  await peer.ok(['rmi', 'theirs:1']);
  assert.equal(await peer.ok(['load', '-i', ours]), 'Loaded image: theirs:1');
  assert.equal(await peer.ok(['image', 'inspect', '-f', '{{.Id}}', 'theirs:1']), id, 'the configuration is unchanged');
  await daemon.ok(['rmi', 'theirs:1', 'base:1']);
});
