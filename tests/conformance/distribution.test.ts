/** Pull and push by the unmodified docker CLI, against Debian's docker-registry and Berth's own. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, request, type Server } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type MadeImage, makeImage, makeIndex, makeTar, sha256 } from '@berth/testkit';
import {
  eventually,
  missing,
  run,
  runOk,
  startDaemon,
  startDockerRegistry,
  startRegistry,
  type TestDaemon,
  type TestRegistry,
} from '../harness/index.ts';
import { jsonLines, putBlob, putImage, putManifest } from './image-kit.ts';

const skip = missing('docker');
const short = (digest: string): string => digest.slice(7, 19);

let daemon: TestDaemon;
const registries: TestRegistry[] = [];
before(async () => {
  if (skip) return;
  daemon = await startDaemon();
  registries.push(await startRegistry());
  if (!missing('docker-registry')) registries.push(await startDockerRegistry());
});
after(async () => {
  if (skip) return;
  await daemon.assertClean();
  await daemon[Symbol.asyncDispose]();
  for (const registry of registries) await registry[Symbol.asyncDispose]();
});

const runnable = makeTar([
  { name: 'bin/', type: 'directory' },
  { name: 'bin/busybox', mode: 0o755, body: readFileSync('/bin/busybox') },
]); // prettier-ignore
const imageOf = (spec: Partial<Parameters<typeof makeImage>[0]> & { readonly text: string }): MadeImage =>
  makeImage({
    layers: [runnable, [{ name: 'text', body: spec.text }]],
    config: { Entrypoint: ['/bin/busybox'], Cmd: ['cat', '/text'] },
    ...spec,
  });

const raw = async (name: string): Promise<string> =>
  (await run('skopeo', ['inspect', '--raw', '--tls-verify=false', `docker://${name}`])).stdout;

for (const format of ['oci', 'docker'] as const)
  for (const compression of ['gzip', 'zstd', 'none'] as const)
    test(`${format} manifests, ${compression} layers: pull, save, load, push, pull changes no digest`, {
      skip: skip || missing('skopeo'),
    }, async () => {
      for (const { host } of registries) {
        const image = imageOf({ text: `${format} ${compression} ${host}`, format, compression });
        const name = `${host}/round/${format}:${compression}`;
        await putImage(host, `round/${format}`, compression, image);
        const pulled = await daemon.ok(['pull', name]);
        assert.match(
          pulled,
          new RegExp(`Digest: ${image.manifest.digest}\nStatus: Downloaded newer image for ${name}`),
        );
        assert.equal(await daemon.ok(['run', '--rm', '--network', 'none', name]), `${format} ${compression} ${host}`);
        const archive = join(daemon.root, 'round.tar');
        await daemon.ok(['save', '-o', archive, name]);
        await daemon.ok(['rmi', name]);
        await daemon.ok(['load', '-i', archive]);
        await daemon.ok(['tag', name, `${host}/round/again:1`]);
        const pushed = await daemon.ok(['push', `${host}/round/again:1`]);
        assert.match(pushed, new RegExp(`1: digest: ${image.manifest.digest} size: ${image.manifest.size}$`));
        assert.equal(await raw(`${host}/round/again:1`), image.manifest.data.toString());
        await daemon.ok(['rmi', name, `${host}/round/again:1`]);
        const byDigest = `${host}/round/again@${image.manifest.digest}`;
        await daemon.ok(['pull', byDigest]);
        assert.equal(await daemon.ok(['image', 'inspect', '-f', '{{.Id}}', byDigest]), image.manifest.digest);
        assert.equal(
          await daemon.ok(['run', '--rm', '--network', 'none', byDigest]),
          `${format} ${compression} ${host}`,
        );
        await daemon.ok(['rmi', byDigest]);
      }
    }); // prettier-ignore

test('an index: the platform of the host, another when asked for, none', {
  skip: skip || missing('skopeo'),
}, async () => {
  for (const { host } of registries) {
    const mine = imageOf({ text: 'mine' });
    const theirs = makeImage({
      layers: [[{ name: 'x', body: 'theirs' }]],
      platform: { os: 'linux', architecture: 's390x' },
    }); // prettier-ignore
    for (const image of [mine, theirs]) await putImage(host, 'multi', image.manifest.digest, image);
    const index = makeIndex([mine, theirs]);
    await putManifest(host, 'multi', 'all', index);
    const name = `${host}/multi:all`;
    await daemon.ok(['pull', name]);
    assert.equal(
      await daemon.ok(['image', 'inspect', '-f', '{{.Id}} {{.Architecture}}', name]),
      `${index.digest} ${mine.platform.architecture}`,
    ); // prettier-ignore
    assert.equal(await daemon.ok(['run', '--rm', '--network', 'none', name]), 'mine');
    await daemon.ok(['pull', '-q', '--platform', 'linux/s390x', name]);
    // Both platforms are here now, so the index goes back whole.
    await daemon.ok(['tag', name, `${host}/multi-again:all`]);
    await daemon.ok(['push', '-q', `${host}/multi-again:all`]);
    assert.equal(await raw(`${host}/multi-again:all`), index.data.toString());
    const none = await daemon.docker(['pull', '--platform', 'linux/riscv64', name]);
    assert.deepEqual(
      [none.code, none.stderr.trim()],
      [1, 'no matching manifest for linux/riscv64 in the manifest list entries'],
    ); // prettier-ignore
    await daemon.ok(['rmi', name, `${host}/multi-again:all`]);
  }
});

test('docker manifest makes one tag of what was pushed for several platforms; they live side by side', {
  skip,
}, async () => {
  const foreign = process.arch === 's390x' ? 'arm64' : 's390x';
  for (const { host } of registries) {
    const images = [
      imageOf({ text: 'mine' }),
      makeImage({ layers: [[{ name: 'x', body: 'theirs' }]], platform: { os: 'linux', architecture: foreign } }),
    ]; // prettier-ignore
    for (const image of images) {
      const { platform } = image;
      const name = `${host}/list:${platform.architecture}`;
      await putImage(host, 'origin', platform.architecture, image);
      await daemon.ok([
        'pull',
        '-q',
        '--platform',
        `linux/${platform.architecture}`,
        `${host}/origin:${platform.architecture}`,
      ]); // prettier-ignore
      await daemon.ok(['tag', `${host}/origin:${platform.architecture}`, name]);
      await daemon.ok(['push', '-q', name]);
      await daemon.ok(['rmi', name, `${host}/origin:${platform.architecture}`]);
    }
    const list = `${host}/list:1`;
    const parts = images.map(({ platform }) => `${host}/list:${platform.architecture}`);
    await daemon.ok(['manifest', 'create', '--insecure', list, ...parts]);
    const digest = await daemon.ok(['manifest', 'push', '--insecure', '--purge', list]);
    const shown = JSON.parse(await daemon.ok(['manifest', 'inspect', '--insecure', list])) as {
      manifests: { digest: string; platform: { architecture: string } }[];
    };
    assert.deepEqual(
      shown.manifests.map((each) => [each.digest, each.platform.architecture]).sort(),
      images.map(({ manifest, platform }) => [manifest.digest, platform.architecture]).sort(),
    );
    for (const { platform } of images)
      await daemon.ok(['pull', '-q', '--platform', `linux/${platform.architecture}`, list]); // prettier-ignore
    assert.equal(await daemon.ok(['image', 'inspect', '-f', '{{.Id}}', list]), digest);
    const summary = (await daemon.api('GET', `/images/${list}/json?manifests=1`)).json() as {
      Manifests: { Available: boolean; ImageData: { Platform: { architecture: string } } }[];
    };
    assert.deepEqual(
      summary.Manifests.map((each) => [each.Available, each.ImageData.Platform.architecture]).sort(),
      images.map(({ platform }) => [true, platform.architecture]).sort(),
    );
    assert.equal(await daemon.ok(['run', '--rm', '--network', 'none', list]), 'mine');
    await daemon.ok(['tag', list, `${host}/list-again:1`]);
    assert.match(await daemon.ok(['push', `${host}/list-again:1`]), new RegExp(`1: digest: ${digest}`));
    await daemon.ok(['rmi', list, `${host}/list-again:1`]);
    await daemon.assertClean();
  }
});

test('what a pull and a push say, line by line', { skip }, async () => {
  const [registry] = registries;
  assert.ok(registry);
  const image = imageOf({ text: 'progress' });
  const [lower, upper] = image.layers.map(({ digest }) => short(digest));
  await putImage(registry.host, 'progress', '1', image);
  const name = `${registry.host}/progress`;
  const pull = async (): Promise<readonly Record<string, unknown>[]> =>
    jsonLines((await daemon.api('POST', `/v1.51/images/create?fromImage=${encodeURIComponent(name)}&tag=1`)).body);
  const first = await pull();
  assert.deepEqual(first[0], { status: 'Pulling from progress', id: '1' });
  for (const id of [lower, upper]) {
    const statuses = first.filter((line) => line['id'] === id).map((line) => line['status']);
    assert.equal(statuses[0], 'Pulling fs layer');
    assert.equal(statuses.at(-1), 'Pull complete');
    assert.ok(statuses.includes('Download complete'), String(statuses));
  }
  const downloading = first.find((line) => line['status'] === 'Downloading' && line['id'] === lower);
  assert.match(String(downloading?.['progress']), /^\[=*> *\] +[\d.]+k?M?B\/[\d.]+k?MB$/);
  assert.deepEqual(Object.keys((downloading?.['progressDetail'] ?? {}) as object), ['current', 'total']);
  assert.deepEqual(first.slice(-2), [
    { status: `Digest: ${image.manifest.digest}` },
    { status: `Status: Downloaded newer image for ${name}:1` },
  ]);
  const again = await pull();
  assert.deepEqual(again.slice(-2), [
    { status: `Digest: ${image.manifest.digest}` },
    { status: `Status: Image is up to date for ${name}:1` },
  ]);
  await daemon.ok(['tag', `${name}:1`, `${name}:2`]);
  const pushed = jsonLines(
    (await daemon.api('POST', `/v1.51/images/${name}/push?tag=2`, { headers: { 'x-registry-auth': 'e30=' } })).body,
  ); // prettier-ignore
  assert.deepEqual(pushed[0], { status: `The push refers to repository [${name}]` });
  assert.deepEqual(pushed.at(-1)?.['aux'], { Tag: '2', Digest: image.manifest.digest, Size: image.manifest.size });
  await daemon.ok(['rmi', `${name}:1`, `${name}:2`]);
});

test('errors of pull and push', { skip }, async () => {
  for (const { host } of registries) {
    await putImage(host, 'there', '1', imageOf({ text: 'there' }));
    const refused = async (args: readonly string[], text: string): Promise<void> => {
      const ran = await daemon.docker(args);
      assert.deepEqual([ran.code, ran.stderr.trim()], [1, text]);
    };
    await refused(
      ['pull', `${host}/there:no`],
      `Error response from daemon: manifest for ${host}/there:no not found: manifest unknown: manifest unknown`,
    ); // prettier-ignore
    assert.match(
      (await daemon.docker(['pull', `${host}/there@sha256:${'0'.repeat(64)}`])).stderr,
      /manifest .*unknown/,
    );
    assert.match((await daemon.docker(['push', `${host}/nothere:1`])).stderr, /No such image|does not exist/);
  }
  assert.match(
    (await daemon.docker(['pull', '127.0.0.1:1/x'])).stderr,
    /Error response from daemon: .*connection refused/,
  ); // prettier-ignore
});

interface Counted extends AsyncDisposable {
  readonly host: string;
  /** Bytes of blobs handed out. */
  sent: number;
  /** Bytes of each request's `Range` header, as text. */
  readonly ranges: string[];
  /** Bytes a second; unlimited unless set. */
  rate: number;
}

