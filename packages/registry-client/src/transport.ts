import { type CallOptions, type Logger, sleep, throwIfAborted, unavailable } from '@berth/base';
import type { Dispatcher } from 'undici';
import type { Dispatchers } from './dispatchers.ts';
import type { Endpoint } from './endpoints.ts';
import { connectionFailure, refusal } from './failures.ts';
import type { TransferLimits } from './options.ts';
import { backoffMs, isPassing } from './retry.ts';

export interface TransportRequest extends CallOptions {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'PATCH' | 'DELETE';
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** A stream can be sent once, so such a request is not tried again. */
  readonly body?: Uint8Array | AsyncIterable<Uint8Array>;
}

export type TransportResponse = Dispatcher.ResponseData;

/** HTTP with retries and redirects; knows nothing about registries. */
export interface Transport {
  readonly limits: TransferLimits;
  /** The last answer, whatever its status; throws `unavailable` when there is none. */
  send(endpoint: Endpoint, options: TransportRequest): Promise<TransportResponse>;
}

const MAX_REDIRECTS = 6;
const MAX_ERROR_BODY = 64 * 1024;
const MAX_DISCARDED = 64 * 1024;
const MAX_SMALL_BODY_MS = 10_000;
const RETRIED = new Set([429, 500, 502, 503, 504]);
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/** One value of a header that may be repeated. */
export function headerOf(response: TransportResponse, name: string): string | undefined {
  const value = response.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

/** Drops a body: a short one is read, so that the connection can be used again, a long one is broken off. */
export async function discard(response: TransportResponse): Promise<void> {
  await readText(response, MAX_DISCARDED);
}

/** Reads a small body as text, or drops it; never more than `limit` bytes. */
export async function readText(response: TransportResponse, limit: number = MAX_ERROR_BODY): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  const late = setTimeout(() => response.body.destroy(), MAX_SMALL_BODY_MS);
  try {
    for await (const chunk of response.body) {
      size += (chunk as Uint8Array).byteLength;
      if (size > limit) break;
      chunks.push(chunk as Uint8Array);
    }
  } catch {
    return '';
  } finally {
    clearTimeout(late);
    response.body.on('error', () => undefined).destroy();
  }
  return size > limit ? '' : Buffer.concat(chunks).toString('utf8');
}

/** A token that does not reach far enough is a denial, whatever the body says (Docker Hub's answer to unknown names). */
const INSUFFICIENT_SCOPE = '{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}';

/** Throws the registry's refusal unless the status is one of those wanted; the body is left unread then. */
export async function expectStatus(response: TransportResponse, ...wanted: readonly number[]): Promise<void> {
  if (wanted.includes(response.statusCode)) return;
  const challenge = headerOf(response, 'www-authenticate') ?? '';
  const text = await readText(response);
  throw refusal(response.statusCode, /error="?insufficient_scope/.test(challenge) ? INSUFFICIENT_SCOPE : text, {
    waitMs: retryAfter(response),
  });
}

const retryAfter = (response: TransportResponse): number => {
  const text = headerOf(response, 'retry-after') ?? '';
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  // Only the form of HTTP dates: Date.parse takes almost anything for some date.
  const date = /^[A-Z][a-z]{2}[a-z]*,? .*GMT$/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(date) ? 0 : Math.max(0, date - Date.now());
};

/** Another origin that a registry's answer leads to: its certificates are checked, its addresses are limited. */
const elsewhere = (endpoint: Endpoint, url: URL, insecure: boolean): Endpoint => ({
  base: url.origin,
  host: url.host,
  verify: !insecure,
  mirror: false,
  referrer: endpoint.referrer ?? endpoint.host,
});

/** Whether the request may be sent again to where the answer points. */
const mayFollow = (input: TransportRequest, status: number): boolean => {
  if (!REDIRECTS.has(status)) return false;
  if (input.method === 'GET' || input.method === 'HEAD') return true;
  return status >= 307 && (input.body === undefined || input.body instanceof Uint8Array);
};

export function createTransport(options: {
  readonly dispatchers: Dispatchers;
  readonly limits: TransferLimits;
  readonly userAgent: string;
  readonly logger: Logger;
  /** True for hosts whose certificates are not checked. */
  readonly insecure: (host: string) => boolean;
}): Transport {
  const { dispatchers, limits, userAgent, logger } = options;

  const once = async (endpoint: Endpoint, input: TransportRequest, url: URL): Promise<TransportResponse> => {
    const home = url.origin === new URL(endpoint.base).origin;
    const { authorization: _, ...anonymous } = input.headers ?? {};
    throwIfAborted(input.signal);
    try {
      const { request } = await import('undici');
      return await request(url, {
        dispatcher: await dispatchers.get(home ? endpoint : elsewhere(endpoint, url, options.insecure(url.host))),
        method: input.method,
        headers: { 'user-agent': userAgent, ...(home ? input.headers : anonymous) },
        ...(input.body === undefined ? {} : { body: input.body as Uint8Array }),
        ...(input.signal === undefined ? {} : { signal: input.signal }),
      });
    } catch (error) {
      throw connectionFailure(input.method, url, error, input.signal);
    }
  };

  const follow = async (endpoint: Endpoint, input: TransportRequest): Promise<TransportResponse> => {
    let url = input.url;
    for (let hops = 0; ; hops++) {
      const response = await once(endpoint, input, url);
      const location = headerOf(response, 'location');
      if (!mayFollow(input, response.statusCode) || location === undefined) return response;
      await discard(response);
      if (hops >= MAX_REDIRECTS)
        throw unavailable(`${url.origin}${url.pathname}: stopped after ${MAX_REDIRECTS} redirects`);
      const next = URL.parse(location, url);
      if (next === null || !/^https?:$/.test(next.protocol) || next.username !== '' || next.password !== '')
        throw unavailable(`${url.origin} redirects to no HTTP address`);
      if (url.protocol === 'https:' && next.protocol === 'http:' && endpoint.verify)
        throw unavailable(`${url.origin} redirects from HTTPS to HTTP`);
      url = next;
    }
  };

  return {
    limits,
    async send(endpoint, input) {
      const replayable = input.body === undefined || input.body instanceof Uint8Array;
      // A mirror has others behind it: waiting for it costs more than it saves.
      const attempts = endpoint.mirror ? Math.min(limits.attempts, 2) : limits.attempts;
      for (let attempt = 0; ; attempt++) {
        const last = !replayable || attempt + 1 >= attempts;
        let asked = 0;
        try {
          const response = await follow(endpoint, input);
          if (last || !RETRIED.has(response.statusCode)) return response;
          asked = retryAfter(response);
          if (asked > limits.maxBackoffMs) return response;
          logger.debug('registry asks to try again', { status: response.statusCode, host: endpoint.host });
          await discard(response);
        } catch (error) {
          if (last || !isPassing(error)) throw error;
          logger.debug('connection to registry failed', { error, host: endpoint.host });
        }
        await sleep(Math.max(asked, backoffMs(attempt, limits)), input);
      }
    },
  };
}
