import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type TestContext, test } from 'node:test';
import { type EngineError, isKind } from '@berth/base';
import { createDigester, type Descriptor, digestOf, MEDIA_TYPES, readAll, verifyStream } from '@berth/oci';
import { parseChallenges } from './challenge.ts';
import { createRegistryClient, type RegistryClient } from './client.ts';
import { endpointsOf, isInsecure } from './endpoints.ts';
import type { RegistryClientOptions } from './options.ts';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

const LIMITS = { attempts: 3, backoffMs: 1, maxBackoffMs: 10, stallMs: 400, connectMs: 1000 };
const SECRET = 'hunter2-secret';

/** A registry that does whatever the test says, at 127.0.0.1. */
const serve = async (context: TestContext, handler: Handler): Promise<string> => {
  const server = createServer(handler).listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  return `127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
};

const clientFor = (context: TestContext, options: RegistryClientOptions = {}): RegistryClient => {
  const client = createRegistryClient({ certificateDirectories: [], limits: LIMITS, ...options });
  context.after(() => client[Symbol.asyncDispose]());
  return client;
};

const bytes = randomBytes(200_000);
const blob: Descriptor = { mediaType: MEDIA_TYPES.ociLayer, digest: digestOf(bytes), size: bytes.byteLength };
const manifestBytes = Buffer.from(
  JSON.stringify({
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociManifest,
    config: { ...blob, mediaType: MEDIA_TYPES.ociConfig },
    layers: [],
  }),
);
const manifest: Descriptor = {
  mediaType: MEDIA_TYPES.ociManifest,
  digest: digestOf(manifestBytes),
  size: manifestBytes.byteLength,
};

const download = async (client: RegistryClient, host: string): Promise<Uint8Array> =>
  readAll(verifyStream(await client.repository(`${host}/a`).fetch(blob), blob), 1e6);

const startOf = (request: IncomingMessage): number =>
  Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);

const sendFrom = (request: IncomingMessage, response: ServerResponse): Buffer => {
  const start = startOf(request);
  if (start > 0)
    response.writeHead(206, {
      'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}`,
      'content-length': bytes.length - start,
    });
  else response.writeHead(200, { 'content-length': bytes.length });
  return bytes.subarray(start);
};

test('a blob that breaks off is continued from the byte reached', async (context) => {
  const starts: number[] = [];
  const host = await serve(context, (request, response) => {
    starts.push(startOf(request));
    const rest = sendFrom(request, response);
    if (starts.length < 6) response.write(rest.subarray(0, 30_000), () => setTimeout(() => response.destroy(), 5));
    else response.end(rest);
  });
  const got = await download(clientFor(context), host);
  assert.ok(Buffer.from(got).equals(bytes));
  assert.ok(starts.length >= 6 && (starts[1] ?? 0) > 0, String(starts));
});

for (const chunked of [false, true])
  test(`a caller that is done with each chunk gets every byte, and memory back (${chunked ? 'chunked' : 'of known length'})`, async (context) => {
    const large = randomBytes(8_000_000);
    const layer = { mediaType: MEDIA_TYPES.ociLayer, digest: digestOf(large), size: large.byteLength };
    const host = await serve(context, (_request, response) => {
      if (!chunked) response.setHeader('content-length', large.byteLength);
      for (let at = 0; at < large.byteLength; at += 10_000) response.write(large.subarray(at, at + 10_000));
      response.end();
    });
    const repository = clientFor(context).repository(`${host}/a`);
    for (const transient of [true, false]) {
      const digester = createDigester('sha256');
      const seen: Uint8Array[] = [];
      for await (const chunk of await repository.fetch(layer, { transient })) {
        digester.update(chunk);
        seen.push(chunk);
      }
      assert.equal(digester.digest(), layer.digest);
      const taken = seen.filter(({ byteLength }) => byteLength === 0).length;
      if (!transient) assert.equal(taken, 0);
      else if (!chunked) assert.ok(taken > seen.length / 2, `${taken} of ${seen.length}`);
    }
  });

test('a registry without ranges is read again from the start, nothing is yielded twice', async (context) => {
  let calls = 0;
  const host = await serve(context, (_request, response) => {
    response.writeHead(200, { 'content-length': bytes.length });
    if (++calls === 1) response.write(bytes.subarray(0, 50_000), () => setTimeout(() => response.destroy(), 5));
    else response.end(bytes);
  });
  assert.ok(Buffer.from(await download(clientFor(context), host)).equals(bytes));
  assert.equal(calls, 2);
});

