import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, request as forward } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { EngineError } from '@berth/base';
import { type Descriptor, digestOf, MEDIA_TYPES, readAll, streamOf, verifyStream } from '@berth/oci';
import { pushRandomImage } from '@berth/oci/contract';
import { createRegistryClient, type RegistryClientOptions } from '@berth/registry-client';
import { type StartRegistryOptions, startRegistry } from '@berth/registry-server';
import { startBrokenRegistry } from '@berth/registry-server/broken';

const BASE = process.env['BERTH_TEST_TMP'] ?? '/dev/shm';
const LIMITS = { attempts: 3, backoffMs: 1, maxBackoffMs: 50, stallMs: 500, connectMs: 1000 };
const SECRET = 'proxy-pass-word';

const temporary = async (context: TestContext): Promise<string> => {
  const root = await mkdtemp(join(BASE, 'berth-test-'));
  context.after(() => rm(root, { recursive: true, force: true }));
  return root;
};

const serve = async (context: TestContext, options: Partial<StartRegistryOptions> = {}) => {
  const registry = await startRegistry({ root: await temporary(context), ...options });
  context.after(() => registry.close());
  return registry;
};

const clientOf = (context: TestContext, options: RegistryClientOptions = {}) => {
  const client = createRegistryClient({ certificateDirectories: [], limits: LIMITS, ...options });
  context.after(() => client[Symbol.asyncDispose]());
  return client;
};

const blobOf = (bytes: Uint8Array): Descriptor => ({
  mediaType: MEDIA_TYPES.ociLayer,
  digest: digestOf(bytes),
  size: bytes.byteLength,
});

test('credentials that expire in the middle of a long push are renewed', async (context) => {
  const access = { users: { me: 'x' }, tokens: { lifeMs: 120 } };
  const registry = await serve(context, { access });
  const client = clientOf(context, { credentials: async () => ({ username: 'me', password: 'x' }) });
  const bytes = randomBytes(6000);
  for (const chunkBytes of [undefined, 1000]) {
    const repository = client.repository(`${registry.host}/a`, chunkBytes === undefined ? {} : { chunkBytes });
    const slowly = async function* (from: number): AsyncIterable<Uint8Array> {
      for (let at = from; at < bytes.length; at += 1000) {
        await new Promise((resolve) => setTimeout(resolve, 60));
        yield bytes.subarray(at, at + 1000);
      }
    };
    await repository.pushFrom(blobOf(bytes), async (offset) => slowly(offset));
    assert.ok(await repository.exists(blobOf(bytes)));
    await repository.delete(blobOf(bytes));
  }
});

test('a token that is revoked while it looks valid: the upload begins again with a new one', async (context) => {
  const registry = await serve(context, { access: { users: { me: 'x' }, tokens: { lifeMs: 60_000 } } });
  const broken = await startBrokenRegistry(registry.host);
  context.after(() => broken.close());
  const client = clientOf(context, { credentials: async () => ({ username: 'me', password: 'x' }) });
  let revoked = 0;
  broken.plan = ({ method }) => {
    if (method !== 'PUT' || revoked++ > 0) return undefined;
    const challenge = `Bearer realm="http://${broken.host}/token",service="berth-registry"`;
    return { type: 'answer', status: 401, headers: { 'www-authenticate': challenge } };
  };
  const bytes = randomBytes(500_000);
  const repository = client.repository(`${broken.host}/a`);
  await repository.pushFrom(blobOf(bytes), async (offset) => streamOf(bytes.subarray(offset)));
  assert.equal(revoked, 2);
  assert.ok(await repository.exists(blobOf(bytes)));
});

test('a login gives an identity token that does without the password', async (context) => {
  const registry = await serve(context, { access: { users: { me: 'x' }, tokens: { lifeMs: 50 } } });
  const client = clientOf(context);
  const { identityToken } = await client.login(registry.host, { username: 'me', password: 'x' });
  assert.ok(identityToken !== undefined);
  const repository = client.repository(`${registry.host}/a`, { credential: { identityToken } });
  const { manifest } = await pushRandomImage(repository);
  await new Promise((resolve) => setTimeout(resolve, 80));
  await repository.tag(manifest, 'v1');
  assert.deepEqual(await repository.resolve('v1'), manifest);
  const bad = client.repository(`${registry.host}/a`, { credential: { identityToken: 'made up' } });
  await assert.rejects(bad.resolve('v1'), { kind: 'unauthorized' });
});

