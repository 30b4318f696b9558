/**
 * What an attacker would send: to load, import, cp, build and pull, and to the API itself. The daemon answers with an
 * error (or does what was asked, inside its own roots), stays responsive, uses bounded memory and leaves nothing behind.
 * `BERTH_HOSTILE_ENTRIES` is the number of members of the longest archive.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createServer, type RequestListener, request } from 'node:http';
import { connect } from 'node:net';
import { availableParallelism, loadavg } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { type Blob, dockerArchive, makeImage, makeTar, ociArchive, sha256, type TarMember } from '@berth/testkit';
import { eventually, missing, type Ran, startDaemon, type TestDaemon } from '../harness/index.ts'; // prettier-ignore

const skip = missing('docker');
const ENTRIES = Number(process.env['BERTH_HOSTILE_ENTRIES'] ?? 100_000);
/** Bytes of memory that nothing here may take the daemon beyond. */
const MEMORY = 700 * 1024 * 1024;

let daemon: TestDaemon;
let canary: string;
before(async () => {
  if (skip) return;
  daemon = await startDaemon();
  await daemon.seedBusybox();
  canary = join(daemon.root, 'canary');
  mkdirSync(canary);
  await daemon.ok(['create', '--name', 'target', 'busybox', 'true']);
});
after(async () => {
  if (skip) return;
  await daemon.assertClean();
  await daemon[Symbol.asyncDispose]();
});

