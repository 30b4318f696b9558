import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { describe, it } from 'node:test';
import { frameHeader } from '@berth/engine-api/streams';
import { type Client, createClient, demultiplex, kindOfStatus } from './index.ts';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

interface Fake extends AsyncDisposable {
  readonly client: Client;
  readonly seen: string[];
}

async function fake(handler: Handler, onUpgrade?: (request: IncomingMessage, socket: Writable) => void): Promise<Fake> {
  const directory = mkdtempSync(join(process.env['BERTH_TEST_TMP'] ?? '/dev/shm', 'berth-test-'));
  const path = join(directory, 's');
  const seen: string[] = [];
  const server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url}`);
    if (request.url === '/_ping') response.setHeader('Api-Version', '1.44').end();
    else handler(request, response);
  });
  if (onUpgrade !== undefined) server.on('upgrade', onUpgrade);
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const client = await createClient({ host: `unix://${path}` });
  return {
    client,
    seen,
    async [Symbol.asyncDispose]() {
      await client[Symbol.asyncDispose]();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      rmSync(directory, { recursive: true });
    },
  };
}

const json = (response: ServerResponse, value: unknown, status = 200): void => {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(value));
};

async function text(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

describe('client', () => {
  it('negotiates once and writes paths and queries as the API wants them', async () => {
    await using server = await fake((_, response) => json(response, []));
    const { client, seen } = server;
    await client.containers.list({ all: true, filters: { label: ['a=b'] } });
    await client.images.inspect('reg.example:5000/a/b:c');
    await client.call('ImageBuild', {
      query: { t: ['x', 'y'], cachefrom: ['c'], nocache: false, buildargs: { A: null } },
    });
    assert.equal(await client.version(), '1.44');
    assert.equal(seen[0], 'HEAD /_ping');
    const query = (at: number) => [...new URL(seen[at]?.split(' ')[1] ?? '', 'http://x').searchParams];
    assert.deepEqual(query(1), [
      ['all', '1'],
      ['filters', '{"label":{"a=b":true}}'],
    ]);
    assert.equal(seen[2], 'GET /v1.44/images/reg.example%3A5000/a/b%3Ac/json');
    assert.deepEqual(query(3), [
      ['t', 'x'],
      ['t', 'y'],
      ['cachefrom', '["c"]'],
      ['nocache', '0'],
      ['buildargs', '{"A":null}'],
    ]);
  });

  it('sends a JSON body', async () => {
    let got = '';
    await using server = await fake((request, response) => {
      void text(request).then((body) => {
        got = body;
        json(response, { Id: 'i', Warnings: [] }, 201);
      });
    });
    const created = await server.client.containers.create({ name: 'n', Image: 'a', Cmd: ['é'] });
    assert.equal(created.Id, 'i');
    assert.deepEqual(JSON.parse(got), { Image: 'a', Cmd: ['é'] });
    assert.match(server.seen.at(-1) ?? '', /create\?name=n$/);
  });

  it('throws the words of the daemon with the kind of the status', async () => {
    await using server = await fake((_, response) => json(response, { message: 'No such container: x' }, 404));
    await assert.rejects(server.client.containers.inspect('x'), { kind: 'notFound', message: 'No such container: x' });
    const pull = server.client.images.pull('x');
    await assert.rejects(pull.next(), { kind: 'notFound' });
    assert.equal(kindOfStatus(409), 'conflict');
    assert.equal(kindOfStatus(418), 'invalid');
    assert.equal(kindOfStatus(502), 'internal');
  });

  it('says that there is no daemon', async () => {
    await using client = await createClient({ host: 'unix:///nonexistent/berth.sock' });
    await assert.rejects(client.info(), {
      kind: 'unavailable',
      message: 'Cannot connect to the Berth daemon at unix:///nonexistent/berth.sock. Is the daemon running?',
    });
  });

  it('gives progress as it comes and stops the request when the reader stops', async () => {
    let closed: (() => void) | undefined;
    const gone = new Promise<void>((resolve) => {
      closed = resolve;
    });
    await using server = await fake((_, response) => {
      response.on('close', () => closed?.());
      response.writeHead(200, { 'Content-Type': 'application/json' });
      response.write('{"status":"one"}\r\n{"sta');
      setTimeout(() => response.write('tus":"two"}\r\n'), 5);
    });
    const statuses: (string | undefined)[] = [];
    for await (const message of server.client.images.pull('a', { tag: 'b', auth: { username: 'u' } })) {
      statuses.push(message.status);
      if (statuses.length === 2) break;
    }
    assert.deepEqual(statuses, ['one', 'two']);
    await gone;
  });

  it('obeys a signal', async () => {
    await using server = await fake(() => undefined);
    const signal = AbortSignal.timeout(20);
    await assert.rejects(server.client.containers.wait('a', undefined, { signal }), { kind: 'deadline' });
    await assert.rejects(server.client.info({ signal: AbortSignal.abort() }), { kind: 'cancelled' });
  });

  it('hands over a response when its head is there', async () => {
    let finish: (() => void) | undefined;
    await using server = await fake((_, response) => {
      response.writeHead(200, { 'Content-Type': 'application/json' });
      response.flushHeaders();
      finish = () => response.end('{"StatusCode":7}');
    });
    const open = await server.client.open('ContainerWait', { params: { id: 'a' } });
    finish?.();
    assert.equal((await open.json()).StatusCode, 7);
  });

  it('uploads a stream', async () => {
    await using server = await fake((request, response) => {
      void text(request).then((body) => json(response, { stream: String(body.length) }));
    });
    for (const upload of [Buffer.alloc(1000), PassThrough.from([Buffer.alloc(400), Buffer.alloc(600)])]) {
      const messages = await Array.fromAsync(server.client.images.load(upload));
      assert.equal(messages[0]?.stream, '1000');
    }
  });

  it('takes a refusal during an upload for the answer', async () => {
    await using server = await fake((_, response) => json(response, { message: 'no room' }, 507));
    const endless = new PassThrough();
    endless.write(Buffer.alloc(100_000));
    await assert.rejects(server.client.containers.putArchive('a', endless, { path: '/' }), {
      kind: 'exhausted',
      message: 'no room',
    });
    endless.destroy();
  });

  it('hijacks a connection: both ways, half-closed, taken apart', async () => {
    await using server = await fake(
      () => undefined,
      (request, socket) => {
        assert.match(request.url ?? '', /exec\/e\/start/);
        socket.write('HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n');
        socket.write('Content-Type: application/vnd.docker.multiplexed-stream\r\n\r\n');
        const duplex = socket as unknown as NodeJS.ReadWriteStream;
        let input = '';
        duplex.on('data', (chunk: Buffer) => {
          input += chunk.toString();
        });
        duplex.on('end', () => {
          const out = Buffer.from(
            input
              .split('\r\n\r\n')
              .at(-1)
              ?.replace(/^\{.*?\}/, '') ?? '',
          );
          socket.write(frameHeader('stdout', out.length));
          socket.write(out);
          socket.write(frameHeader('stderr', 3));
          socket.end('err');
        });
      },
    );
    await using attached = await server.client.exec.start('e');
    assert.equal(attached.multiplexed, true);
    attached.duplex.end('hello');
    const got = { stdout: '', stderr: '' };
    const sink = (name: 'stdout' | 'stderr') =>
      new Writable({
        write(chunk, _, done) {
          got[name] += String(chunk);
          done();
        },
      });
    await demultiplex(attached.duplex, { stdout: sink('stdout'), stderr: sink('stderr') });
    assert.deepEqual(got, { stdout: 'hello', stderr: 'err' });
  });
});
