import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { announcesBody } from './body.ts';
import { endOf, writeTo } from './writable.ts';

export type Headers = Readonly<Record<string, string | number | readonly string[]>>;

/** A response body being written piece by piece; headers have been sent already. */
export interface ResponseStream {
  /** Waits while the client is slower; rejects with `cancelled` when it has gone. */
  write(chunk: Uint8Array | string): Promise<void>;
  end(): Promise<void>;
}

/** The answer to a request; one of `send`, `json`, `empty`, `stream` or `pipe` is called once. */
export interface Reply {
  /** True once the status line has been sent. */
  readonly started: boolean;
  setHeader(name: string, value: string | number | readonly string[]): void;
  send(status: number, body: Uint8Array | string, headers?: Headers): Promise<void>;
  /** JSON and a newline. */
  json(status: number, value: unknown, headers?: Headers): Promise<void>;
  empty(status: number, headers?: Headers): Promise<void>;
  /** Sends status and headers at once and returns the body's writer. */
  stream(status: number, headers?: Headers): ResponseStream;
  pipe(status: number, body: AsyncIterable<Uint8Array>, headers?: Headers): Promise<void>;
}

export function createReply(response: ServerResponse): Reply {
  const head = (status: number, headers: Headers = {}): void => {
    // With `Connection: close` node cuts the connection after the answer, also under a client that is still sending and
    // has not read it yet. Who asked for the close can close.
    if (!response.req.complete && announcesBody(response.req)) response.setHeader('Connection', 'keep-alive');
    response.writeHead(status, headers as OutgoingHttpHeaders);
  };
  const reply: Reply = {
    get started() {
      return response.headersSent;
    },
    setHeader: (name, value) => void response.setHeader(name, value),
    async send(status, body, headers = {}) {
      const size = typeof body === 'string' ? Buffer.byteLength(body) : body.byteLength;
      head(status, { 'Content-Length': size, ...headers });
      response.end(body);
    },
    json: (status, value, headers = {}) =>
      reply.send(status, `${JSON.stringify(value)}\n`, { 'Content-Type': 'application/json', ...headers }),
    async empty(status, headers) {
      const bodiless = status === 204 || status === 304 || status < 200;
      head(status, { ...(bodiless ? {} : { 'Content-Length': 0 }), ...headers });
      response.end();
    },
    stream(status, headers) {
      head(status, headers);
      response.flushHeaders();
      return { write: (chunk) => writeTo(response, chunk), end: () => endOf(response) };
    },
    async pipe(status, body, headers) {
      const stream = reply.stream(status, headers);
      for await (const chunk of body) await stream.write(chunk);
      await stream.end();
    },
  };
  return reply;
}
