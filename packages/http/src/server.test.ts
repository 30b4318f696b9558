import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { conflict, isKind, notModified, tooLarge } from '@berth/base';
import type { Exchange, Route } from './exchange.ts';
import { bindAddress, createHttpServer, type HttpServerOptions } from './server.ts';
import { writeTo } from './writable.ts';

const BASE = process.env['BERTH_TEST_TMP'] ?? '/dev/shm';

interface Started {
  readonly url: string;
  readonly port: number;
  readonly close: (deadlineMs?: number) => Promise<void>;
}

const start = async (
  context: TestContext,
  routes: readonly Route[],
  options: Partial<HttpServerOptions<undefined>> = {},
): Promise<Started> => {
  const server = createHttpServer({
    routes,
    rewrite: ({ path }) => ({ path: path.replace(/^\/v1\.\d+/, ''), context: undefined }),
    ...options,
  });
  context.after(() => server.close());
  const { port = 0 } = await server.listen({ type: 'tcp', host: '127.0.0.1', port: 0 });
  return { url: `http://127.0.0.1:${port}`, port, close: (deadlineMs = 0) => server.close({ deadlineMs }) };
};

const get = (pattern: string, handler: (exchange: Exchange) => Promise<void>): Route => ({
  method: 'GET',
  pattern,
  handler,
});
const post = (pattern: string, handler: (exchange: Exchange) => Promise<void>, upgrade = false): Route => ({
  method: 'POST',
  pattern,
  handler,
  upgrade,
});

/** A raw client: everything received so far, and waiting for a text to show up. */
const dial = async (port: number) => {
  const socket: Socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  let text = '';
  let ended = false;
  const waiters = new Set<() => void>();
  const wake = (): void => {
    for (const waiter of waiters) waiter();
  };
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
    wake();
  });
  socket.on('end', () => {
    ended = true;
    wake();
  });
  socket.on('error', () => undefined);
  socket.on('close', () => {
    ended = true;
    wake();
  });
  await new Promise((resolve) => socket.once('connect', resolve));
  const until = (done: () => boolean): Promise<void> =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`timed out, got ${JSON.stringify(text)}`)), 3000);
      const check = (): void => {
        if (!done()) return;
        waiters.delete(check);
        clearTimeout(timer);
        resolve();
      };
      waiters.add(check);
      check();
    });
  return {
    socket,
    text: () => text,
    sees: (part: string) => until(() => text.includes(part)),
    end: () => until(() => ended),
  };
};

test('routing: fixed, single and multi segment names, version prefix, HEAD, repeated query keys', async (context) => {
  const names = async ({ params, query, reply }: Exchange): Promise<void> =>
    reply.json(200, { ...params, t: query.getAll('t') });
  const { url } = await start(context, [
    get('/images/{name:.*}/json', names),
    get('/images/json', async ({ reply }) => reply.json(200, 'list')),
    get('/containers/{id}/json', names),
  ]);
  const read = async (path: string): Promise<unknown> => (await fetch(url + path)).json();
  assert.deepEqual(await read('/v1.44/images/host:5000/a/b/json?t=1&t=2'), { name: 'host:5000/a/b', t: ['1', '2'] });
  assert.deepEqual(await read('/images/a%2Fb/json'), { name: 'a/b', t: [] });
  assert.equal(await read('/images/json'), 'list');
  assert.deepEqual(await read('/containers/x/json'), { id: 'x', t: [] });
  const head = await fetch(`${url}/containers/x/json`, { method: 'HEAD' });
  assert.equal(head.status, 200);
  assert.equal(await head.text(), '');
  assert.deepEqual(await read('/nope'), { message: 'page not found' });
  assert.equal((await fetch(`${url}/containers/a/b/json`)).status, 404);
  assert.equal((await fetch(`${url}/containers/%zz/json`)).status, 400);
});

test('errors are answered from the one table', async (context) => {
  const raise = (error: Error) => async (): Promise<void> => {
    throw error;
  };
  const { url } = await start(context, [
    get('/conflict', raise(conflict('in use'))),
    get('/same', raise(notModified('already'))),
    get('/bug', raise(new Error('oops'))),
  ]);
  const answer = await fetch(`${url}/conflict`);
  assert.equal(answer.status, 409);
  assert.deepEqual(await answer.json(), { message: 'in use' });
  const same = await fetch(`${url}/same`);
  assert.deepEqual([same.status, await same.text()], [304, '']);
  assert.equal((await fetch(`${url}/bug`)).status, 500);
});

