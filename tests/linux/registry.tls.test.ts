import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo, connect as connectPlain, type Socket } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { connect } from 'node:tls';
import { promisify } from 'node:util';
import type { EngineError } from '@berth/base';
import { pushRandomImage } from '@berth/oci/contract';
import { createRegistryClient, type RegistryClientOptions } from '@berth/registry-client';
import { type RunningRegistry, startRegistry } from '@berth/registry-server';

const BASE = process.env['BERTH_TEST_TMP'] ?? '/dev/shm';
const run = promisify(execFile);

/** A certificate authority and certificates for a server (this address) and a client, as PEM files. */
const makeCertificates = async (directory: string): Promise<void> => {
  const openssl = (...args: readonly string[]) => run('openssl', [...args], { cwd: directory });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  await openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=test ca', '-days', '2');
  for (const [name, subject] of [
    ['server', '/CN=127.0.0.1'],
    ['client', '/CN=client'],
  ] as const)
    await openssl(
      ...['req', '-x509', ...key, '-CA', 'ca.pem', '-CAkey', 'ca.key', '-days', '2', '-subj', subject],
      ...[
        '-addext',
        'subjectAltName=IP:127.0.0.1,DNS:registry.test,DNS:index.docker.io',
        '-addext',
        'basicConstraints=CA:FALSE',
      ],
      ...['-keyout', `${name}.key`, '-out', `${name}.pem`],
    );
};

const openssl = await run('openssl', ['version']).then(
  () => true,
  () => false,
);
const skip = !openssl && 'openssl, which makes the certificates, is not installed';

/**
 * A proxy that takes every name for this host, and every port for the one given: names other than loopback's have their
 * certificates checked.
 */
