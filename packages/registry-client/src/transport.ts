import { getCACertificates, rootCertificates } from 'node:tls';
import { type CallOptions, EngineError, type Logger, sleep, throwIfAborted, unavailable } from '@berth/base';
import { Agent, type Dispatcher, request } from 'undici';
import { loadCertificates } from './certificates.ts';
import type { Endpoint } from './endpoints.ts';
import { connectionFailure, refusal } from './failures.ts';
import type { TransferLimits } from './options.ts';

export interface TransportRequest extends CallOptions {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'PATCH' | 'DELETE';
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** A stream can be sent once, so such a request is not tried again. */
  readonly body?: Uint8Array | AsyncIterable<Uint8Array>;
}

export type TransportResponse = Dispatcher.ResponseData;

/** HTTP with retries and redirects; knows nothing about registries. */
export interface Transport extends AsyncDisposable {
  /** The last answer, whatever its status; throws `unavailable` when there is none. */
  send(endpoint: Endpoint, options: TransportRequest): Promise<TransportResponse>;
}

const MAX_REDIRECTS = 6;
const MAX_ERROR_BODY = 64 * 1024;
const RETRIED = new Set([429, 500, 502, 503, 504]);
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/** One value of a header that may be repeated. */
export function headerOf(response: TransportResponse, name: string): string | undefined {
  const value = response.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

/** Reads a small body as text, or drops it; never more than `limit` bytes. */
export async function readText(response: TransportResponse, limit: number = MAX_ERROR_BODY): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of response.body) {
      size += (chunk as Uint8Array).byteLength;
      if (size > limit) break;
      chunks.push(chunk as Uint8Array);
    }
  } catch {
    return '';
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
  throw refusal(response.statusCode, /error="?insufficient_scope/.test(challenge) ? INSUFFICIENT_SCOPE : text);
}

const systemCertificates = (): readonly string[] => [...new Set([...rootCertificates, ...getCACertificates('system')])];

const retryAfter = (response: TransportResponse): number => {
  const text = headerOf(response, 'retry-after') ?? '';
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  const date = Date.parse(text);
  return Number.isNaN(date) ? 0 : Math.max(0, date - Date.now());
};

const makeAgent = async (
  endpoint: Endpoint,
  directories: readonly string[],
  limits: TransferLimits,
): Promise<Agent> => {
  const { ca, cert, key } = await loadCertificates(directories, endpoint.host);
  const secure = endpoint.base.startsWith('https:');
  return new Agent({
    headersTimeout: limits.stallMs,
    bodyTimeout: limits.stallMs,
    connect: {
      timeout: limits.connectMs,
      rejectUnauthorized: endpoint.verify,
      ...(secure && endpoint.verify ? { ca: [...systemCertificates(), ...ca] } : {}),
      ...(cert === undefined || key === undefined ? {} : { cert, key }),
    },
  });
};

const OTHER_HOST: Endpoint = { base: 'https://', host: '', verify: true, mirror: false };

export function createTransport(options: {
  readonly directories: readonly string[];
  readonly limits: TransferLimits;
  readonly userAgent: string;
  readonly logger: Logger;
}): Transport {
  const { directories, limits, userAgent, logger } = options;
  const agents = new Map<string, Promise<Agent>>();
  const agentFor = (endpoint: Endpoint): Promise<Agent> => {
    const key = `${endpoint.base} ${endpoint.verify}`;
    const known = agents.get(key);
    if (known !== undefined) return known;
    const made = makeAgent(endpoint, directories, limits);
    agents.set(key, made);
    made.catch(() => agents.delete(key));
    return made;
  };

  const once = async (endpoint: Endpoint, input: TransportRequest, url: URL): Promise<TransportResponse> => {
    const home = url.origin === new URL(endpoint.base).origin;
    const { authorization: _, ...anonymous } = input.headers ?? {};
    throwIfAborted(input.signal);
    try {
      return await request(url, {
        dispatcher: await agentFor(home ? endpoint : OTHER_HOST),
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
      const follows = input.method === 'GET' || input.method === 'HEAD';
      if (!follows || !REDIRECTS.has(response.statusCode) || location === undefined) return response;
      await response.body.dump();
      if (hops >= MAX_REDIRECTS)
        throw unavailable(`${url.origin}${url.pathname}: stopped after ${MAX_REDIRECTS} redirects`);
      const next = URL.parse(location, url);
      if (next === null || !/^https?:$/.test(next.protocol))
        throw unavailable(`${url.origin} redirects to no HTTP address`);
      if (url.protocol === 'https:' && next.protocol === 'http:' && endpoint.verify)
        throw unavailable(`${url.origin} redirects from HTTPS to HTTP`);
      url = next;
    }
  };

  const pause = (attempt: number, asked: number, input: TransportRequest): Promise<void> => {
    const backoff = limits.backoffMs * 2 ** attempt * (0.5 + Math.random());
    return sleep(Math.min(limits.maxBackoffMs, Math.max(asked, backoff)), input);
  };

  return {
    async send(endpoint, input) {
      const replayable = input.body === undefined || input.body instanceof Uint8Array;
      for (let attempt = 0; ; attempt++) {
        const last = !replayable || attempt + 1 >= limits.attempts;
        let asked = 0;
        try {
          const response = await follow(endpoint, input);
          if (last || !RETRIED.has(response.statusCode)) return response;
          asked = retryAfter(response);
          logger.debug('registry asks to try again', { status: response.statusCode, host: endpoint.host });
          await response.body.dump();
        } catch (error) {
          const transient = error instanceof EngineError && error.details['transient'] === true;
          if (last || !transient) throw error;
          logger.debug('connection to registry failed', { error, host: endpoint.host });
        }
        await pause(attempt, asked, input);
      }
    },
    async [Symbol.asyncDispose]() {
      const made = await Promise.allSettled(agents.values());
      agents.clear();
      await Promise.all(made.map((agent) => (agent.status === 'fulfilled' ? agent.value.destroy() : undefined)));
    },
  };
}
