import { readFileSync } from 'node:fs';
import type { ClientRequest, IncomingMessage, RequestOptions } from 'node:http';
import { request as secureRequest } from 'node:https';
import {
  type CallOptions,
  dataLoss,
  EngineError,
  internal,
  isKind,
  type Logger,
  messageOf,
  notFound,
  sleep,
  throwIfAborted,
  unavailable,
} from '@berth/base';
import type { PluginAddress } from './plugin-directories.ts';

// an import statement would read every export, and with one of them load all of undici
const { request } = process.getBuiltinModule('node:http');

/** Of docker's plugin protocol. */
const ACCEPT = 'application/vnd.docker.plugins.v1.2+json';
const MAX_ANSWER = 1 << 20;
/** Altogether, for connecting again and again to a plugin that is being restarted. */
const PATIENCE_MS = 30_000;
const FIRST_WAIT_MS = 1000;

export interface PluginClientOptions {
  readonly name: string;
  readonly address: PluginAddress;
  readonly logger: Logger;
  /** For how long a plugin that does not take the connection is asked again; default 30 seconds. */
  readonly patienceMs?: number | undefined;
}

export interface CallBounds extends CallOptions {
  /** Milliseconds an answer may take. */
  readonly timeoutMs: number;
}

/** Calls a plugin: JSON over HTTP, by its socket or address. Errors: see `call`. */
export class PluginClient {
  readonly #options: PluginClientOptions;

  constructor(options: PluginClientOptions) {
    this.#options = options;
  }

  /**
   * One call, for instance `VolumeDriver.Create`. A connection that fails is tried again with growing pauses. Throws
   * `unavailable` (nobody listens), `deadline`, `tooLarge`, `dataLoss` (no JSON), `notFound` (status 404), `internal`
   * with the plugin's words for any other answer but 200.
   */
  async call(method: string, body: object, bounds: CallBounds): Promise<Readonly<Record<string, unknown>>> {
    const { logger, name, patienceMs = PATIENCE_MS } = this.#options;
    const began = performance.now();
    for (let wait = FIRST_WAIT_MS; ; wait *= 2) {
      try {
        return await this.#once(method, JSON.stringify(body), bounds);
      } catch (error) {
        const elapsed = performance.now() - began;
        if (!isKind(error, 'unavailable') || elapsed + wait >= patienceMs) throw error;
        logger.warn('a plugin does not take calls, trying again', { plugin: name, method, error });
      }
      await sleep(wait, bounds);
    }
  }

  async #once(
    method: string,
    body: string,
    { timeoutMs, signal }: CallBounds,
  ): Promise<Readonly<Record<string, unknown>>> {
    throwIfAborted(signal);
    const late = AbortSignal.timeout(timeoutMs);
    const aborted = signal === undefined ? late : AbortSignal.any([signal, late]);
    try {
      const { status, text } = await exchange(send(this.#options.address, method, body, aborted));
      const answer = parse(text);
      if (status === 200) {
        if (answer === undefined) throw dataLoss(`${method}: the plugin's answer is no JSON object`);
        return answer;
      }
      const said = typeof answer?.['Err'] === 'string' && answer['Err'] !== '' ? answer['Err'] : text;
      throw (status === 404 ? notFound : internal)(`${method}: ${said.slice(0, 4096)}`);
    } catch (error) {
      if (error instanceof EngineError) throw error;
      throwIfAborted(signal);
      if (late.aborted) throw new EngineError('deadline', `${method}: the plugin did not answer in ${timeoutMs} ms`);
      throw unavailable(`Post "http://${encodeURIComponent(this.#options.name)}/${method}": ${messageOf(error)}`, {
        cause: error,
      });
    }
  }
}

function send({ url, tls }: PluginAddress, method: string, body: string, signal: AbortSignal): ClientRequest {
  const { protocol, hostname, port, pathname } = new URL(url);
  const options: RequestOptions = {
    method: 'POST',
    path: `/${method}`,
    // a connection kept open would be mistaken for one that works after the plugin was started anew
    agent: false,
    signal,
    headers: { Accept: ACCEPT, 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) },
    ...(protocol === 'unix:' ? { socketPath: decodeURIComponent(pathname) } : { host: hostname, port }),
  };
  const file = (path: string | undefined): Buffer | undefined => (path === undefined ? undefined : readFileSync(path));
  const sent =
    tls !== undefined || protocol === 'https:'
      ? secureRequest({
          ...options,
          ca: file(tls?.caFile),
          cert: file(tls?.certFile),
          key: file(tls?.keyFile),
          rejectUnauthorized: !(tls?.insecureSkipVerify ?? false),
        })
      : request(options);
  sent.end(body);
  return sent;
}

async function exchange(sent: ClientRequest): Promise<{ readonly status: number; readonly text: string }> {
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    sent.on('response', resolve).on('error', reject);
  });
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_ANSWER) {
      sent.destroy();
      throw new EngineError('tooLarge', `the plugin's answer is longer than ${MAX_ANSWER} bytes`);
    }
    chunks.push(chunk);
  }
  return { status: answer.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') };
}

function parse(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // an error's text may be anything
  }
  return undefined;
}