const peak = (): number =>
  Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${daemon.pid}/status`, 'utf8'))?.[1]) * 1024;

/** Runs work while `/_ping` is asked again and again: it must always answer within a second (more on a busy machine). */
async function responsive<T>(what: string, work: () => Promise<T>): Promise<T> {
  const limit = 1000 * Math.max(1, (loadavg()[0] ?? 0) / availableParallelism());
  let slowest = 0;
  let done = false;
  const pings = (async () => {
    while (!done) {
      const began = performance.now();
      assert.equal((await daemon.api('GET', '/_ping', { timeoutMs: 20_000 })).status, 200);
      slowest = Math.max(slowest, performance.now() - began);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  })();
  try {
    return await work();
  } finally {
    done = true;
    await pings;
    assert.ok(slowest < limit, `${what}: a ping took ${Math.round(slowest)} ms`);
    assert.ok(peak() < MEMORY, `${what}: the daemon used ${Math.round(peak() / 1024 / 1024)} MiB`);
    assert.equal(existsSync(join(canary, 'evil')), false, `${what}: a file outside the root was written`);
  }
}

const up = '../'.repeat(40);
const evil = (name: string, rest: Partial<TarMember> = {}): TarMember => ({ name, body: 'evil', ...rest });

function archives(): Readonly<Record<string, readonly TarMember[]>> {
  const outside = canary.slice(1);
  return {
    'a name with ..': [evil(`${up}${outside}/evil`)],
    'a name with .. inside': [evil(`a/b/${up}${outside}/evil`)],
    'an absolute name': [evil(`${canary}/evil`)],
    'through an absolute symlink': [{ name: 'link', type: 'symlink', linkName: canary }, evil('link/evil')],
    'through a relative symlink': [{ name: 'link', type: 'symlink', linkName: `${up}${outside}` }, evil('link/evil')],
    'through a chain of symlinks': [
      { name: 'one', type: 'symlink', linkName: 'two' },
      { name: 'two', type: 'symlink', linkName: `three/${up}${outside}` },
      { name: 'three/', type: 'directory' },
      evil('one/evil'),
    ],
    'onto a symlink': [{ name: 'evil', type: 'symlink', linkName: `${canary}/evil` }, evil('evil')],
    'a hard link out of the root': [{ name: 'link', type: 'link', linkName: `${up}etc/passwd` }, evil('link')],
    'an absolute hard link': [{ name: 'link', type: 'link', linkName: '/etc/passwd' }],
    'a hard link through a symlink': [
      { name: 'd', type: 'symlink', linkName: '/etc' },
      { name: 'link', type: 'link', linkName: 'd/passwd' },
    ],
    'a whiteout with ..': [evil(`.wh...`), evil(`a/.wh...`), evil('.wh.'), evil('.wh..wh..opq')],
    'a directory over a symlink': [
      { name: 'd', type: 'symlink', linkName: canary },
      { name: 'd/', type: 'directory', mode: 0o777 },
      evil('d/evil'),
    ],
    'a very deep path': [evil(`${'d/'.repeat(3000)}f`)],
    'a very long name': [evil('n'.repeat(100_000))],
    'an empty name': [evil('')],
    'names that are dots': [evil('.'), evil('..'), evil('./..'), evil('/')],
    'a loop of symlinks': [
      { name: 'a', type: 'symlink', linkName: 'b' },
      { name: 'b', type: 'symlink', linkName: 'a' },
      evil('a/x'),
    ],
  }; // prettier-ignore
}

/** It was refused, or it was done; never a broken connection, never an internal error. */
function assertAnswered(ran: Ran, what: string): void {
  const text = `${ran.stderr}${ran.stdout}`;
  assert.ok(!ran.timedOut, `${what}: no answer`);
  assert.doesNotMatch(
    text,
    /internal error|TypeError|RangeError|undefined|EPIPE|broken pipe|error during connect|EOF$/,
    what,
  );
} // prettier-ignore

test('archives that try to get out, through import, cp, build and load', { skip, timeout: 120_000 }, async (t) => {
  for (const [what, members] of Object.entries(archives())) {
    const tar = makeTar(members);
    await t.test(what, async () => {
      await responsive(what, async () => {
        assertAnswered(await daemon.docker(['import', '-', 'evil:import'], { input: tar }), `import: ${what}`);
        assertAnswered(await daemon.docker(['cp', '-', 'target:/tmp'], { input: tar }), `cp: ${what}`);
        const context = makeTar([{ name: 'Dockerfile', body: 'FROM scratch\nCOPY . /\n' }, ...members]);
        assertAnswered(await daemon.docker(['build', '-t', 'evil:build', '-'], { input: context }), `build: ${what}`);
        const image = makeImage({ layers: [tar], compression: 'none' });
        assertAnswered(await daemon.docker(['load'], { input: dockerArchive(image, ['evil:load']) }), `load: ${what}`);
        assertAnswered(await daemon.docker(['load'], { input: makeTar(members) }), `load itself: ${what}`);
      });
      for (const tag of ['import', 'build', 'load']) await daemon.docker(['rmi', '-f', `evil:${tag}`]);
    });
  }
  assert.equal(readFileSync('/etc/passwd', 'utf8').includes('evil'), false);
  await daemon.assertClean();
});

test('archives of images that point elsewhere or lie', { skip, timeout: 60_000 }, async (t) => {
  const image = makeImage({ layers: [[{ name: 'f', body: 'f' }]] });
  const entry = (change: object): string =>
    JSON.stringify([{ Config: 'c.json', RepoTags: ['lie:1'], Layers: ['l.tar'], ...change }]);
  const parts = (manifest: string, more: readonly TarMember[] = []): Buffer =>
    makeTar([
      { name: 'c.json', body: image.config.data },
      { name: 'l.tar', body: image.tars[0] ?? '' },
      ...more,
      { name: 'manifest.json', body: manifest },
    ]);
  const oci = ociArchive(image, 'lie:1').toString('latin1');
  const cases: Readonly<Record<string, Buffer>> = {
    'a configuration outside': parts(entry({ Config: '../../../../../etc/passwd' })),
    'a layer outside': parts(entry({ Layers: ['../../../../../etc/passwd'] })),
    'a layer that is a symlink': parts(entry({ Layers: ['s.tar'] }), [
      { name: 's.tar', type: 'symlink', linkName: '/etc/passwd' },
    ]),
    'more layers than the configuration': parts(entry({ Layers: ['l.tar', 'l.tar'] })),
    'no layers': parts(entry({ Layers: [] })),
    'another layer': makeTar([
      { name: 'c.json', body: image.config.data },
      { name: 'l.tar', body: makeTar([{ name: 'else' }]) },
      { name: 'manifest.json', body: entry({}) },
    ]),
    'a manifest that is no JSON': parts('{"'),
    'a manifest of another shape': parts('{"a":[1,2,{"b":null}]}'),
    'a deep manifest': parts('['.repeat(500_000)),
    'a huge manifest': parts(`[${'1,'.repeat(6_000_000)}1]`),
    'a bad name': parts(entry({ RepoTags: ['../../x', 'UPPER:1', 'a:b:c'] })),
    'a blob with another digest': Buffer.from(oci.replace('layer 0', 'layer 1'), 'latin1'),
    'a digest that is a path': makeTar([
      { name: 'oci-layout', body: '{"imageLayoutVersion":"1.0.0"}' },
      {
        name: 'index.json',
        body: JSON.stringify({
          schemaVersion: 2,
          manifests: [{ mediaType: image.manifest.mediaType, digest: 'sha256:../../../../../../etc/passwd', size: 10 }],
        }),
      },
    ]),
    'a configuration of random bytes': makeTar([
      { name: 'c.json', body: Buffer.alloc(1000, 0xfe) },
      { name: 'l.tar', body: image.tars[0] ?? '' },
      { name: 'manifest.json', body: entry({}) },
    ]),
  }; // prettier-ignore
  for (const [what, input] of Object.entries(cases))
    await t.test(what, async () => {
      const ran = await responsive(what, () => daemon.docker(['load'], { input }));
      assert.equal(ran.code, 1, `${what}: ${ran.stdout}`);
      assertAnswered(ran, what);
      assert.doesNotMatch(ran.stderr, /root:x:0/);
    });
  await daemon.assertClean();
});

test('streams that end too early', { skip, timeout: 60_000 }, async () => {
  const image = makeImage({ layers: [[{ name: 'f', body: Buffer.alloc(50_000, 'x') }]] });
  const whole = ociArchive(image, 'cut:1');
  const tar = makeTar([
    { name: 'Dockerfile', body: 'FROM scratch\nCOPY f /\n' },
    { name: 'f', body: Buffer.alloc(50_000, 'x') },
  ]); // prettier-ignore
  for (const share of [0, 0.001, 0.3, 0.7, 0.95]) {
    const at = (data: Buffer): Buffer => data.subarray(0, Math.floor(data.length * share));
    for (const [args, data] of [
      [['load'], whole],
      [['load'], gzipSync(whole)],
      [['import', '-', 'cut:2'], tar],
      [['import', '-', 'cut:3'], gzipSync(tar)],
      [['cp', '-', 'target:/tmp'], tar],
      [['build', '-t', 'cut:4', '-'], tar],
    ] as const) {
      const ran = await daemon.docker(args, { input: at(data) });
      assertAnswered(ran, `${args[0]} cut at ${share}`);
      if (at(data).length > 0 && share < 0.9) assert.notEqual(ran.code, 0, `${args[0]} cut at ${share}: ${ran.stdout}`);
      await daemon.docker(['rmi', '-f', 'cut:1', 'cut:2', 'cut:3', 'cut:4']);
    }
    // The same, with the connection gone instead of a clean end.
    for (const path of [
      '/images/load',
      '/images/create?fromSrc=-&repo=cut',
      '/build?t=cut',
      '/containers/target/archive?path=/tmp',
    ]) {
      const socket = connect(daemon.socket);
      await once(socket, 'connect');
      socket.on('error', () => undefined);
      socket.write(
        `${path.includes('archive') ? 'PUT' : 'POST'} ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-tar\r\nContent-Length: ${whole.length}\r\n\r\n`,
      );
      socket.write(at(whole));
      await new Promise((resolve) => setTimeout(resolve, 20));
      socket.destroy();
    } // prettier-ignore
  }
  // Nine tenths of the archive for `load` are all of its members: what lacks is the zeros at the end.
  await daemon.docker(['rmi', '-f', 'cut:1']);
  assert.deepEqual(await daemon.ok(['images', '-q', 'cut']), '');
  await eventually('clean', async () => daemon.assertClean().then(() => true));
});

test(`an archive of ${ENTRIES} members`, { skip, timeout: 180_000 }, async () => {
  function* members(): Generator<Buffer> {
    const block = 2000;
    for (let at = 0; at < ENTRIES; at += block)
      yield makeTar(
        Array.from({ length: Math.min(block, ENTRIES - at) }, (_, i) => ({
          name: `d${(at + i) % 97}/f${(at + i) % 9973}`,
        })),
      ).subarray(0, -1024);
    yield Buffer.alloc(1024);
  } // prettier-ignore
  const ran = await responsive('many members', () =>
    daemon.docker(['import', '-', 'many:1'], { input: Readable.from(members()), timeoutMs: 150_000 }),
  );
  assert.equal(ran.code, 0, ran.stderr);
  await responsive('its removal', () => daemon.ok(['rmi', 'many:1']));
  await daemon.assertClean();
});

test('bombs: little that becomes much', { skip, timeout: 120_000 }, async (t) => {
  const zeros = gzipSync(Buffer.alloc(64 * 1024 * 1024));
  const bomb = Buffer.concat(Array.from({ length: 16 }, () => zeros));
  const image = makeImage({ layers: [[{ name: 'f', body: 'f' }]] });
  await t.test('a gigabyte of zeros to import', async () => {
    const ran = await responsive('import', () => daemon.docker(['import', '-', 'bomb:1'], { input: bomb }));
    assertAnswered(ran, 'import');
    await daemon.docker(['rmi', '-f', 'bomb:1']);
  });
  await t.test('a gigabyte of zeros to load', async () => {
    const ran = await responsive('load', () => daemon.docker(['load'], { input: bomb }));
    assert.equal(ran.code, 1);
    assertAnswered(ran, 'load');
  });
  await t.test('a configuration of a gigabyte', async () => {
    const header = makeTar([
      { name: 'manifest.json', body: '[{"Config":"c.json","RepoTags":[],"Layers":[]}]' },
    ]).subarray(0, 1024); // prettier-ignore
    const config = makeTar([{ name: 'c.json' }]).subarray(0, 512);
    config.write(`${(1024 ** 3).toString(8).padStart(11, '0')}\0`, 124);
    config.write('        ', 148);
    config.write(
      `${config
        .reduce((sum, byte) => sum + byte, 0)
        .toString(8)
        .padStart(6, '0')}\0 `,
      148,
    );
    const ran = await responsive('configuration', () =>
      daemon.docker(['load'], { input: Buffer.concat([gzipSync(Buffer.concat([header, config])), bomb]) }),
    );
    assert.equal(ran.code, 1, ran.stdout);
    assertAnswered(ran, 'configuration');
  });
  await t.test('a layer that is a bomb', async () => {
    const tar = makeTar([{ name: 'f', body: Buffer.alloc(64 * 1024 * 1024) }]);
    const fat = makeImage({ layers: [tar, tar] });
    const ran = await responsive('layer', () => daemon.docker(['load'], { input: ociArchive(fat, 'bomb:2') }));
    assertAnswered(ran, 'layer');
    await daemon.docker(['rmi', '-f', 'bomb:2']);
  });
  assert.ok(image);
  await daemon.assertClean();
});

/** A registry that answers as it is told. */
async function registry(answer: RequestListener): Promise<{ host: string } & AsyncDisposable> {
  const server = createServer(answer);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return {
    host: `127.0.0.1:${typeof address === 'object' ? address?.port : 0}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