const startTunnel = async (context: TestContext, everything?: number): Promise<string> => {
  const sockets = new Set<Socket>();
  const server = createServer().on('connect', (request, socket: Socket) => {
    const target = connectPlain(everything ?? Number(request.url?.split(':')[1]), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      target.pipe(socket).pipe(target);
    });
    for (const each of [socket, target]) sockets.add(each.on('error', () => target.destroy()));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => {
    for (const socket of sockets) socket.destroy();
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};

const setUp = async (context: TestContext, mutual: boolean) => {
  const root = await mkdtemp(join(BASE, 'berth-test-'));
  await makeCertificates(root);
  const read = (name: string): Promise<string> => readFile(join(root, name), 'utf8');
  const registry: RunningRegistry = await startRegistry({
    root: join(root, 'registry'),
    tls: {
      cert: await read('server.pem'),
      key: await read('server.key'),
      ...(mutual ? { clientCa: await read('ca.pem') } : {}),
    },
    credential: { username: 'me', password: 'pass word' },
  });
  context.after(async () => {
    await registry.close();
    await rm(root, { recursive: true, force: true });
  });
  const client = (options: RegistryClientOptions = {}) => {
    const made = createRegistryClient({
      certificateDirectories: [join(root, 'certs.d')],
      credentials: async () => ({ username: 'me', password: 'pass word' }),
      limits: { attempts: 1 },
      ...options,
    });
    context.after(() => made[Symbol.asyncDispose]());
    return made;
  };
  const install = async (...names: readonly (readonly [string, string])[]): Promise<void> =>
    installFor(registry.host, ...names);
  const installFor = async (host: string, ...names: readonly (readonly [string, string])[]): Promise<void> => {
    const directory = join(root, 'certs.d', host);
    await mkdir(directory, { recursive: true });
    for (const [from, to] of names) await cp(join(root, from), join(directory, to));
  };
  return { registry, client, install, installFor };
};

test('a registry with TLS and basic authentication on loopback needs no certificate set-up', {
  skip,
}, async (context) => {
  const { registry, client } = await setUp(context, false);
  const repository = client().repository(`${registry.host}/a`);
  const { manifest } = await pushRandomImage(repository);
  await repository.tag(manifest, 'v1');
  assert.deepEqual(await repository.resolve('v1'), manifest);
  const anonymous = client({ credentials: async () => undefined }).repository(`${registry.host}/a`);
  await assert.rejects(anonymous.resolve('v1'), (error: EngineError) => {
    assert.match(error.message, /^pull access denied for .*: unauthorized: authentication required$/);
    return error.kind === 'unauthorized';
  });
  const wrong = client().login(registry.host, { username: 'me', password: 'no' });
  await assert.rejects(wrong, { kind: 'unauthorized', message: /failed with status: 401 Unauthorized$/ });
  assert.deepEqual(await client().login(registry.host, { username: 'me', password: 'pass word' }), {});
});

test('a client that leaves in the handshake does not keep the server from closing', { skip }, async (context) => {
  const { registry, client } = await setUp(context, false);
  const socket = connect({ port: registry.port, host: '127.0.0.1' });
  await once(socket, 'error');
  await assert.rejects(client().repository(`${registry.host}/a`).resolve('v1'), { kind: 'notFound' });
  await registry.close();
});

test('client certificates come from the certificate directory', { skip }, async (context) => {
  const { registry, client, install } = await setUp(context, true);
  await assert.rejects(client().repository(`${registry.host}/a`).resolve('v1'), { kind: 'unavailable' });
  await install(['ca.pem', 'ca.crt'], ['client.pem', 'client.cert'], ['client.key', 'client.key']);
  await assert.rejects(client().repository(`${registry.host}/a`).resolve('v1'), { kind: 'notFound' });
});

test('a registry elsewhere needs a certificate that somebody known signed, for its name', { skip }, async (context) => {
  const { registry, client, installFor } = await setUp(context, false);
  const proxies = { https: await startTunnel(context) };
  const resolve = (host: string, options: RegistryClientOptions = {}) =>
    client({ proxies, ...options })
      .repository(`${host}:${registry.port}/a`)
      .resolve('v1');
  const unknown = { kind: 'unavailable', message: /x509: certificate signed by unknown authority$/ } as const;
  await assert.rejects(resolve('registry.test'), unknown);
  await installFor(`registry.test:${registry.port}`, ['ca.pem', 'ca.crt']);
  await installFor(`other.test:${registry.port}`, ['ca.pem', 'ca.crt']);
  await assert.rejects(resolve('registry.test'), { kind: 'notFound' });
  await assert.rejects(resolve('other.test'), {
    kind: 'unavailable',
    message: /tls: failed to verify certificate: x509: /,
  });
  await assert.rejects(resolve('third.test'), unknown);
  await assert.rejects(resolve('third.test', { insecureRegistries: [`third.test:${registry.port}`] }), {
    kind: 'notFound',
  });
});

test('a client certificate without its key, and a broken certificate, are said to be so', { skip }, async (context) => {
  const { registry, client, install } = await setUp(context, true);
  await install(['client.pem', 'client.cert']);
  await assert.rejects(client().repository(`${registry.host}/a`).resolve('v1'), {
    message: /missing key client\.key for client certificate client\.cert in /,
  });
  await install(['ca.pem', 'client.key']);
  await assert.rejects(client().repository(`${registry.host}/a`).resolve('v1'), { kind: 'unavailable' });
});

test('a search without a host asks the index of Docker Hub, by TLS and with the credential', {
  skip,
}, async (context) => {
  const { registry, client, installFor } = await setUp(context, false);
  const proxies = { https: await startTunnel(context, registry.port) };
  const credential = { username: 'me', password: 'pass word' };
  await pushRandomImage(client().repository(`${registry.host}/my/box`));
  await assert.rejects(client({ proxies }).search('box', { credential }), { kind: 'unavailable', message: /x509/ });
  await installFor('index.docker.io', ['ca.pem', 'ca.crt']);
  assert.deepEqual(await client({ proxies }).search('box', { credential }), [
    { name: 'my/box', description: '', stars: 0, official: false },
  ]);
  await assert.rejects(client({ proxies }).search('box'), { message: 'unexpected status code 401' });
});
