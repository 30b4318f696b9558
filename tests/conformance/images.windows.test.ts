/** Images for Windows are stored and shipped like any other; running one is refused with a reason. Likewise what is too old to be read. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Blob, makeImage, makeIndex, sha256 } from '@berth/testkit';
import { missing, startDaemon, startRegistry, type TestDaemon, type TestRegistry } from '../harness/index.ts';
import { putBlob, putImage, putManifest } from './image-kit.ts';

const skip = missing('docker');
const WHY = 'image operating system "windows" cannot be used on this platform: Berth runs Linux containers';

let daemon: TestDaemon;
let registry: TestRegistry;
before(async () => {
  if (skip) return;
  registry = await startRegistry();
  daemon = await startDaemon();
});
after(async () => {
  if (skip) return;
  await daemon.assertClean();
  await daemon[Symbol.asyncDispose]();
  await registry[Symbol.asyncDispose]();
});

const json = (mediaType: string, value: unknown): Blob => {
  const data = Buffer.from(JSON.stringify(value));
  return { mediaType, digest: sha256(data), size: data.length, data };
};
const descriptor = ({ mediaType, digest, size }: Blob) => ({ mediaType, digest, size });

/** An image whose base layer may not be redistributed: it is where its manifest says, and nowhere else. */
const windowsImage = (base: string) => {
  const made = makeImage({
    format: 'docker',
    layers: [[{ name: 'Files/Windows/x.dll', body: 'base' }], [{ name: 'Files/app.exe', body: 'app' }]],
    platform: { os: 'windows', architecture: 'amd64', 'os.version': '10.0.20348.2655' } as never,
    config: { Cmd: ['c:\\\\app.exe'] },
  });
  const [lower, upper] = made.layers;
  assert.ok(lower && upper);
  const foreign = {
    ...descriptor(lower),
    mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
    urls: ['http://127.0.0.1:1/nobody', `${base}/layer`],
  };
  const { mediaType } = made.manifest;
  const layers = [foreign, descriptor(upper)];
  const manifest = json(mediaType, { schemaVersion: 2, mediaType, config: descriptor(made.config), layers });
  return { made, lower, upper, manifest };
};

test('an image for Windows: pull, inspect, history, save, load, push, and a refusal to run', { skip }, async () => {
  const served: string[] = [];
  let bytes: Buffer = Buffer.alloc(0);
  const server: Server = createServer((request, response) => {
    served.push(request.url ?? '');
    response.end(bytes);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const { made, lower, upper, manifest } = windowsImage(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    bytes = lower.data;
    for (const blob of [made.config, upper]) await putBlob(registry.host, 'win', blob);
    await putManifest(registry.host, 'win', '1', manifest);
    const name = `${registry.host}/win:1`;
    await daemon.ok(['pull', name]);
    assert.deepEqual(served, ['/layer'], 'the layer that the registry lacks came from elsewhere');
    const shown = await daemon.ok(['image', 'inspect', '-f', '{{.Id}} {{.Os}} {{.OsVersion}} {{.Architecture}}', name]);
    assert.equal(shown, `${manifest.digest} windows 10.0.20348.2655 amd64`);
    assert.equal((await daemon.ok(['history', '-q', name])).split('\n').length, 2);
    const archive = join(daemon.root, 'win.tar');
    await daemon.ok(['save', '-o', archive, name]);
    assert.ok(readFileSync(archive).includes(lower.data), 'what is stored is saved');
    await daemon.ok(['rmi', name]);
    await daemon.ok(['load', '-q', '-i', archive]);
    await daemon.ok(['tag', name, `${registry.host}/other:1`]);
    assert.match(await daemon.ok(['push', `${registry.host}/other:1`]), new RegExp(`digest: ${manifest.digest}`));
    const kept = await fetch(`http://${registry.host}/v2/other/blobs/${lower.digest}`, { method: 'HEAD' });
    assert.equal(kept.status, 404, 'what must not be redistributed is not pushed');
    for (const args of [
      ['create', name],
      ['create', '--platform', 'windows/amd64', name],
    ])
      assert.equal((await daemon.docker(args)).stderr.trim(), `Error response from daemon: ${WHY}`);
    const ran = await daemon.docker(['run', '--rm', name]);
    assert.deepEqual([ran.code, ran.stderr.split('\n')[0]], [125, `docker: Error response from daemon: ${WHY}`]);
    assert.equal(await daemon.ok(['ps', '-aq']), '');
    await daemon.assertClean();
    await daemon.ok(['rmi', name, `${registry.host}/other:1`]);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test('Linux and Windows in one index, side by side', { skip }, async () => {
  const linux = makeImage({ layers: [[{ name: 'x', body: 'linux' }]] });
  const windows = makeImage({
    layers: [[{ name: 'Files/x', body: 'windows' }]],
    platform: { os: 'windows', architecture: 'amd64' },
  });
  for (const image of [linux, windows]) await putImage(registry.host, 'both', image.manifest.digest, image);
  const index = makeIndex([linux, windows]);
  await putManifest(registry.host, 'both', '1', index);
  const name = `${registry.host}/both:1`;
  await daemon.ok(['pull', '-q', name]);
  await daemon.ok(['pull', '-q', '--platform', 'windows/amd64', name]);
  assert.equal(await daemon.ok(['image', 'inspect', '-f', '{{.Id}} {{.Os}}', name]), `${index.digest} linux`);
  assert.match((await daemon.docker(['create', '--platform', 'windows/amd64', name])).stderr, /Berth runs Linux/);
  assert.match(await daemon.ok(['push', name]), new RegExp(`digest: ${index.digest}`));
  await daemon.ok(['rmi', name]);
});

test('a manifest of schema 1 is refused in a sentence', { skip }, async () => {
  for (const mediaType of ['prettyjws', 'json'].map(
    (end) => `application/vnd.docker.distribution.manifest.v1+${end}`,
  )) {
    const body = JSON.stringify({ schemaVersion: 1, name: 'old', tag: '1', fsLayers: [], history: [] });
    const server = createServer((request, response) => {
      if (request.url === '/v2/') return void response.end('{}');
      response.writeHead(200, { 'content-type': mediaType, 'content-length': body.length });
      response.end(request.method === 'HEAD' ? undefined : body);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
      const ran = await daemon.docker(['pull', `${host}/old:1`]);
      assert.equal(ran.code, 1);
      assert.match(
        ran.stderr,
        /manifest version 2, schema 1, which is no longer supported: push it again with a current/,
      );
      const asked = await daemon.docker(['manifest', 'inspect', '--insecure', `${host}/old:1`]);
      assert.notEqual(asked.code, 0);
      const answer = await daemon.api('GET', `/distribution/${host}/old:1/json`);
      assert.equal(answer.status, 400);
      assert.match((answer.json() as { message: string }).message, /schema 1/);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  }
});
