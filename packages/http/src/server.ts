import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import {
  cancelled,
  causeChain,
  EngineError,
  internal,
  invalid,
  isKind,
  type Logger,
  notFound,
  silentLogger,
} from '@berth/base';
import { type BodyLimits, createRequestBody, drainRest } from './body.ts';
import { earlyBody } from './early-body.ts';
import type { Exchange, HijackOptions, Route } from './exchange.ts';
import { hijackPlain, hijackUpgraded } from './hijack.ts';
import { type BoundAddress, holdAddress, type ListenAddress, portOf } from './listen.ts';
import { parseQuery, type Query } from './query.ts';
import { createReply, type Headers, type Reply } from './response.ts';
import { createRouter } from './router.ts';
import { sniffConnection } from './sniff.ts';
import { statusOf } from './status.ts';

export interface RewriteInput {
  readonly method: string;
  /** Percent-encoded, without query. */
  readonly path: string;
  readonly query: Query;
  readonly headers: IncomingMessage['headers'];
}

export interface ErrorAnswer {
  readonly status?: number;
  readonly body: unknown;
  readonly headers?: Headers;
}

export interface HttpLimits extends BodyLimits {
  /** Longest time for a request's head, milliseconds. */
  readonly headerMs: number;
  /** How long an idle connection is kept, milliseconds. */
  readonly keepAliveMs: number;
  /** Longest request head, bytes. */
  readonly headerBytes: number;
  readonly connections: number;
}

export const DEFAULT_LIMITS: HttpLimits = {
  bodyBytes: 4 * 1024 * 1024,
  bodyMs: 30_000,
  headerMs: 20_000,
  keepAliveMs: 60_000,
  headerBytes: 64 * 1024,
  connections: 10_000,
};

export interface HttpServerOptions<C> {
  readonly routes: readonly Route<C>[];
  /**
   * Called first for every request: takes a prefix (`/v1.45`) off the path and makes the handlers' `context`. May throw.
   */
  readonly rewrite: (input: RewriteInput) => { readonly path: string; readonly context: C };
  /** Headers for every answer; `context` is undefined when `rewrite` threw. */
  readonly headers?: (context: C | undefined) => Headers;
  /** The error answer; default `{"message": ...}` with the table's status. */
  readonly encodeError?: (error: unknown, status: number) => ErrorAnswer;
  /** What a path or method without route is answered with, thrown; default `notFound('page not found')`. */
  readonly noRoute?: (method: string, path: string, allowed: readonly string[]) => Error;
  readonly logger?: Logger;
  readonly limits?: Partial<HttpLimits>;
}

export interface Listener {
  readonly address: ListenAddress;
  /** Bound TCP port. */
  readonly port: number | undefined;
}

/** An HTTP/1.1 server. Disposing closes it at once. */
export interface HttpServer extends AsyncDisposable {
  /**
   * May be called several times. Throws `conflict` when the address is taken. One that {@link bindAddress} has taken
   * already is the server's from here on.
   */
  listen(address: ListenAddress | BoundAddress): Promise<Listener>;
  /**
   * Stops accepting, lets requests under way finish for at most `deadlineMs` (default 0), then fires their signals and
   * cuts their connections.
   */
  close(options?: { readonly deadlineMs?: number }): Promise<void>;
}

/** Of a body that the handler had no use for. */
const UNREAD_BODY_BYTES = 64 * 1024;

interface Incoming {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Set for requests that came with an Upgrade header (or got one, see `sniff.ts`). */
  readonly upgraded?: Duplex;
  readonly early?: Uint8Array;
}

const splitTarget = (target: string): readonly [path: string, query: string] => {
  const mark = target.indexOf('?');
  const [path, query] = mark < 0 ? [target, ''] : [target.slice(0, mark), target.slice(mark + 1)];
  return [path.replace(/^https?:\/\/[^/]*/, '') || '/', query];
};

const defaultError = (error: unknown): ErrorAnswer => ({
  body: { message: error instanceof Error ? error.message : String(error) },
});

const isSecure = (address: ListenAddress): boolean => address.type !== 'unix' && address.tls !== undefined;

/**
 * Takes an address before there is a server for it, so that what is in use shows before anything else is made; who
 * connects meanwhile is served later. Throws as `HttpServer.listen`.
 */