/** A registry behind a proxy that counts the bytes of blobs and can be slow. */
async function counting(upstream: string): Promise<Counted> {
  const server: Server = createServer((incoming, outgoing) => {
    const options = {
      host: upstream.split(':')[0],
      port: upstream.split(':')[1],
      path: incoming.url,
      method: incoming.method,
      headers: { ...incoming.headers, host: upstream },
    }; // prettier-ignore
    const forwarded = request(options, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      const isBlob = /\/blobs\/sha256:/.test(incoming.url ?? '');
      if (isBlob && incoming.method === 'GET') counted.ranges.push(incoming.headers.range ?? '');
      answer.on('data', (chunk: Buffer) => {
        if (isBlob) counted.sent += chunk.length;
        const flowing = outgoing.write(chunk);
        if (flowing && counted.rate === Number.POSITIVE_INFINITY) return;
        answer.pause();
        const again = (): unknown => answer.resume();
        if (!flowing) outgoing.once('drain', again);
        else setTimeout(again, (chunk.length / counted.rate) * 1000);
      });
      answer.on('end', () => outgoing.end());
      answer.on('error', () => outgoing.destroy());
      outgoing.on('close', () => answer.destroy());
    });
    forwarded.on('error', () => outgoing.destroy());
    incoming.pipe(forwarded);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const counted: Counted = {
    host: `127.0.0.1:${typeof address === 'object' ? address?.port : 0}`,
    sent: 0,
    ranges: [],
    rate: Number.POSITIVE_INFINITY,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return counted;
}

const BIG_MB = Number(process.env['BERTH_RESUME_MB'] ?? 64);

test(`a pull whose daemon is killed in the middle of a ${BIG_MB} MB layer goes on where it was`, {
  skip,
  timeout: 180_000,
}, async () => {
  for (const registry of registries) {
    await using proxy = await counting(registry.host);
    const size = BIG_MB * 1_000_000;
    const image = makeImage({ layers: [[{ name: 'big', body: randomBytes(size) }]], compression: 'none' });
    await putImage(registry.host, 'big', '1', image);
    const name = `${proxy.host}/big:1`;
    proxy.rate = size / 3;
    const interrupted = daemon.docker(['pull', name], { timeoutMs: 120_000 });
    await eventually('half of it has come', () => proxy.sent > size / 2, 60_000);
    await daemon.kill9();
    assert.notEqual((await interrupted).code, 0);
    const before = proxy.sent;
    await daemon.restart();
    await daemon.assertClean();
    proxy.rate = Number.POSITIVE_INFINITY;
    await daemon.ok(['pull', name], { timeoutMs: 120_000 });
    const rest = proxy.sent - before;
    assert.match(proxy.ranges.at(-1) ?? '', /^bytes=\d+-/, 'the second try asks for a range');
    // What was on the way when the daemon died, in the proxy and both sockets, was not stored: some MB at most.
    assert.ok(before + rest < size + 12_000_000, `${before} bytes before, ${rest} after, of ${size}`);
    assert.ok(rest < size * 0.75, `${rest} bytes again, of ${size}`);
    assert.equal(await daemon.ok(['image', 'inspect', '-f', '{{.Id}}', name]), image.manifest.digest);
    await daemon.assertClean();
    await daemon.ok(['rmi', name]);
  }
}); // prettier-ignore

test('a blob whose digest or size is wrong is refused and leaves nothing', { skip }, async (t) => {
  const image = imageOf({ text: 'wrong' });
  const [lower, upper] = image.layers;
  assert.ok(lower && upper);
  const flipped = Buffer.from(upper.data);
  flipped[flipped.length - 10] = (flipped[flipped.length - 10] ?? 0) ^ 1;
  const lies: Readonly<Record<string, Buffer>> = {
    'another digest': flipped,
    'too short': upper.data.subarray(0, -1),
    'too long': Buffer.concat([upper.data, Buffer.from('x')]),
    empty: Buffer.alloc(0),
    'endless zeros': Buffer.alloc(upper.data.length * 1000),
  };
  const { server, host, answer } = await fixedRegistry(image);
  try {
    const before = globSync(join(daemon.dataRoot, 'content/{blobs,ingest}/**')).length;
    for (const [what, body] of Object.entries(lies))
      await t.test(what, async () => {
        answer.set(upper.digest, body);
        const ran = await daemon.docker(['pull', `${host}/wrong:1`]);
        assert.equal(ran.code, 1, ran.stdout);
        assert.match(ran.stderr, /digest|size|bytes|unexpected|EOF/i);
        assert.equal((await daemon.docker(['image', 'inspect', `${host}/wrong:1`])).code, 1);
        await daemon.assertClean();
        assert.equal((await daemon.docker(['run', '--rm', image.manifest.digest])).code, 125);
      });
    await t.test('a manifest that is not what was asked for', async () => {
      const ran = await daemon.docker(['pull', `${host}/wrong@${sha256(Buffer.from('else'))}`]);
      assert.equal(ran.code, 1);
      assert.match(ran.stderr, /digest|sha256|unknown|not found/i);
    });
    // Once the registry tells the truth, the pull works.
    answer.delete(upper.digest);
    await daemon.ok(['pull', `${host}/wrong:1`]);
    await daemon.ok(['rmi', `${host}/wrong:1`]);
    const after = (): number => globSync(join(daemon.dataRoot, 'content/{blobs,ingest}/**')).length;
    await eventually('nothing is left of it', () => after() <= before);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

/** A registry that serves one image and lies where told. */
async function fixedRegistry(image: MadeImage): Promise<{ server: Server; host: string; answer: Map<string, Buffer> }> {
  const answer = new Map<string, Buffer>();
  const blobs = new Map([image.config, ...image.layers].map((blob) => [blob.digest, blob.data]));
  const server = createServer((incoming, outgoing) => {
    const path = incoming.url ?? '';
    const digest = path.split('/').at(-1) ?? '';
    if (path === '/v2/') return void outgoing.end('{}');
    if (path.includes('/manifests/')) {
      outgoing.setHeader('content-type', image.manifest.mediaType);
      outgoing.setHeader('content-length', image.manifest.size);
      outgoing.setHeader('docker-content-digest', image.manifest.digest);
      return void outgoing.end(incoming.method === 'HEAD' ? undefined : image.manifest.data);
    }
    const body = answer.get(digest) ?? blobs.get(digest);
    if (body === undefined) return void outgoing.writeHead(404).end();
    outgoing.setHeader('content-length', body.length);
    return void outgoing.end(incoming.method === 'HEAD' ? undefined : body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return { server, answer, host: `127.0.0.1:${typeof address === 'object' ? address?.port : 0}` };
}

test('layers made by umoci and skopeo', { skip: skip || missing('skopeo', 'umoci') }, async () => {
  const layout = join(daemon.root, 'umoci');
  const bundle = join(daemon.root, 'bundle');
  await runOk('umoci', ['init', '--layout', layout]);
  await runOk('umoci', ['new', '--image', `${layout}:1`]);
  const tar = join(daemon.root, 'rootfs.tar');
  writeFileSync(tar, runnable);
  await runOk('umoci', ['raw', 'add-layer', '--image', `${layout}:1`, tar]);
  await runOk('umoci', [
    'config',
    '--image',
    `${layout}:1`,
    '--config.entrypoint',
    '/bin/busybox',
    '--config.cmd',
    'echo',
    '--config.cmd',
    'by umoci',
  ]); // prettier-ignore
  await runOk('umoci', ['unpack', '--image', `${layout}:1`, bundle]);
  writeFileSync(join(bundle, 'rootfs/added'), 'added');
  await runOk('umoci', ['repack', '--image', `${layout}:2`, bundle]);
  for (const { host } of registries) {
    for (const [tag, flags] of [
      ['gzip', []],
      ['zstd', ['--dest-compress-format', 'zstd', '--dest-compress']],
    ] as const) {
      await runOk('skopeo', [
        'copy',
        '-q',
        '--dest-tls-verify=false',
        ...flags,
        `oci:${layout}:2`,
        `docker://${host}/umoci:${tag}`,
      ]);
      const name = `${host}/umoci:${tag}`;
      await daemon.ok(['pull', name]);
      assert.equal(await daemon.ok(['run', '--rm', '--network', 'none', name]), 'by umoci');
      assert.equal(await daemon.ok(['run', '--rm', '--network', 'none', name, 'cat', '/added']), 'added');
      assert.equal(await daemon.ok(['image', 'inspect', '-f', '{{.Id}}', name]), sha256(Buffer.from(await raw(name))));
      await daemon.ok(['rmi', name]);
    }
  }
}); // prettier-ignore

test('blobs the registry has are not sent again, nor fetched again', { skip }, async () => {
  for (const registry of registries) {
    await using proxy = await counting(registry.host);
    const image = imageOf({ text: 'once' });
    await putImage(registry.host, 'once', '1', image);
    await daemon.ok(['pull', `${proxy.host}/once:1`]);
    const fetched = proxy.sent;
    await putBlob(registry.host, 'twice', image.config);
    await daemon.ok(['tag', `${proxy.host}/once:1`, `${proxy.host}/twice:1`]);
    const pushed = await daemon.ok(['push', `${proxy.host}/twice:1`]);
    assert.equal(pushed.match(/Mounted from once/g)?.length, 2, pushed);
    await daemon.ok(['pull', `${proxy.host}/twice:1`]);
    assert.equal(proxy.sent, fetched);
    await daemon.ok(['rmi', `${proxy.host}/once:1`, `${proxy.host}/twice:1`]);
  }
});
