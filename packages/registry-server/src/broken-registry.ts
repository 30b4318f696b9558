import { once } from 'node:events';
import { Agent, createServer, request as forward, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';

/**
 * What is done to one request. Without a fault it reaches the registry behind and its answer comes back untouched.
 */
export type Fault =
  /** Answers without asking the registry. */
  | {
      readonly type: 'answer';
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
    }
  /** Sends so many bytes of the answer, status line and headers included, then cuts the connection. */
  | { readonly type: 'cut'; readonly after: number }
  /** The same, of the body. */
  | { readonly type: 'cutBody'; readonly after: number }
  /** Lets so many bytes of the request's body through to the registry, then cuts both connections: after a moment, or once `reached` resolves. */
  | { readonly type: 'cutRequest'; readonly after: number; readonly reached?: () => Promise<unknown> }
  /** The registry does it all, but its answer is lost. */
  | { readonly type: 'loseAnswer' }
  /** Sends the body in small pieces. */
  | { readonly type: 'drip'; readonly bytes: number; readonly everyMs: number }
  /** Never stops sending, without a Content-Length. */
  | { readonly type: 'endless' }
  /** Turns one bit of the body. */
  | { readonly type: 'corrupt'; readonly at: number }
  /** Announces that many bytes more, or fewer, than it sends. */
  | { readonly type: 'length'; readonly by: number }
  /** Adds headers or puts others in their place. */
  | { readonly type: 'headers'; readonly headers: Readonly<Record<string, string>> }
  /** Answers a ranged request with everything. */
  | { readonly type: 'ignoreRange' }
  /** Takes the request and says nothing. */
  | { readonly type: 'hang' }
  /** Sends these bytes as they are and closes the connection. */
  | { readonly type: 'raw'; readonly bytes: string };

/** A request as a plan of faults sees it. */
export interface SeenRequest {
  readonly method: string;
  /** With query. */
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  /** How many requests came before, in all. */
  readonly index: number;
}

export interface BrokenRegistry extends AsyncDisposable {
  readonly host: string;
  /** Every request so far. */
  readonly seen: readonly SeenRequest[];
  /** Takes effect with the next request. */
  plan: (request: SeenRequest) => Fault | undefined;
  close(): Promise<void>;
}

const CHUNK = Buffer.alloc(64 * 1024);

const headersOf = (answer: IncomingMessage): Record<string, string | readonly string[]> => {
  const { connection: _, 'keep-alive': __, 'transfer-encoding': ___, ...rest } = answer.headers;
  return Object.fromEntries(
    Object.entries(rest).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
};

const sendPart = (response: ServerResponse, bytes: Uint8Array, after: () => void): void => {
  if (bytes.byteLength === 0) {
    response.flushHeaders();
    setImmediate(after);
  } else response.write(bytes, () => setImmediate(after));
};

/**
 * A registry that misbehaves as told, for tests: a proxy before a working one at `backend` (`host:port`), so that pushes
 * and pulls can go wrong at any point and still be looked at afterwards.
 *
 *     await using broken = await startBrokenRegistry(registry.host);
 *     broken.plan = ({ path }) => path.includes('/blobs/') ? { type: 'cutBody', after: 1000 } : undefined;
 */
export async function startBrokenRegistry(backend: string): Promise<BrokenRegistry> {
  const seen: SeenRequest[] = [];
  const sockets = new Set<Socket>();
  const timers = new Set<NodeJS.Timeout>();
  const backendAgent = new Agent({ keepAlive: true });

  const ask = (request: IncomingMessage, headers: IncomingMessage['headers']) =>
    forward(`http://${backend}${request.url ?? '/'}`, { method: request.method, headers, agent: backendAgent });

  const collect = async (request: IncomingMessage, fault: Fault | undefined) => {
    const { range, ...others } = request.headers;
    const outgoing = ask(request, fault?.type === 'ignoreRange' || range === undefined ? others : { ...others, range });
    request.on('error', () => outgoing.destroy());
    request.pipe(outgoing);
    const [answer] = (await once(outgoing, 'response')) as [IncomingMessage];
    return { answer, body: await buffer(answer) };
  };

  const cutRequest = (request: IncomingMessage, after: number, reached: (() => Promise<unknown>) | undefined): void => {
    const outgoing = ask(request, request.headers).on('error', () => undefined);
    let left = after;
    const cut = (): void => {
      outgoing.destroy();
      request.socket.destroy();
    };
    const end = (): void => {
      // What was written must reach the registry before the connection ends.
      if (reached === undefined) timers.add(setTimeout(cut, 20));
      else reached().then(cut, cut);
    };
    request.on('error', () => outgoing.destroy());
    request.on('data', (chunk: Uint8Array) => {
      const part = chunk.subarray(0, left);
      left -= part.byteLength;
      if (part.byteLength > 0) outgoing.write(part);
      if (left <= 0) {
        request.pause();
        end();
      }
    });
    request.on('end', end);
  };

  const drip = (response: ServerResponse, body: Buffer, bytes: number, everyMs: number): void => {
    let at = 0;
    const timer = setInterval(() => {
      response.write(body.subarray(at, at + bytes));
      at += bytes;
      if (at < body.byteLength && !response.destroyed) return;
      clearInterval(timer);
      response.end();
    }, everyMs);
    timers.add(timer);
  };

  const endless = (response: ServerResponse): void => {
    const more = (): void => {
      while (!response.destroyed && response.write(CHUNK));
    };
    response.on('drain', more);
    more();
  };

  const spoil = (response: ServerResponse, answer: IncomingMessage, body: Buffer, asked: Fault | undefined): void => {
    const status = answer.statusCode ?? 500;
    const headers = headersOf(answer);
    // These have no body to play with, and writing to them never waits.
    const isHead = status === 304 || status === 204 || response.req.method === 'HEAD';
    const fault = isHead && (asked?.type === 'endless' || asked?.type === 'drip') ? undefined : asked;
    const { socket } = response.req;
    switch (fault?.type) {
      case 'loseAnswer':
        return void socket.destroy();
      case 'cut': {
        const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
        const head = Buffer.from(`HTTP/1.1 ${status} Whatever\r\n${lines.join('')}\r\n`);
        return void socket.write(Buffer.concat([head, body]).subarray(0, fault.after), () =>
          setImmediate(() => socket.destroy()),
        );
      }
      case 'cutBody':
        response.writeHead(status, headers as Record<string, string>);
        return void sendPart(response, body.subarray(0, fault.after), () => socket.destroy());
      case 'drip':
        response.writeHead(status, headers as Record<string, string>);
        return void drip(response, body, fault.bytes, fault.everyMs);
      case 'endless': {
        const { 'content-length': _, ...rest } = headers;
        response.writeHead(status, rest as Record<string, string>);
        return void endless(response);
      }
      case 'corrupt': {
        const spoiled = Buffer.from(body);
        const at = fault.at % Math.max(1, body.byteLength);
        spoiled.set([(spoiled[at] ?? 0) ^ 1], at);
        response.writeHead(status, headers as Record<string, string>);
        return void response.end(isHead ? undefined : spoiled);
      }
      case 'length': {
        const told = Math.max(0, Number(headers['content-length'] ?? body.byteLength) + fault.by);
        const lines = Object.entries({ ...headers, 'content-length': String(told) });
        const head = `HTTP/1.1 ${status} Whatever\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
        return void socket.end(Buffer.concat([Buffer.from(head), isHead ? Buffer.alloc(0) : body]));
      }
      case 'headers':
        response.writeHead(status, { ...headers, ...fault.headers } as Record<string, string>);
        return void response.end(isHead ? undefined : body);
      default:
        response.writeHead(status, headers as Record<string, string>);
        response.end(isHead ? undefined : body);
    }
  };

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const info: SeenRequest = {
      method: request.method ?? 'GET',
      path: request.url ?? '/',
      headers: request.headers,
      index: seen.length,
    };
    seen.push(info);
    const fault = self.plan(info);
    if (fault?.type === 'hang') return void request.resume();
    if (fault?.type === 'raw') return void request.socket.end(fault.bytes);
    if (fault?.type === 'cutRequest') return void cutRequest(request, fault.after, fault.reached);
    if (fault?.type === 'answer') {
      request.resume();
      response.writeHead(fault.status, fault.headers);
      return void response.end(fault.body);
    }
    const { answer, body } = await collect(request, fault);
    spoil(response, answer, body, fault);
  };

  const server = createServer((request, response) => {
    handle(request, response).catch(() => request.socket.destroy());
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).once('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  const self: BrokenRegistry = {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    plan: () => undefined,
    async close() {
      for (const timer of timers) clearInterval(timer);
      for (const socket of sockets) socket.destroy();
      backendAgent.destroy();
      if (!server.listening) return;
      server.close();
      await once(server, 'close');
    },
    [Symbol.asyncDispose]: () => self.close(),
  };
  return self;
}