test('mirrors of any registry: asked first, with the path and the name they want', async (context) => {
  const origin = await serve(context);
  const cache = await serve(context);
  const mirror = await startBrokenRegistry(cache.host);
  context.after(() => mirror.close());
  const direct = clientOf(context);
  const { manifest } = await pushRandomImage(direct.repository(`${cache.host}/proxy/of/a`));
  await direct.repository(`${cache.host}/proxy/of/a`).tag(manifest, 'v1');
  const client = clientOf(context, {
    registries: { [origin.host]: { mirrors: [`http://${mirror.host}/v2/proxy/of`] } },
  });
  const repository = client.repository(`${origin.host}/a`);
  assert.deepEqual(await repository.resolve('v1'), manifest);
  assert.equal(mirror.seen.at(-1)?.path, `/v2/proxy/of/a/manifests/v1?ns=${encodeURIComponent(origin.host)}`);
  // Pushes go to the registry itself.
  const before = mirror.seen.length;
  await pushRandomImage(repository);
  assert.equal(mirror.seen.length, before);
  for (const bad of ['ftp://x', 'http://me:secret@x', 'nonsense', 'http://x?y'])
    assert.throws(
      () => createRegistryClient({ registries: { a: { mirrors: [bad] } } }),
      (error: Error) => /invalid mirror/.test(error.message) && !error.message.includes('secret'),
    );
});

test('a mirror that is down, lacks the image, or lies leads to the registry, also in the middle of a blob', async (context) => {
  const origin = await serve(context);
  const cache = await serve(context);
  const mirror = await startBrokenRegistry(cache.host);
  context.after(() => mirror.close());
  const direct = clientOf(context);
  const bytes = randomBytes(300_000);
  const { manifest } = await pushRandomImage(direct.repository(`${origin.host}/a`));
  await direct.repository(`${origin.host}/a`).tag(manifest, 'v1');
  for (const { host } of [origin, cache]) await direct.repository(`${host}/a`).push(blobOf(bytes), streamOf(bytes));
  const client = clientOf(context, { registries: { [origin.host]: { mirrors: [`http://${mirror.host}`] } } });
  const blob = async (): Promise<void> => {
    const stream = await client.repository(`${origin.host}/a`).fetch(blobOf(bytes));
    assert.ok(Buffer.from(await readAll(verifyStream(stream, blobOf(bytes)), 1e6)).equals(bytes));
  };
  const resolves = async (): Promise<void> =>
    assert.deepEqual(await client.repository(`${origin.host}/a`).resolve('v1'), manifest);
  // It lacks the image.
  await resolves();
  for (const fault of [
    { type: 'cutBody', after: 100_000 },
    { type: 'cut', after: 10 },
    { type: 'length', by: 5 },
    { type: 'hang' },
    { type: 'answer', status: 500 },
    { type: 'answer', status: 429, headers: { 'retry-after': '3600' } },
    { type: 'answer', status: 307, headers: { location: 'http://169.254.169.254/' } },
    { type: 'endless' },
  ] as const) {
    mirror.plan = () => fault;
    const before = mirror.seen.length;
    // Wrong bytes are noticed at the end only; the error says that a second try asks somebody else.
    if (fault.type === 'endless') await assert.rejects(blob(), { kind: 'dataLoss', details: { elsewhere: true } });
    await blob();
    await resolves();
    assert.ok(mirror.seen.length > before, JSON.stringify(fault));
  }
  const reached = mirror.seen.length;
  await mirror.close();
  await blob();
  await resolves();
  assert.equal(mirror.seen.length, reached);
});

/** A forward proxy that takes every name for this host; `names` are those it was asked for. */
const startProxy = async (context: TestContext, options: { readonly credential?: string } = {}) => {
  const asked: string[] = [];
  const sockets = new Set<Socket>();
  const expected = options.credential && `Basic ${Buffer.from(options.credential).toString('base64')}`;
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    if (expected !== undefined && request.headers['proxy-authorization'] !== expected)
      return void response.writeHead(407).end();
    const url = new URL(request.url ?? '');
    const { 'proxy-authorization': _, ...headers } = request.headers;
    const outgoing = forward({
      host: '127.0.0.1',
      port: url.port,
      path: url.pathname + url.search,
      method: request.method,
      headers,
      agent: false,
    });
    outgoing.once('response', (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    });
    outgoing.once('error', () => response.destroy());
    request.pipe(outgoing);
  });
  server.on('connection', (socket) => void sockets.add(socket.on('error', () => undefined)));
  server.on('connect', (request, socket: Socket) => {
    asked.push(`CONNECT ${request.url}`);
    if (expected !== undefined && request.headers['proxy-authorization'] !== expected)
      return void socket.end('HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n');
    const target = connect(Number(request.url?.split(':')[1]), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      target.pipe(socket).pipe(target);
    });
    sockets.add(target.on('error', () => socket.destroy()));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
};