test('a transfer that makes no progress is given up', async (context) => {
  let calls = 0;
  const host = await serve(context, (request, response) => {
    calls++;
    sendFrom(request, response);
    response.flushHeaders();
    setTimeout(() => response.destroy(), 2);
  });
  await assert.rejects(download(clientFor(context), host), { kind: 'unavailable' });
  assert.ok(calls >= 3 && calls <= 12, String(calls));
});

test('a silent registry runs into the stall limit', async (context) => {
  const host = await serve(context, (request, response) => {
    sendFrom(request, response);
    response.write(Buffer.alloc(0));
    response.flushHeaders();
  });
  const client = clientFor(context, { limits: { ...LIMITS, attempts: 1, stallMs: 100 } });
  await assert.rejects(download(client, host), (error: EngineError) => error.message.includes('stopped sending data'));
});

test('wrong bytes, lying lengths and endless bodies are dataLoss', async (context) => {
  const wrong = await serve(context, (_request, response) => response.end(randomBytes(bytes.length)));
  await assert.rejects(download(clientFor(context), wrong), { kind: 'dataLoss' });
  const lying = await serve(context, (_request, response) => {
    response.writeHead(200, { 'content-length': 10 });
    response.end('0123456789');
  });
  await assert.rejects(download(clientFor(context), lying), { kind: 'dataLoss' });
  const endless = await serve(context, (_request, response) => {
    const more = (): void => {
      while (!response.destroyed && response.write(Buffer.alloc(65_536)));
    };
    response.on('drain', more);
    more();
  });
  await assert.rejects(download(clientFor(context), endless), { kind: 'dataLoss' });
});

test('manifests: wrong digest, endless, schema 1', async (context) => {
  let mode = 'wrong';
  const host = await serve(context, (request, response) => {
    if (request.method === 'HEAD') return void response.writeHead(405).end();
    if (mode === 'schema1') {
      response.writeHead(200, { 'content-type': MEDIA_TYPES.dockerSchema1Signed });
      return void response.end('{"schemaVersion":1}');
    }
    response.writeHead(200, { 'content-type': MEDIA_TYPES.ociManifest, 'docker-content-digest': blob.digest });
    if (mode === 'wrong') return void response.end(manifestBytes);
    const more = (): void => {
      while (!response.destroyed && response.write(Buffer.alloc(65_536, 32)));
    };
    response.on('drain', more);
    more();
  });
  const repository = clientFor(context).repository(`${host}/a`);
  await assert.rejects(repository.resolve('x'), { kind: 'dataLoss' });
  await assert.rejects(repository.resolve(blob.digest), { kind: 'dataLoss' });
  mode = 'endless';
  await assert.rejects(repository.resolve('x'), { kind: 'tooLarge' });
  mode = 'schema1';
  await assert.rejects(repository.resolve('x'), (error: EngineError) =>
    /schema 1, which is no longer supported/.test(error.message),
  );
});

test('429 with Retry-After and 5xx are tried again, then succeed', async (context) => {
  const statuses = [429, 503];
  const host = await serve(context, (request, response) => {
    const status = statuses.shift();
    if (status !== undefined) return void response.writeHead(status, { 'retry-after': '0' }).end();
    response.end(sendFrom(request, response));
  });
  assert.ok(Buffer.from(await download(clientFor(context), host)).equals(bytes));
});

test('a registry that stays broken is reported', async (context) => {
  const host = await serve(context, (_request, response) => void response.writeHead(500).end());
  await assert.rejects(download(clientFor(context), host), {
    kind: 'unavailable',
    message: 'received unexpected HTTP status: 500',
  });
});

test('redirects: followed without the Authorization header, loops end', async (context) => {
  const seen: (string | undefined)[] = [];
  const storage = await serve(context, (request, response) => {
    seen.push(request.headers.authorization);
    response.end(sendFrom(request, response));
  });
  const host = await serve(context, (request, response) => {
    if (request.headers.authorization === undefined)
      return void response.writeHead(401, { 'www-authenticate': 'Basic realm="r"' }).end();
    response.writeHead(307, { location: `http://${storage}/elsewhere?X-Signature=${SECRET}` }).end();
  });
  const credential = { username: 'me', password: SECRET };
  const client = clientFor(context, { credentials: async () => credential });
  assert.ok(Buffer.from(await download(client, host)).equals(bytes));
  assert.deepEqual(seen, [undefined]);
  const loop = await serve(
    context,
    (request, response) => void response.writeHead(302, { location: request.url ?? '/' }).end(),
  );
  await assert.rejects(download(clientFor(context), loop), /stopped after \d+ redirects/);
});