test('JSON bodies: read, malformed 400, too large 413, too slow 400', async (context) => {
  const { url, port } = await start(
    context,
    [post('/echo', async ({ body, reply }) => reply.json(200, { got: await body.json() }))],
    { limits: { bodyBytes: 1000, bodyMs: 150 } },
  );
  const send = async (body: string, type = 'application/json'): Promise<readonly [number, unknown]> => {
    const answer = await fetch(`${url}/echo`, { method: 'POST', body, headers: { 'content-type': type } });
    return [answer.status, await answer.json()];
  };
  assert.deepEqual(await send('{"a":1}'), [200, { got: { a: 1 } }]);
  assert.deepEqual(await send('{"a":1}', 'Application/JSON; charset=utf-8'), [200, { got: { a: 1 } }]);
  const foreign = "unsupported Content-Type header (text/plain): must be 'application/json'";
  assert.deepEqual(await send('{"a":1}', 'text/plain'), [400, { message: foreign }]);
  assert.deepEqual(await send('{} x'), [400, { message: 'unexpected content after JSON' }]);
  assert.deepEqual(await send(''), [200, {}]);
  assert.equal((await send('{"a":'))[0], 400);
  assert.equal((await send(JSON.stringify('x'.repeat(2000))))[0], 413);
  const slow = await dial(port);
  slow.socket.write('POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{');
  await slow.sees('400 Bad Request');
  slow.socket.destroy();
  const endless = await dial(port);
  endless.socket.write('POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n');
  endless.socket.write(`400\r\n${'x'.repeat(1024)}\r\n`);
  await endless.sees('413 Payload Too Large');
  endless.socket.destroy();
});

test('streams flow both ways with back-pressure, headers go out at once', async (context) => {
  const gate = Promise.withResolvers<void>();
  const { url } = await start(context, [
    post('/echo', async ({ body, reply }) => reply.pipe(200, body.stream())),
    get('/later', async ({ reply }) => {
      const stream = reply.stream(200, { 'X-Now': 'yes' });
      await gate.promise;
      await stream.write('done');
      await stream.end();
    }),
  ]);
  const bytes = Buffer.alloc(5_000_000, 'abc');
  const echoed = await fetch(`${url}/echo`, { method: 'POST', body: bytes });
  assert.ok(Buffer.from(await echoed.arrayBuffer()).equals(bytes));
  const later = await fetch(`${url}/later`);
  assert.equal(later.headers.get('x-now'), 'yes');
  gate.resolve();
  assert.equal(await later.text(), 'done');
});

test('a client that leaves fires the signal and fails the write', async (context) => {
  const outcome = Promise.withResolvers<unknown>();
  const aborted = Promise.withResolvers<void>();
  const { port } = await start(context, [
    get('/endless', async ({ reply, signal }) => {
      signal.addEventListener('abort', () => aborted.resolve());
      const stream = reply.stream(200);
      try {
        for (;;) await stream.write(Buffer.alloc(100_000));
      } catch (error) {
        outcome.resolve(error);
      }
    }),
  ]);
  const client = await dial(port);
  client.socket.write('GET /endless HTTP/1.1\r\nHost: x\r\n\r\n');
  await client.sees('200 OK');
  client.socket.destroy();
  await aborted.promise;
  assert.ok(isKind(await outcome.promise, 'cancelled'));
});

const echoRoute = (received: string[] = []): Route =>
  post(
    '/exec/{id}/start',
    async ({ body, hijack, params }) => {
      received.push(JSON.stringify(await body.json()));
      const stream = await hijack();
      await writeTo(stream, `hello ${params['id']};`);
      for await (const chunk of stream) await writeTo(stream, `<${chunk}>`);
      await writeTo(stream, 'bye');
      stream.end();
    },
    true,
  );

const JSON_BODY = '{"Detach":false}';
const head = (extra: string, size: number): string =>
  `POST /v1.40/exec/7/start HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${size}\r\n${extra}\r\n`;
const UPGRADE = 'Connection: Upgrade\r\nUpgrade: tcp\r\n';