test('proxies: names are theirs to resolve, credentials go to them alone and are shown nowhere', async (context) => {
  const registry = await serve(context);
  const proxy = await startProxy(context, { credential: `me:${SECRET}` });
  const name = `registry.test:${registry.port}`;
  const lines: string[] = [];
  const log = (...args: readonly unknown[]): void => void lines.push(JSON.stringify(args, replaceError));
  const logger = { debug: log, info: log, warn: log, error: log, fatal: log, child: () => logger };
  const options = (uri: string) => ({
    proxies: { http: uri, https: uri },
    insecureRegistries: [name],
    logger: logger as never,
  });
  const client = clientOf(context, options(`http://me:${SECRET}@${proxy.host}`));
  const repository = client.repository(`${name}/a`);
  const { manifest } = await pushRandomImage(repository, { layers: 4, layerSize: 10_000 });
  await repository.tag(manifest, 'v1');
  assert.deepEqual(await repository.resolve('v1'), manifest);
  assert.ok(proxy.asked.includes(`CONNECT ${name}`), 'HTTPS is tried first, by a tunnel');
  assert.ok(proxy.asked.includes(`HEAD http://${name}/v2/a/manifests/v1`));
  const refused = clientOf(context, options(`http://me:${SECRET}-wrong@${proxy.host}`));
  await assert.rejects(refused.repository(`${name}/a`).resolve('v1'), (error: EngineError) => {
    lines.push(JSON.stringify([error.message, error.details, String(error.cause)]));
    return error.kind === 'unavailable' && /roxy/.test(error.message);
  });
  assert.ok(
    !lines.some((line) => line.includes(SECRET) || line.includes(Buffer.from(`me:${SECRET}`).toString('base64'))),
  );
  const asked = proxy.asked.length;
  const direct = clientOf(context, { proxies: { http: `http://${proxy.host}`, none: '' } });
  await direct.repository(`${registry.host}/a`).resolve('v1');
  assert.equal(proxy.asked.length, asked, 'loopback is reached directly');
});

const replaceError = (_key: string, value: unknown): unknown =>
  value instanceof Error ? [value.message, value.stack, value.cause, { ...value }] : value;

test('what a registry leads to must not be further inside than it is', async (context) => {
  const inside = await serve(context);
  const registry = await serve(context);
  const broken = await startBrokenRegistry(registry.host);
  context.after(() => broken.close());
  const proxy = await startProxy(context);
  const bytes = randomBytes(100);
  for (const { host } of [inside, registry])
    await clientOf(context).repository(`${host}/a`).push(blobOf(bytes), streamOf(bytes));
  // Through the proxy the registry has a name that does not resolve here: one of the Internet, as far as we know.
  const name = `registry.test:${broken.host.split(':')[1]}`;
  const client = clientOf(context, { proxies: { http: `http://${proxy.host}` }, insecureRegistries: [name] });
  const fetched = async (location: string, repository = client.repository(`${name}/a`)): Promise<Uint8Array> => {
    broken.plan = ({ path }) =>
      path.includes('/blobs/') ? { type: 'answer', status: 307, headers: { location } } : undefined;
    return readAll(await repository.fetch(blobOf(bytes)), 1000);
  };
  const path = `/v2/a/blobs/${digestOf(bytes)}`;
  const port = inside.port;
  for (const target of [`127.0.0.1:${port}`, `localhost:${port}`, `[::1]:${port}`, '10.0.0.1', '169.254.169.254'])
    await assert.rejects(fetched(`http://${target}${path}`), {
      kind: 'forbidden',
      message: /only reachable from inside/,
    });
  // A registry on this host may lead to this host; what the operator listed may be anywhere.
  const local = clientOf(context).repository(`${broken.host}/a`);
  assert.ok(Buffer.from(await fetched(`http://${inside.host}${path}`, local)).equals(bytes));
  const listed = clientOf(context, {
    proxies: { http: `http://${proxy.host}` },
    insecureRegistries: [name, inside.host],
  });
  assert.ok(Buffer.from(await fetched(`http://${inside.host}${path}`, listed.repository(`${name}/a`))).equals(bytes));
  // The same for token servers: no password goes there.
  broken.plan = () => ({
    type: 'answer',
    status: 401,
    headers: { 'www-authenticate': `Bearer realm="http://${inside.host}/token",service="x"` },
  });
  const credential = { username: 'me', password: SECRET };
  await assert.rejects(client.repository(`${name}/a`, { credential }).fetch(blobOf(bytes)), { kind: 'forbidden' });
});