/** A registry with a token server: tokens are valid for `uses` requests. */
const tokenRegistry = async (context: TestContext, uses: number) => {
  const asked: string[] = [];
  let token = '';
  let left = 0;
  const host = await serve(context, (request, response) => {
    if (request.url?.startsWith('/token')) {
      let body = '';
      request.on('data', (chunk: Buffer) => {
        body += chunk.toString();
      });
      request.on('end', () => {
        asked.push(
          `${request.method} ${decodeURIComponent(request.url ?? '')} ${body} ${request.headers.authorization ?? '-'}`,
        );
        const basic = `Basic ${Buffer.from(`me:${SECRET}`).toString('base64')}`;
        const allowed = request.headers.authorization === basic || body.includes('refresh_token=refresh-me');
        if (!allowed) return void response.writeHead(401).end('{"details":"incorrect username or password"}');
        token = randomBytes(8).toString('hex');
        left = uses;
        response.end(JSON.stringify({ token, refresh_token: 'refresh-me' }));
      });
      return;
    }
    if (request.headers.authorization !== `Bearer ${token}` || left-- <= 0) {
      const challenge = `Bearer realm="http://${host}/token",service="test",scope="repository:a:pull"`;
      return void response
        .writeHead(401, { 'www-authenticate': challenge })
        .end('{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}');
    }
    if (request.url === '/v2/') return void response.end('{}');
    response.writeHead(200, {
      'content-type': manifest.mediaType,
      'docker-content-digest': manifest.digest,
      'content-length': manifest.size,
    });
    response.end(request.method === 'HEAD' ? undefined : manifestBytes);
  });
  return { host, asked };
};

test('bearer tokens: fetched once, refreshed when they stop working', async (context) => {
  const { host, asked } = await tokenRegistry(context, 2);
  const repository = clientFor(context, { credentials: async () => ({ username: 'me', password: SECRET }) }).repository(
    `${host}/a`,
  );
  for (let index = 0; index < 3; index++) assert.deepEqual(await repository.resolve('v1'), manifest);
  assert.equal(asked.length, 2);
  assert.match(asked[0] ?? '', /^GET \/token\?service=test&scope=repository:a:pull&account=me /);
});

test('identity tokens are exchanged by POST; wrong passwords are refused without showing them', async (context) => {
  const { host, asked } = await tokenRegistry(context, 5);
  const client = clientFor(context);
  await client.repository(`${host}/a`, { credential: { identityToken: 'refresh-me' } }).resolve('v1');
  assert.match(
    asked[0] ?? '',
    /^POST \/token grant_type=refresh_token&service=test&client_id=berth&scope=repository%3Aa%3Apull&refresh_token=refresh-me -/,
  );
  const bad = client.repository(`${host}/a`, { credential: { username: 'me', password: `${SECRET}-wrong` } });
  await assert.rejects(bad.resolve('v1'), (error: EngineError) => {
    assert.ok(!JSON.stringify([error.message, error.details, String(error.cause)]).includes(SECRET));
    assert.match(
      error.message,
      /^pull access denied for 127\.0\.0\.1:\d+\/a, repository does not exist or may require 'docker login': /,
    );
    return isKind(error, 'unauthorized');
  });
});

test('login returns the identity token, or says what is wrong', async (context) => {
  const { host } = await tokenRegistry(context, 5);
  const client = clientFor(context);
  assert.deepEqual(await client.login(host, { username: 'me', password: SECRET }), { identityToken: 'refresh-me' });
  await assert.rejects(client.login(host, { username: 'me', password: 'no' }), {
    kind: 'unauthorized',
    message: `Get "http://${host}/v2/": unauthorized: incorrect username or password`,
  });
});

test('nobody there, and denied, in docker words', async (context) => {
  const closed = createServer().listen(0, '127.0.0.1');
  await once(closed, 'listening');
  const address = closed.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  closed.close();
  const client = clientFor(context);
  await assert.rejects(client.repository(`127.0.0.1:${port}/a`).resolve('x'), {
    kind: 'unavailable',
    message: `Head "http://127.0.0.1:${port}/v2/a/manifests/x": dial tcp 127.0.0.1:${port}: connect: connection refused`,
  });
  const host = await serve(context, (request, response) => {
    response
      .writeHead(request.method === 'HEAD' ? 405 : 403)
      .end('{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}');
  });
  await assert.rejects(client.repository(`${host}/a`).resolve('x'), {
    kind: 'notFound',
    message: `pull access denied for ${host}/a, repository does not exist or may require 'docker login': denied: requested access to the resource is denied`,
  });
});

