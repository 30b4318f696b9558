import { lookup as resolveName } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { getCACertificates, rootCertificates } from 'node:tls';
import { forbidden } from '@berth/base';
import type { Dispatcher } from 'undici';
import { loadCertificates } from './certificates.ts';
import type { Endpoint } from './endpoints.ts';
import { bareHost, type Reach, reachOfAddress, reachOfHost } from './hosts.ts';
import type { TransferLimits } from './options.ts';
import { type ProxySettings, proxyFor } from './proxies.ts';

export interface DispatcherOptions {
  readonly directories: readonly string[];
  readonly limits: TransferLimits;
  readonly proxies: ProxySettings;
  /** Hosts that may be anywhere, whoever leads to them. */
  readonly trusted: (host: string) => boolean;
}

/** Connection pools by endpoint. */
export interface Dispatchers extends AsyncDisposable {
  /** Throws `forbidden` when a referrer leads further inside than it is itself. */
  get(endpoint: Endpoint): Promise<Dispatcher>;
}

const MAX_HEADER_BYTES = 32 * 1024;
const MAX_POOLS = 64;

const systemCertificates = (): readonly string[] => [...new Set([...rootCertificates, ...getCACertificates('system')])];

const refused = (endpoint: Endpoint): Error =>
  forbidden(`${endpoint.referrer} leads to ${endpoint.host}, an address that is only reachable from inside: refused`);

/** Looks names up and refuses what lies further inside than `limit`, so that a name cannot hide an address. */
const guardedLookup =
  (endpoint: Endpoint, limit: Reach): LookupFunction =>
  (hostname, options, callback) =>
    resolveName(hostname, { ...options, all: true }, (error, found) => {
      if (error !== null) return callback(error, '');
      const allowed = found.filter(({ address }) => reachOfAddress(address) <= limit);
      const [first] = allowed;
      if (first === undefined) return callback(refused(endpoint), '');
      if (options.all === true) return callback(null, allowed);
      callback(null, first.address, first.family);
    });

export function createDispatchers(options: DispatcherOptions): Dispatchers {
  const { directories, limits, proxies } = options;
  const pools = new Map<string, Promise<Dispatcher>>();

  /** The lookup to use; undefined when the endpoint may be anywhere. */
  const guard = async (endpoint: Endpoint, proxied: boolean): Promise<LookupFunction | undefined> => {
    if (endpoint.referrer === undefined || options.trusted(endpoint.host)) return undefined;
    const name = bareHost(new URL(endpoint.base).hostname);
    const limit = await reachOfHost(new URL(`http://${endpoint.referrer}`).hostname);
    if (isIP(name) !== 0 && reachOfAddress(name) > limit) throw refused(endpoint);
    if (proxied && (await reachOfHost(name)) > limit) throw refused(endpoint);
    return guardedLookup(endpoint, limit);
  };

  const make = async (endpoint: Endpoint): Promise<Dispatcher> => {
    const url = new URL(endpoint.base);
    const proxy = proxyFor(url, proxies);
    const lookup = await guard(endpoint, proxy !== undefined);
    const { ca, cert, key } = await loadCertificates(directories, endpoint.host);
    const tls = {
      rejectUnauthorized: endpoint.verify,
      ...(url.protocol === 'https:' && endpoint.verify ? { ca: [...systemCertificates(), ...ca] } : {}),
      ...(cert === undefined || key === undefined ? {} : { cert, key }),
    };
    // loaded at the first use: 20 MB and 60 ms that a daemon which pulls nothing need not have
    const { Agent, ProxyAgent } = await import('undici');
    const common = {
      headersTimeout: limits.stallMs,
      bodyTimeout: limits.stallMs,
      maxHeaderSize: MAX_HEADER_BYTES,
    };
    if (proxy === undefined)
      return new Agent({ ...common, connect: { timeout: limits.connectMs, ...tls, ...(lookup && { lookup }) } });
    return new ProxyAgent({
      ...common,
      uri: proxy.href,
      connectTimeout: limits.connectMs,
      requestTls: tls,
      proxyTls: { ca: [...systemCertificates()] },
    });
  };

  return {
    get(endpoint) {
      const key = `${endpoint.base} ${endpoint.verify} ${endpoint.referrer ?? ''}`;
      const known = pools.get(key);
      if (known !== undefined) return known;
      const made = make(endpoint);
      pools.set(key, made);
      made.catch(() => pools.delete(key));
      const [oldest, pool] = [...pools].find(([, each]) => each !== made) ?? [];
      if (pools.size > MAX_POOLS && oldest !== undefined) {
        pools.delete(oldest);
        // Closing waits for what is under way.
        pool?.then((each) => each.close()).catch(() => undefined);
      }
      return made;
    },
    async [Symbol.asyncDispose]() {
      const made = await Promise.allSettled(pools.values());
      pools.clear();
      await Promise.all(made.map((each) => (each.status === 'fulfilled' ? each.value.destroy() : undefined)));
    },
  };
}