for (const [title, extra, status] of [
  ['with an Upgrade header', UPGRADE, 'HTTP/1.1 101 UPGRADED\r\n'],
  ['without one', '', 'HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\nhello 7;'],
  ['with keep-alive only', 'Connection: keep-alive\r\n', 'HTTP/1.1 200 OK\r\n'],
] as const) {
  test(`hijack ${title}: body, early stdin, half-close`, async (context) => {
    const received: string[] = [];
    const { port } = await start(context, [echoRoute(received)]);
    const client = await dial(port);
    client.socket.write(`${head(extra, JSON_BODY.length)}${JSON_BODY}GET early`);
    await client.sees('<GET early>');
    client.socket.write('later\r\n\r\n');
    await client.sees('<later\r\n\r\n>');
    client.socket.end();
    await client.end();
    assert.ok(client.text().startsWith(status), client.text());
    assert.ok(client.text().endsWith('bye'));
    assert.deepEqual(received, [JSON_BODY]);
  });

  test(`hijack ${title}: everything byte by byte`, async (context) => {
    const received: string[] = [];
    const { port } = await start(context, [echoRoute(received)]);
    const client = await dial(port);
    client.socket.setNoDelay(true);
    for (const byte of head(extra, JSON_BODY.length) + JSON_BODY) {
      client.socket.write(byte);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await client.sees('hello 7;');
    client.socket.end('x');
    await client.end();
    assert.ok(client.text().startsWith(status) && client.text().endsWith('bye'), client.text());
    assert.deepEqual(received, [JSON_BODY]);
  });
}

test('a connection that the client wants closed after the answer is closed', async (context) => {
  const { port } = await start(context, [
    get('/now', async ({ reply }) => reply.send(200, 'pong')),
    get('/later', async ({ reply }) => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      await reply.json(200, 'pong');
    }),
  ]);
  for (const path of ['/now', '/later']) {
    const client = await dial(port);
    client.socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    await client.end();
    assert.match(client.text(), /^connection: close\r$/im);
    assert.match(client.text(), /pong/);
  }
});

test('hijack on a connection used before, without Upgrade header', async (context) => {
  const { port } = await start(context, [echoRoute(), get('/ping', async ({ reply }) => reply.send(200, 'pong'))]);
  const client = await dial(port);
  client.socket.write('GET /ping HTTP/1.1\r\nHost: x\r\n\r\n');
  await client.sees('pong');
  client.socket.write('POST /exec/9/start HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n');
  await client.sees('hello 9;');
  client.socket.write('input');
  await client.sees('<input>');
  client.socket.end();
  await client.end();
  assert.ok(client.text().endsWith('bye'));
});

test('hijack on a connection used before, with a JSON body that the handler does not read', async (context) => {
  const attach = post(
    '/containers/{id}/attach',
    async ({ hijack }) => {
      const stream = await hijack();
      await writeTo(stream, 'attached');
      stream.end();
    },
    true,
  );
  const { port } = await start(context, [attach, get('/ping', async ({ reply }) => reply.send(200, 'pong'))]);
  const client = await dial(port);
  client.socket.write('GET /ping HTTP/1.1\r\nHost: x\r\n\r\n');
  await client.sees('pong');
  client.socket.write(`POST /containers/9/attach HTTP/1.1\r\nHost: x\r\nContent-Length: ${JSON_BODY.length}\r\n\r\n`);
  client.socket.write(JSON_BODY);
  await client.sees('attached');
  await client.end();
});

test('an error on a hijack route is an ordinary answer', async (context) => {
  const { port } = await start(context, [
    post(
      '/exec/{id}/start',
      async () => {
        throw tooLarge('no');
      },
      true,
    ),
  ]);
  for (const extra of [UPGRADE, '']) {
    const client = await dial(port);
    client.socket.write(`${head(extra, 2)}{}`);
    await client.sees('{"message":"no"}');
    assert.match(client.text(), /^HTTP\/1\.1 413 /);
    await client.end();
    client.socket.destroy();
  }
});

