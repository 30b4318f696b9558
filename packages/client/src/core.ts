import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { MAX_API_VERSION, negotiate, type OperationId, ROUTES, type Route } from '@berth/engine-api/light';
import { encodePath, encodeQuery } from './encode.ts';
import { connectionError, engineError, responseError } from './errors.ts';
import { type Address, HostError, hostFrom, parseHost, type TlsOptions } from './host.ts';
import { createTransport, type Transport } from './transport.ts';
import type { CallOptions, ClientOptions, Core, Hijacked, OpenResponse, Upload } from './types.ts';

const MAX_ERROR_BYTES = 1024 * 1024;

interface LooseInput {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly upload?: Upload;
}

type Reply = { readonly response: IncomingMessage; readonly socket?: Duplex };

/** The typed calls without the resource-shaped sugar of `createClient`; loads little. */
export async function connect(options: ClientOptions = {}): Promise<Core> {
  const address = await addressOf(options);
  return new HttpCore(address, await createTransport(address), options);
}

async function addressOf(options: ClientOptions): Promise<Address> {
  try {
    return parseHost(options.host ?? hostFrom(process.env), options.tls ?? (await environmentTls()));
  } catch (error) {
    if (error instanceof HostError) throw await engineError('invalid', error.message, error);
    throw error;
  }
}

async function environmentTls(): Promise<TlsOptions | undefined> {
  const { DOCKER_TLS_VERIFY, DOCKER_TLS } = process.env as { DOCKER_TLS_VERIFY?: string; DOCKER_TLS?: string };
  if (!DOCKER_TLS_VERIFY && !DOCKER_TLS) return undefined;
  const { tlsFrom } = await import('./tls-files.ts');
  return tlsFrom(process.env);
}

class HttpCore implements Core {
  readonly address: Address;
  readonly #transport: Transport;
  readonly #headers: Readonly<Record<string, string>>;
  #version: Promise<string> | undefined;

  constructor(address: Address, transport: Transport, options: ClientOptions) {
    this.address = address;
    this.#transport = transport;
    this.#headers = options.headers ?? {};
    const fixed = options.version ?? process.env['DOCKER_API_VERSION'];
    if (fixed) this.#version = Promise.resolve(fixed.replace(/^v/, ''));
  }

