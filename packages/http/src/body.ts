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
  /** Whole body as JSON, undefined when empty. Throws `invalid` and what `bytes` throws. */
  json(options?: { readonly limit?: number }): Promise<unknown>;
}

const describeBroken = (error: unknown): unknown =>
  error instanceof EngineError ? error : cancelled('the client closed the connection', { cause: error });

async function* chunksOf(request: IncomingMessage): AsyncIterable<Uint8Array> {
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false })) yield chunk as Uint8Array;
  } catch (error) {
    throw describeBroken(error);
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

const parse = (bytes: Uint8Array): unknown => {
  if (bytes.byteLength === 0) return undefined;
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw invalid(`invalid JSON: ${cause instanceof Error ? cause.message.slice(0, 200) : 'malformed'}`, { cause });
  }
};

/** `early` is a body that was taken from the connection before the request was handed on. */
export function createRequestBody(request: IncomingMessage, limits: BodyLimits, early?: Uint8Array): RequestBody {
  const announced = Number(request.headers['content-length'] ?? 0);
  const present = announced > 0 || request.headers['transfer-encoding'] !== undefined;
  const stream = (): AsyncIterable<Uint8Array> => (early === undefined ? chunksOf(request) : single(early));
  const bytes: RequestBody['bytes'] = async ({ limit = limits.bodyBytes } = {}) => {
    if (!present) return new Uint8Array();
    if (announced > limit) throw tooLarge(`request body is larger than ${limit} bytes`);
    return within(limits.bodyMs, collect(stream(), limit));
  };
  return { present, stream, bytes, json: async (options) => parse(await bytes(options)) };
}

async function* single(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}

const DRAIN_BYTES = 4 * 1024 * 1024;
const DRAIN_MS = 1000;

/**
 * Reads and drops what is left of a refused body for a moment, so that the client gets to see the answer instead of a
 * reset connection.
 */
export async function drainBriefly(request: IncomingMessage): Promise<void> {
  if (request.complete || request.destroyed) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, DRAIN_MS);
  let size = 0;
  const onData = (chunk: Uint8Array): void => {
    size += chunk.byteLength;
    if (size > DRAIN_BYTES) resolve();
  };
  request.on('data', onData).once('end', resolve).once('close', resolve).resume();
  await promise;
  clearTimeout(timer);
  request.off('data', onData).off('end', resolve).off('close', resolve);
}