test('a large hijacked stream survives both ways', async (context) => {
  const { port } = await start(context, [
    post(
      '/cat',
      async ({ hijack }) => {
        const stream = await hijack();
        for await (const chunk of stream) await writeTo(stream, chunk as Buffer);
        stream.end();
      },
      true,
    ),
  ]);
  const client = await dial(port);
  client.socket.write(`POST /cat HTTP/1.1\r\nHost: x\r\n${UPGRADE}\r\n`);
  await client.sees('101 UPGRADED');
  client.socket.end(Buffer.alloc(3_000_000, 'z'));
  await client.end();
  assert.equal(client.text().split('\r\n\r\n')[1]?.length, 3_000_000);
});

test('closing lets requests under way finish until the deadline, then cuts them', async (context) => {
  const begun = Promise.withResolvers<void>();
  const { url, close } = await start(context, [
    get('/slow', async ({ reply }) => {
      begun.resolve();
      await new Promise((resolve) => setTimeout(resolve, 100));
      await reply.send(200, 'finished');
    }),
  ]);
  const answer = fetch(`${url}/slow`);
  await begun.promise;
  await close(2000);
  assert.equal(await (await answer).text(), 'finished');
  await assert.rejects(fetch(`${url}/slow`));

  const stuck = Promise.withResolvers<AbortSignal>();
  const second = await start(context, [
    get('/stuck', ({ signal }) => {
      stuck.resolve(signal);
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
    }),
  ]);
  const lost = fetch(`${second.url}/stuck`).then(
    (response) => response.status,
    () => 'cut',
  );
  const signal = await stuck.promise;
  await second.close(50);
  assert.ok(signal.aborted);
  assert.ok(['cut', 499].includes(await lost));
});

test('unix sockets: mode, stale file taken over, live one and other files refused', async (context) => {
  const directory = await mkdtemp(join(BASE, 'berth-test-'));
  context.after(() => rm(directory, { recursive: true, force: true }));
  const path = join(directory, 's.sock');
  const make = () => {
    const server = createHttpServer<undefined>({
      routes: [],
      rewrite: ({ path: p }) => ({ path: p, context: undefined }),
    });
    context.after(() => server.close());
    return server;
  };
  const first = make();
  await first.listen({ type: 'unix', path, mode: 0o600 });
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  await assert.rejects(make().listen({ type: 'unix', path }), (error) => isKind(error, 'conflict'));
  await first.close();
  const plain = join(directory, 'plain');
  await writeFile(plain, 'x');
  await assert.rejects(make().listen({ type: 'unix', path: plain }), (error) => isKind(error, 'conflict'));
});

test('an address bound before there is a server: who connects waits and is served; given back, nothing stays', async (context) => {
  const directory = await mkdtemp(join(BASE, 'berth-test-'));
  context.after(() => rm(directory, { recursive: true, force: true }));
  const address = { type: 'unix', path: join(directory, 's.sock') } as const;
  {
    await using bound = await bindAddress(address);
    await assert.rejects(bindAddress(address), (error) => isKind(error, 'conflict'));
    const early = connect(address.path);
    const hungUp = once(early, 'close');
    await once(early, 'connect');
    await bound[Symbol.asyncDispose]();
    await hungUp;
  }
  await assert.rejects(stat(address.path), (error) => isKind(error, 'notFound'));
  const bound = await bindAddress(address);
  const early = connect(address.path);
  early.write('GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  await once(early, 'connect');
  const server = createHttpServer<undefined>({
    routes: [get('/ping', async ({ reply }) => reply.send(200, 'pong'))],
    rewrite: ({ path }) => ({ path, context: undefined }),
  });
  context.after(() => server.close());
  await server.listen(bound);
  const [answer] = await once(early, 'data');
  assert.match(String(answer), /200 OK/);
  early.destroy();
});

test('garbage and pipelined requests do no harm', async (context) => {
  const { url, port } = await start(context, [get('/ping', async ({ reply }) => reply.send(200, 'pong'))]);
  const garbage = await dial(port);
  garbage.socket.write('\x16\x03\x01 not http\r\n\r\n');
  await garbage.end();
  const twice = await dial(port);
  twice.socket.write('GET /ping HTTP/1.1\r\nHost: x\r\n\r\nGET /ping HTTP/1.1\r\nHost: x\r\n\r\n');
  await twice.sees('pong');
  twice.socket.destroy();
  assert.equal(await (await fetch(`${url}/ping`)).text(), 'pong');
});