test('manifests and registries that are huge, circular or lie', { skip, timeout: 120_000 }, async (t) => {
  const image = makeImage({ layers: [[{ name: 'f', body: 'f' }]] });
  const manifest = JSON.parse(image.manifest.data.toString());
  const json = (value: unknown, mediaType = image.manifest.mediaType): Blob => {
    const data = Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
    return { mediaType, data, digest: sha256(data), size: data.length };
  };
  const index = (entry: object): Blob =>
    json(
      { schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', manifests: [entry] },
      'application/vnd.oci.image.index.v1+json',
    ); // prettier-ignore
  const nested = (depth: number): readonly Blob[] => {
    const chain: Blob[] = [image.manifest];
    for (let at = 0; at < depth; at++) {
      const { mediaType, digest, size } = chain.at(-1) ?? image.manifest;
      chain.push(index({ mediaType, digest, size, platform: image.platform }));
    }
    return chain.toReversed();
  };
  const config = (change: object): readonly Blob[] => {
    const blob = json({ ...JSON.parse(image.config.data.toString()), ...change }, image.config.mediaType);
    return [json({ ...manifest, config: { mediaType: blob.mediaType, digest: blob.digest, size: blob.size } }), blob];
  };
  const layers = (change: object): Blob => json({ ...manifest, layers: [{ ...manifest.layers[0], ...change }] });
  const cases: Readonly<Record<string, readonly Blob[]>> = {
    'no JSON': [json('{"')],
    'deep JSON': [json(`${'['.repeat(200_000)}${']'.repeat(200_000)}`)],
    'ten megabytes': [json({ ...manifest, annotations: { a: 'x'.repeat(10_000_000) } })],
    'no layers field': [json({ schemaVersion: 2, mediaType: manifest.mediaType, config: manifest.config })],
    'layers that are no array': [json({ ...manifest, layers: { 0: 1 } })],
    'a hundred thousand layers': [
      json({ ...manifest, layers: Array.from({ length: 20_000 }, () => manifest.layers[0]) }),
    ],
    'a size below zero': [layers({ size: -1 })],
    'a size beyond all numbers': [layers({ size: 1e300 })],
    'a size that is text': [layers({ size: '12' })],
    'a size that is too small': [layers({ size: 3 })],
    'a size that is too large': [layers({ size: 1e12 })],
    'a digest that is a path': [layers({ digest: 'sha256:../../../../etc/passwd' })],
    'a digest of an unknown kind': [layers({ digest: 'md5:d41d8cd98f00b204e9800998ecf8427e' })],
    'a configuration that is null': [json({ ...manifest, config: null })],
    'an index that holds itself': [
      index({
        mediaType: 'application/vnd.oci.image.index.v1+json',
        digest: sha256(Buffer.from('self')),
        size: 300,
        platform: image.platform,
      }),
    ],
    'indexes fifty deep': nested(50),
    'too many diff IDs': config({
      rootfs: { type: 'layers', diff_ids: Array.from({ length: 5 }, () => image.diffIds[0]) },
    }),
    'another diff ID': config({ rootfs: { type: 'layers', diff_ids: [sha256(Buffer.from('else'))] } }),
    'no rootfs': config({ rootfs: undefined }),
    'a configuration of other types': config({
      config: { Env: 'A=b', Cmd: { a: 1 }, ExposedPorts: [1] },
      rootfs: 7,
      history: 'x',
    }),
    'schema 1': [
      json({ schemaVersion: 1, name: 'x', fsLayers: [] }, 'application/vnd.docker.distribution.manifest.v1+json'),
    ],
    'a web page': [json('<html>', 'text/html')],
  }; // prettier-ignore
  for (const [what, served] of Object.entries(cases))
    await t.test(what, async () => {
      const blobs = new Map([...served, image.config, ...image.layers].map((blob) => [blob.digest, blob]));
      const [top = image.manifest] = served;
      await using evilRegistry = await registry((incoming, outgoing) => {
        const last = incoming.url?.split('/').at(-1) ?? '';
        const blob = last === '1' ? top : blobs.get(decodeURIComponent(last));
        if (incoming.url === '/v2/') return void outgoing.end('{}');
        if (!blob) return void outgoing.writeHead(404).end('{}');
        outgoing.setHeader('content-type', blob.mediaType);
        outgoing.setHeader('docker-content-digest', blob.digest);
        outgoing.end(incoming.method === 'HEAD' ? undefined : blob.data);
      });
      const name = `${evilRegistry.host}/evil:1`;
      const ran = await responsive(what, () => daemon.docker(['pull', name], { timeoutMs: 30_000 }));
      assert.equal(ran.code, 1, `${what}: ${ran.stdout}`);
      assertAnswered(ran, what);
      assert.equal((await daemon.docker(['image', 'inspect', name])).code, 1);
    });

  const answers: Readonly<Record<string, RequestListener>> = {
    'an endless manifest': (incoming, out) => {
      out.setHeader('content-type', image.manifest.mediaType);
      if (incoming.method === 'HEAD') return void out.end();
      const more = (): void => {
        if (out.destroyed) return;
        if (out.write(Buffer.alloc(65536, ' '))) setImmediate(more);
        else out.once('drain', more);
      };
      more();
    },
    'redirects in a circle': (incoming, out) => void out.writeHead(307, { location: incoming.url ?? '/' }).end(),
    'a redirect to a file': (_in, out) => void out.writeHead(307, { location: 'file:///etc/passwd' }).end(),
    'a token server that is itself': (incoming, out) =>
      void out
        .writeHead(401, { 'www-authenticate': `Bearer realm="http://${incoming.headers.host}/token",service="x"` })
        .end(),
    'a connection that is cut': (_in, out) => void out.destroy(),
    'headers without end': (_in, out) => {
      for (let at = 0; at < 2000; at++) out.setHeader(`x-${at}`, 'y'.repeat(100));
      out.end();
    },
  }; // prettier-ignore
  for (const [what, answer] of Object.entries(answers))
    await t.test(what, async () => {
      await using evilRegistry = await registry(answer);
      const path = `/v1.51/images/create?fromImage=${evilRegistry.host}/evil&tag=1`;
      const answered = await responsive(what, () => daemon.api('POST', path, { timeoutMs: 60_000 }));
      const text = answered.body.toString();
      assert.ok(answered.status >= 400 || text.includes('errorDetail'), text);
      assert.doesNotMatch(text, /TypeError|undefined|root:x:0/);
    });
  await daemon.assertClean();
});

test('API bodies that are malformed, enormous, deep or slow', { skip, timeout: 120_000 }, async (t) => {
  const post = async (path: string, body: string | Buffer, headers: Record<string, string> = {}): Promise<number> => {
    const answer = await daemon.api('POST', path, {
      body,
      headers: { 'content-type': 'application/json', ...headers },
    });
    if (answer.status >= 400) assert.equal(typeof (answer.json() as { message?: unknown }).message, 'string', path);
    return answer.status;
  };
  const create = '/v1.51/containers/create';
  for (const [what, body] of Object.entries({
    'no JSON': '{',
    text: 'hello',
    'an array': '[]',
    'a number': '7',
    'not UTF-8': Buffer.from([0x22, 0xff, 0xfe, 0x22]),
    'wrong types': '{"Image":7,"Env":{"a":1},"HostConfig":[]}',
    'deep JSON': `{"Image":${'['.repeat(100_000)}${']'.repeat(100_000)}}`,
    'a prototype': '{"__proto__":{"Image":"busybox"},"constructor":{"prototype":{"x":1}},"Image":"nosuch"}',
    'a null byte': '{"Image":"busy\\u0000box"}',
    'many mebibytes': `{"Image":"${'x'.repeat(40_000_000)}"}`,
  }))
    await t.test(what, async () => {
      const status = await responsive(what, () => post(create, body));
      assert.ok(status >= 400 && status < 500, `${what}: ${status}`);
    });
  await t.test('names and paths that lead elsewhere', async () => {
    for (const path of [
      '/containers/..%2f..%2fetc/json',
      '/containers/%00/json',
      '/images/..%2f..%2fetc%2fpasswd/json',
      '/volumes/..%2f..%2fetc',
      '/networks/%2e%2e',
      '/v9.99/info',
      '/v1.51/%ff%fe',
      `/containers/${'x'.repeat(7000)}/json`,
    ]) {
      const { status } = await daemon.api('GET', path);
      assert.ok(status >= 400 && status < 500, `${path.slice(0, 60)}: ${status}`);
    }
    for (const body of [{ Name: '../../../evil' }, { Name: 'a/b' }, { Name: 'x'.repeat(5000) }])
      assert.equal(await post('/volumes/create', JSON.stringify(body)), 400);
  }); // prettier-ignore
  await t.test('requests that are no HTTP', async () => {
    for (const bytes of [
      '\0\0\0\0',
      'GET\r\n\r\n',
      `GET /_ping HTTP/1.1\r\n${'a'.repeat(200_000)}`,
      'POST /build HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n',
      'POST /build HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n',
    ]) {
      const socket = connect(daemon.socket);
      socket.on('error', () => undefined);
      socket.resume().end(bytes);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 5000);
        socket.once('close', () => {
          clearTimeout(timer);
          resolve();
        });
      });
      socket.destroy();
      assert.equal((await daemon.api('GET', '/_ping')).status, 200);
    }
  }); // prettier-ignore
  await t.test('two hundred clients that never finish their request', async () => {
    const idle = Array.from({ length: 200 }, () => {
      const socket = connect(daemon.socket);
      socket.on('error', () => undefined);
      socket.write(
        `POST ${create} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{`,
      );
      return socket;
    });
    await responsive('slow clients', async () => {
      await daemon.ok(['run', '--rm', '--network', 'none', 'busybox', 'true']);
    });
    for (const socket of idle) socket.destroy();
  }); // prettier-ignore
  await t.test('a client that never reads', async () => {
    const socket = connect(daemon.socket);
    socket.on('error', () => undefined);
    socket.pause();
    for (let at = 0; at < 500; at++) socket.write('GET /berth/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n');
    await responsive('a client that never reads', () => new Promise((resolve) => setTimeout(resolve, 500)));
    socket.destroy();
  });
  await t.test('a request without end', async () => {
    const outgoing = request({
      socketPath: daemon.socket,
      method: 'POST',
      path: create,
      headers: { 'content-type': 'application/json' },
    }); // prettier-ignore
    outgoing.on('error', () => undefined);
    const answered = once(outgoing, 'response');
    let sent = 0;
    const timer = setInterval(() => {
      if (outgoing.writableNeedDrain) return;
      sent += 1_000_000;
      outgoing.write(Buffer.alloc(1_000_000, ' '));
    }, 1);
    const [answer] = await responsive('endless', () => Promise.race([answered, once(outgoing, 'close')]));
    clearInterval(timer);
    outgoing.destroy();
    assert.ok(answer === undefined || answer.statusCode >= 400, `after ${sent} bytes`);
  });
  await daemon.assertClean();
});
