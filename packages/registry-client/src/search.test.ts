import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { createRegistryClient } from './client.ts';
import { splitTerm } from './search.ts';

const LIMITS = { attempts: 2, backoffMs: 1, maxBackoffMs: 10, stallMs: 400, connectMs: 1000 };

/** A search service that gives one answer and keeps what it was asked. */
const serve = async (context: TestContext, status: number, body: string) => {
  const seen: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    seen.push(request);
    response.writeHead(request.url === '/v1/_ping' ? 404 : status);
    response.end(request.url === '/v1/_ping' ? '' : body);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = createRegistryClient({ certificateDirectories: [], limits: LIMITS });
  context.after(async () => {
    await client[Symbol.asyncDispose]();
    server.closeAllConnections();
    server.close();
  });
  return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, seen, client };
};

test('a term is taken apart into host and words', () => {
  assert.deepEqual(splitTerm('busybox'), { domain: 'docker.io', words: 'busybox' });
  assert.deepEqual(splitTerm('me/box'), { domain: 'docker.io', words: 'me/box' });
  assert.deepEqual(splitTerm('library/box'), { domain: 'docker.io', words: 'box' });
  assert.deepEqual(splitTerm('docker.io/library/box'), { domain: 'docker.io', words: 'box' });
  assert.deepEqual(splitTerm('index.docker.io/box'), { domain: 'docker.io', words: 'box' });
  assert.deepEqual(splitTerm('localhost/library/box'), { domain: 'localhost', words: 'library/box' });
  assert.deepEqual(splitTerm('host:5000/a/b c'), { domain: 'host:5000', words: 'a/b c' });
  assert.throws(() => splitTerm('https://host/a'), {
    kind: 'invalid',
    message: 'invalid repository name: repository name (https://host/a) should not have a scheme',
  });
});

test('what a registry answers becomes hits, whatever fields it leaves out', async (context) => {
  const results = [
    { name: 'a', description: 'd', star_count: 3, is_official: true },
    { name: 'b', star_count: 'many' },
  ];
  const { host, seen, client } = await serve(context, 200, JSON.stringify({ results, more: 1 }));
  assert.deepEqual(await client.search(`${host}/a b&c`, { headers: { 'x-meta-one': '1' } }), [
    { name: 'a', description: 'd', stars: 3, official: true },
    { name: 'b', description: '', stars: 0, official: false },
  ]);
  const asked = seen.at(-1);
  assert.equal(asked?.url, '/v1/search?q=a+b%26c&n=25');
  assert.equal(asked?.headers['x-docker-token'], 'true');
  assert.equal(asked?.headers['x-meta-one'], '1');
  assert.equal(asked?.headers.authorization, undefined);
  await client.search(`${host}/a`, { limit: 7, credential: { username: 'me', password: 'secret' } });
  assert.equal(seen.at(-1)?.url, '/v1/search?q=a&n=7');
  assert.equal(seen.at(-1)?.headers.authorization, `Basic ${Buffer.from('me:secret').toString('base64')}`);
});

test('limits, refusals and nonsense', async (context) => {
  const { host, client } = await serve(context, 404, '{}');
  for (const limit of [-1, 101])
    await assert.rejects(client.search(`${host}/a`, { limit }), {
      kind: 'invalid',
      message: `limit ${limit} is outside the range of [1, 100]`,
    });
  await assert.rejects(client.search(`${host}/a`), { kind: 'unavailable', message: 'unexpected status code 404' });
  for (const body of ['', 'nothing', '[]x', '3', '{"results":{}}', '{"results":[null]}', '"x"']) {
    const odd = await serve(context, 200, body);
    await assert.rejects(odd.client.search(`${odd.host}/a`), {
      kind: 'unavailable',
      message: 'error decoding registry search results',
    });
  }
  const endless = await serve(context, 200, 'x'.repeat(5 * 1024 * 1024));
  await assert.rejects(endless.client.search(`${endless.host}/a`), { kind: 'unavailable' });
});

test('nobody there', async (context) => {
  const { client } = await serve(context, 200, '{}');
  await assert.rejects(client.search('127.0.0.1:1/a'), {
    kind: 'invalid',
    message:
      /^invalid registry endpoint "http:\/\/127\.0\.0\.1:1\/v1\/"\. HTTPS attempt: Get "https:\/\/127\.0\.0\.1:1\/v1\/_ping": dial tcp .*connection refused\. HTTP attempt: .*connection refused$/,
  });
});