export function bindAddress(address: ListenAddress, given: Partial<HttpLimits> = {}): Promise<BoundAddress> {
  const limits: HttpLimits = { ...DEFAULT_LIMITS, ...given };
  return holdAddress(address, {
    headersTimeout: limits.headerMs,
    requestTimeout: 0,
    keepAliveTimeout: limits.keepAliveMs,
    maxHeaderSize: limits.headerBytes,
    connectionsCheckingInterval: 5000,
    noDelay: true,
  });
}

/** Makes a server from routes; see `Exchange` for what handlers get. */
export function createHttpServer<C>(options: HttpServerOptions<C>): HttpServer {
  const logger = options.logger ?? silentLogger;
  const limits: HttpLimits = { ...DEFAULT_LIMITS, ...options.limits };
  const router = createRouter(options.routes);
  const encodeError = options.encodeError ?? defaultError;
  const noRoute = options.noRoute ?? (() => notFound('page not found'));
  const servers = new Set<Server>();
  const sockets = new Set<Socket>();
  /** Connections below TLS: those whose handshake never ends are seen only here. */
  const transports = new Set<Socket>();
  const underway = new Map<Promise<void>, AbortController>();
  let sequence = 0;
  let closing = false;

  const isHijack = (method: string, target: string): boolean => {
    try {
      const [path, query] = splitTarget(target);
      const rewritten = options.rewrite({ method, path, query: parseQuery(query), headers: {} });
      return router.match(method, rewritten.path)?.route.upgrade === true;
    } catch {
      return false;
    }
  };

  const answerError = async (incoming: Incoming, reply: Reply, error: unknown, log: Logger): Promise<void> => {
    const { request, response } = incoming;
    if (isKind(error, 'internal')) log.error('request failed', { error });
    else log.debug('request refused', { error });
    if (response.writableEnded) return;
    if (reply.started) return void response.destroy();
    const status = statusOf(error);
    const answer = encodeError(error, status);
    drainRest(request);
    if ((answer.status ?? status) === 304) await reply.empty(304, answer.headers);
    else await reply.json(answer.status ?? status, answer.body, answer.headers);
  };

  const hijack = (incoming: Incoming, hijacked: Duplex[], hijackOptions: HijackOptions): Duplex => {
    const { request, response, upgraded } = incoming;
    if (hijacked.length > 0) throw internal('the connection has been taken over already');
    if (upgraded !== undefined) response.detachSocket(upgraded as Socket);
    const stream =
      upgraded === undefined
        ? hijackPlain(request, response, hijackOptions)
        : hijackUpgraded(request, upgraded, hijackOptions);
    hijacked.push(stream);
    return stream;
  };

  const route = async (
    incoming: Incoming,
    log: Logger,
    reply: Reply,
    signal: AbortSignal,
    hijacked: Duplex[],
  ): Promise<void> => {
    const { request } = incoming;
    const method = request.method ?? 'GET';
    const [rawPath, rawQuery] = splitTarget(request.url ?? '/');
    const setHeaders = (context: C | undefined): void => {
      for (const [name, value] of Object.entries(options.headers?.(context) ?? {})) reply.setHeader(name, value);
    };
    setHeaders(undefined);
    const query = parseQuery(rawQuery);
    const { path, context } = options.rewrite({ method, path: rawPath, query, headers: request.headers });
    setHeaders(context);
    const found = router.match(method, path);
    if (found === undefined) throw noRoute(method, path, router.methods(path));
    const exchange: Exchange<C> = {
      id: String(sequence),
      method,
      path,
      params: found.params,
      query,
      headers: request.headers,
      body: createRequestBody(request, limits, incoming.early),
      reply,
      signal,
      logger: log,
      context,
      async hijack(hijackOptions = {}) {
        if (found.route.upgrade !== true)
          throw new EngineError('internal', `${found.route.pattern} cannot be hijacked`);
        // Some clients send a JSON body that says nothing the query does not.
        if (incoming.upgraded === undefined && !request.complete)
          await exchange.body.bytes({ limit: UNREAD_BODY_BYTES });
        return hijack(incoming, hijacked, hijackOptions);
      },
    };
    await found.route.handler(exchange);
    if (!reply.started && hijacked.length === 0) throw internal(`${method} ${found.route.pattern} gave no answer`);
  };

  const serve = async (incoming: Incoming, controller: AbortController): Promise<void> => {
    const { request, response } = incoming;
    const begun = performance.now();
    const log = logger.child({ request: ++sequence });
    const reply = createReply(response);
    const hijacked: Duplex[] = [];
    const gone = (): void => {
      if (!response.writableFinished || hijacked.length > 0)
        controller.abort(cancelled('the client closed the connection'));
    };
    response.once('close', gone);
    request.socket.once('close', gone);
    try {
      await route(incoming, log, reply, controller.signal, hijacked);
    } catch (error) {
      if (hijacked.length > 0) {
        log.debug('stream ended with an error', { error, causes: causeChain(error).length });
        for (const stream of hijacked) stream.destroy();
      } else if (!request.socket.destroyed) await answerError(incoming, reply, error, log);
    } finally {
      request.socket.off('close', gone);
      const ms = Math.round((performance.now() - begun) * 10) / 10;
      const status = hijacked.length > 0 ? 'hijacked' : response.statusCode;
      log.debug(`${request.method} ${request.url}`, { status, ms });
    }
  };

  const track = (incoming: Incoming): void => {
    const controller = new AbortController();
    const done: Promise<void> = serve(incoming, controller)
      .catch((error: unknown) => logger.error('request broke', { error }))
      .finally(() => underway.delete(done));
    underway.set(done, controller);
    if (closing) controller.abort(cancelled('the server is closing'));
  };

  const onUpgrade = async (request: IncomingMessage, stream: Duplex, head: Buffer): Promise<void> => {
    stream.on('error', () => undefined);
    const response = new (process.getBuiltinModule('node:http').ServerResponse)(request);
    const [body, rest] = await earlyBody(request, stream, head, limits);
    if (rest.byteLength > 0) stream.unshift(rest);
    response.shouldKeepAlive = false;
    response.assignSocket(stream as Socket);
    response.once('finish', () => stream.end());
    track({ request, response, upgraded: stream, ...(body === undefined ? {} : { early: body }) });
  };

  const adopt = (server: Server, secure: boolean): void => {
    server.maxConnections = limits.connections;
    server.timeout = 0;
    server.on('request', (request, response) => track({ request, response }));
    server.on('upgrade', (request, stream, head) => {
      onUpgrade(request, stream, head).catch((error: unknown) => {
        logger.debug('upgrade failed', { error });
        stream.destroy();
      });
    });
    server.on('clientError', (error, socket) => {
      logger.debug('malformed request', { error });
      if (!socket.writable || (socket as Socket).bytesWritten > 0) return void socket.destroy();
      socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
    });
    if (secure)
      server.on('connection', (socket: Socket) => {
        transports.add(socket);
        socket.once('close', () => transports.delete(socket));
      });
    const event = secure ? 'secureConnection' : 'connection';
    const accept = server.listeners(event) as ((this: Server, socket: Socket) => void)[];
    server.removeAllListeners(event);
    server.on(event, (socket: Socket) => {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
      sniffConnection(socket, isHijack, (ready) => {
        for (const listener of accept) listener.call(server, ready);
      });
    });
  };

  const finishUnderway = async (deadlineMs: number): Promise<void> => {
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, deadlineMs);
    await Promise.race([Promise.allSettled([...underway.keys()]), late]);
    clearTimeout(timer);
    for (const controller of underway.values()) controller.abort(cancelled('the server is closing'));
  };

  const close: HttpServer['close'] = async ({ deadlineMs = 0 } = {}) => {
    closing = true;
    const stopped = [...servers].map((server) => new Promise<void>((resolve) => server.close(() => resolve())));
    servers.clear();
    if (underway.size > 0) await finishUnderway(deadlineMs);
    for (const socket of sockets) socket.destroySoon();
    const { promise: flushed, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, 200);
    await Promise.race([Promise.all(stopped), flushed]);
    clearTimeout(timer);
    for (const socket of [...sockets, ...transports]) socket.destroy();
    await Promise.all(stopped);
  };

  return {
    async listen(address) {
      if (closing) throw invalid('the server is closing');
      const bound = 'serve' in address ? address : await bindAddress(address, limits);
      bound.serve((server) => adopt(server, isSecure(bound.address)));
      servers.add(bound.server);
      return { address: bound.address, port: portOf(bound.server) };
    },
    close,
    [Symbol.asyncDispose]: () => close(),
  };
}
