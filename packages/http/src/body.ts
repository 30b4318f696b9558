import type { IncomingMessage } from 'node:http';
import { cancelled, EngineError, invalid, tooLarge } from '@berth/base';

export interface BodyLimits {
  /** Largest body read into memory (JSON, forms), bytes. */
  readonly bodyBytes: number;
  /** Longest time the client may take to send such a body, milliseconds. */
  readonly bodyMs: number;
}

/** The request's body; read once, in one of these ways. */
export interface RequestBody {
  /** True when the request announces a body. */
  readonly present: boolean;
  /** The bytes as they come; reading slowly slows the client down. Rejects with `cancelled` when it goes away. */
  stream(): AsyncIterable<Uint8Array>;
  /** Whole body. Throws `tooLarge`, or `invalid` when the client is too slow. */
  bytes(options?: { readonly limit?: number }): Promise<Uint8Array>;
  /** Whole body as JSON, undefined when empty. Throws `invalid`, also for another content type, and what `bytes` throws. */
  json(options?: { readonly limit?: number }): Promise<unknown>;
}

const describeBroken = (error: unknown): unknown =>
  error instanceof EngineError ? error : cancelled('the client closed the connection', { cause: error });

async function* chunksOf(request: IncomingMessage): AsyncIterable<Uint8Array> {
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false })) yield chunk as Uint8Array;
  } catch (error) {
    throw describeBroken(error);
  } finally {
    // A handler that has read enough: what the client still sends must not keep it from seeing the answer.
    drainRest(request);
  }
}

const collect = async (source: AsyncIterable<Uint8Array>, limit: number): Promise<Uint8Array> => {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of source) {
    size += chunk.byteLength;
    if (size > limit) throw tooLarge(`request body is larger than ${limit} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
};

const within = async <T>(ms: number, work: Promise<T>): Promise<T> => {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(invalid(`request body did not arrive within ${ms} ms`)), ms);
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
    work.catch(() => undefined);
  }
};

/** A page of another site can make a browser send text, but not JSON. */
const assertJson = (type = ''): void => {
  const [media = ''] = type.split(';');
  if (media.trim() === '') throw invalid(`malformed Content-Type header (${type}): mime: no media type`);
  if (media.trim().toLowerCase() !== 'application/json')
    throw invalid(`unsupported Content-Type header (${type.slice(0, 100)}): must be 'application/json'`);
};

const parse = (bytes: Uint8Array, type: string | undefined): unknown => {
  if (bytes.byteLength === 0) return undefined;
  assertJson(type);
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    if (cause instanceof Error && cause.message.includes('after JSON'))
      throw invalid('unexpected content after JSON', { cause });
    throw invalid(`invalid JSON: ${cause instanceof Error ? cause.message.slice(0, 200) : 'malformed'}`, { cause });
  }
};

/** Whether a body was announced, read or not. */
export const announcesBody = ({ headers }: IncomingMessage): boolean =>
  Number(headers['content-length'] ?? 0) > 0 || headers['transfer-encoding'] !== undefined;

/** `early` is a body that was taken from the connection before the request was handed on. */
export function createRequestBody(request: IncomingMessage, limits: BodyLimits, early?: Uint8Array): RequestBody {
  const announced = Number(request.headers['content-length'] ?? 0);
  const present = announcesBody(request);
  const stream = (): AsyncIterable<Uint8Array> => (early === undefined ? chunksOf(request) : single(early));
  const bytes: RequestBody['bytes'] = async ({ limit = limits.bodyBytes } = {}) => {
    if (!present) return new Uint8Array();
    if (announced > limit) throw tooLarge(`request body is larger than ${limit} bytes`);
    return within(limits.bodyMs, collect(stream(), limit));
  };
  return {
    present,
    stream,
    bytes,
    json: async (options) => parse(await bytes(options), request.headers['content-type']),
  };
}

async function* single(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}

const DRAIN_MS = 10_000;

/**
 * Reads and drops what is left of a refused body, so that a client that is still sending gets to see the answer, which
 * has been given already, instead of a broken connection. One that never comes to an end is cut off.
 */
export function drainRest(request: IncomingMessage): void {
  if (request.complete || request.destroyed) return;
  const timer = setTimeout(() => request.socket.destroy(), DRAIN_MS);
  const done = (): void => clearTimeout(timer);
  request.once('end', done).once('close', done).once('error', done).resume();
}