test('a token of too little scope is a denial', async (context) => {
  const host = await serve(context, (request, response) => {
    if (request.url?.startsWith('/token')) return void response.end('{"token":"weak"}');
    const failed = request.headers.authorization === undefined ? '' : ',error="insufficient_scope"';
    response.writeHead(401, { 'www-authenticate': `Bearer realm="http://${host}/token",service="x"${failed}` }).end();
  });
  await assert.rejects(clientFor(context).repository(`${host}/a`).resolve('x'), {
    kind: 'notFound',
    message: `pull access denied for ${host}/a, repository does not exist or may require 'docker login': denied: requested access to the resource is denied`,
  });
});

test('an aborted fetch ends as cancelled', async (context) => {
  const host = await serve(context, (request, response) => {
    response.write(sendFrom(request, response).subarray(0, 1000));
  });
  const controller = new AbortController();
  const stream = await clientFor(context).repository(`${host}/a`).fetch(blob, { signal: controller.signal });
  setTimeout(() => controller.abort(), 20);
  await assert.rejects(readAll(stream, 1e6), { kind: 'cancelled' });
});

test('endpoints: loopback and listed registries may be insecure, docker.io has mirrors', () => {
  const listed = ['registry.lan:5000', '10.0.0.0/8'];
  for (const domain of ['localhost', 'localhost:5000', '127.0.0.9:1', '[::1]:5000', 'registry.lan:5000', '10.1.2.3'])
    assert.equal(isInsecure(domain, listed), true, domain);
  for (const domain of ['registry.lan', 'docker.io', '11.0.0.1', 'localhost.evil.com'])
    assert.equal(isInsecure(domain, listed), false, domain);
  const bases = (domain: string): readonly string[] =>
    endpointsOf(domain, { insecureRegistries: [], mirrors: ['https://mirror.lan/x/'] }).map(({ base }) => base);
  assert.deepEqual(bases('docker.io'), ['https://mirror.lan/x', 'https://registry-1.docker.io']);
  assert.deepEqual(bases('quay.io'), ['https://quay.io']);
  assert.deepEqual(bases('localhost:5000'), ['https://localhost:5000', 'http://localhost:5000']);
});

test('challenges are parsed, malformed ones are survived', () => {
  assert.deepEqual(parseChallenges('Bearer realm="https://a/t?x=1,2",service="s \\"q\\"", Basic realm=plain'), [
    { scheme: 'bearer', parameters: { realm: 'https://a/t?x=1,2', service: 's "q"' } },
    { scheme: 'basic', parameters: { realm: 'plain' } },
  ]);
  for (const text of ['', ',,,', '"', 'Bearer realm="', '='.repeat(10_000)])
    assert.ok(Array.isArray(parseChallenges(text)));
});

test('parallel ranges: every byte once and in order, one that breaks is mended, no ranges no parallel', async (context) => {
  const seen: { starts: number[]; atOnce: number; most: number } = { starts: [], atOnce: 0, most: 0 };
  const mode = { ranges: true };
  const host = await serve(context, (request, response) => {
    const found = /bytes=(\d+)-(\d+)?/.exec(request.headers.range ?? '');
    const start = mode.ranges ? Number(found?.[1] ?? 0) : 0;
    const end = mode.ranges && found?.[2] !== undefined ? Number(found[2]) + 1 : bytes.length;
    seen.starts.push(start);
    seen.most = Math.max(seen.most, ++seen.atOnce);
    const partial = mode.ranges && found !== null;
    response.writeHead(partial ? 206 : 200, {
      'content-length': end - start,
      ...(partial ? { 'content-range': `bytes ${start}-${end - 1}/${bytes.length}` } : {}),
    });
    setTimeout(() => {
      seen.atOnce--;
      const cut = mode.ranges && seen.starts.length === 5;
      if (cut) response.write(bytes.subarray(start, start + 100), () => setTimeout(() => response.destroy(), 2));
      else response.end(bytes.subarray(start, end));
    }, 10);
  });
  const client = clientFor(context, { parallel: { connections: 3, partBytes: 30_000, minBytes: 100_000 } });
  assert.ok(Buffer.from(await download(client, host)).equals(bytes));
  assert.equal(seen.most, 3);
  const part = await client.repository(`${host}/a`).fetch(blob, { range: { start: 12_345, end: 150_000 } });
  assert.ok(Buffer.from(await readAll(part, 1e6)).equals(bytes.subarray(12_345, 150_000)));
  mode.ranges = false;
  seen.starts.length = 0;
  assert.ok(Buffer.from(await download(client, host)).equals(bytes));
  assert.deepEqual(seen.starts, [0]);
});