  version(options: CallOptions = {}): Promise<string> {
    this.#version ??= this.#negotiate(options);
    // A failure is not remembered: the daemon may come up.
    this.#version.catch(() => {
      this.#version = undefined;
    });
    return this.#version;
  }

  // The one place where the types of the table meet the untyped wire.
  readonly call = (async (id: OperationId, input: LooseInput = {}, options: CallOptions = {}) => {
    const route: Route = ROUTES[id];
    const reply = await this.#send(route, input, options);
    if (reply.socket !== undefined) return hijacked(reply.response, reply.socket);
    switch (route.stream) {
      case 'tar':
      case 'raw':
        return reply.response;
      case 'json':
        return this.#documents(reply.response, options);
      case 'upgrade':
      case 'websocket':
        return hijacked(reply.response, reply.response.socket);
      default:
        return this.#json(reply.response, options);
    }
  }) as Core['call'];

  readonly open = (async (id: OperationId, input: LooseInput = {}, options: CallOptions = {}) => {
    const { response } = await this.#send(ROUTES[id], input, options);
    const opened: OpenResponse<unknown> = {
      status: response.statusCode ?? 0,
      headers: response.headers,
      body: response,
      json: () => this.#json(response, options),
    };
    return opened;
  }) as Core['open'];

  async [Symbol.asyncDispose](): Promise<void> {
    this.#transport[Symbol.dispose]();
  }

  async #negotiate(options: CallOptions): Promise<string> {
    const { response } = await this.#exchange(ROUTES.SystemPingHead, ROUTES.SystemPingHead.path, {}, options);
    response.resume();
    const found = response.headers['api-version'];
    return negotiate(MAX_API_VERSION, typeof found === 'string' ? found : undefined);
  }

  async #send(route: Route, input: LooseInput, options: CallOptions): Promise<Reply> {
    const prefix = route.path.startsWith('/berth/') ? '' : `/v${await this.version(options)}`;
    const path = prefix + encodePath(route.path, input.params ?? {}) + encodeQuery(route, input.query ?? {});
    const reply = await this.#exchange(route, path, input, options);
    const status = reply.response.statusCode ?? 0;
    if (status < 400) return reply;
    throw await responseError(status, await readText(reply.response, MAX_ERROR_BYTES).catch(() => ''));
  }

  async #exchange(route: Route, path: string, input: LooseInput, options: CallOptions): Promise<Reply> {
    const upgrade = route.stream === 'upgrade';
    const body = input.body === undefined ? undefined : JSON.stringify(input.body);
    const headers: Record<string, string | number> = { ...this.#headers, ...input.headers };
    if (body !== undefined) headers['Content-Type'] = 'application/json';
    if (input.upload !== undefined) headers['Content-Type'] ??= 'application/x-tar';
    if (upgrade) Object.assign(headers, { Connection: 'Upgrade', Upgrade: 'tcp' });
    if (body !== undefined) headers['Content-Length'] = Buffer.byteLength(body);
    else if (input.upload === undefined && route.method === 'POST') headers['Content-Length'] = 0;
    const { signal } = options;
    const own = upgrade || route.stream !== undefined || input.upload !== undefined;
    try {
      signal?.throwIfAborted();
      const request = this.#transport.request(
        { method: route.method, path, headers, ...(signal === undefined ? {} : { signal }) },
        own,
      );
      const reply = replyTo(request);
      // Handled where it is awaited; an upload that fails first must not leave it unhandled.
      reply.catch(() => undefined);
      if (input.upload === undefined) request.end(body);
      else await sendUpload(request, input.upload, reply);
      return await reply;
    } catch (error) {
      throw await connectionError(this.address, error, signal);
    }
  }

  async #json(response: IncomingMessage, options: CallOptions): Promise<unknown> {
    let text: string;
    try {
      text = await readText(response);
    } catch (error) {
      throw await connectionError(this.address, error, options.signal);
    }
    if (text.trim() === '' || !isJson(response)) return undefined;
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw await engineError('dataLoss', 'the daemon answered with malformed JSON', cause);
    }
  }

  async *#documents(response: IncomingMessage, options: CallOptions): AsyncGenerator<unknown, void, undefined> {
    const { decodeJsonLines } = await import('@berth/engine-api/streams');
    try {
      yield* decodeJsonLines<unknown>(response);
    } catch (error) {
      throw await connectionError(this.address, error, options.signal);
    } finally {
      response.destroy();
    }
  }
}

function replyTo(request: ClientRequest): Promise<Reply> {
  return new Promise((resolve, reject) => {
    request.once('response', (response) => resolve({ response }));
    request.once('upgrade', (response, socket, head) => {
      if (head.length > 0) socket.unshift(head);
      resolve({ response, socket });
    });
    request.on('error', reject);
  });
}

/** Streams the upload; stops early when the daemon has answered already (it refuses without reading all). */
async function sendUpload(request: ClientRequest, upload: Upload, reply: Promise<unknown>): Promise<void> {
  if (upload instanceof Uint8Array) {
    request.end(upload);
    return;
  }
  const { pipeline } = await import('node:stream/promises');
  const answered = reply.then(
    () => undefined,
    () => undefined,
  );
  const sent = pipeline(upload, request);
  await Promise.race([sent, answered]).catch((error: unknown) => {
    // A daemon that refuses closes its side while we write: its answer counts, not our broken pipe.
    if (!isBrokenPipe(error)) throw error;
  });
  sent.catch(() => undefined);
}

const isBrokenPipe = (error: unknown): boolean =>
  error instanceof Error &&
  'code' in error &&
  (error.code === 'EPIPE' || error.code === 'ECONNRESET' || error.code === 'ERR_STREAM_PREMATURE_CLOSE');

function isJson(response: IncomingMessage): boolean {
  const type = response.headers['content-type'];
  return type === undefined || type.startsWith('application/json');
}

async function readText(response: IncomingMessage, bound = Number.POSITIVE_INFINITY): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > bound) break;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function hijacked(response: IncomingMessage, duplex: Duplex): Hijacked {
  const type = response.headers['content-type'];
  const multiplexed = type === 'application/vnd.docker.multiplexed-stream' ? true : undefined;
  return {
    duplex,
    multiplexed,
    async [Symbol.asyncDispose]() {
      duplex.destroy();
    },
  };
}
