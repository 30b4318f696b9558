import { type CallOptions, EngineError, isKind, silentLogger, unauthorized } from '@berth/base';
import { DEFAULT_DOMAIN, parseReference, type Reference } from '@berth/oci';
import { createDispatchers } from './dispatchers.ts';
import { endpointsOf, isInsecure, isListed, parseMirror } from './endpoints.ts';
import { isUnreachable } from './failures.ts';
import { DEFAULT_TRANSFER_LIMITS, type RegistryClientOptions, type RegistryCredential } from './options.ts';
import { DEFAULT_PARALLEL, type ParallelRanges } from './parallel-ranges.ts';
import { parseProxy } from './proxies.ts';
import { createRepository, type Repository } from './repository.ts';
import { INDEX_HOST, type SearchHit, type SearchOptions, searchAt, splitTerm } from './search.ts';
import { createSession, type Session } from './session.ts';
import { createTransport, readText } from './transport.ts';

const DEFAULT_CERTIFICATES = ['/etc/berth/certs.d', '/etc/docker/certs.d'];

export interface LoginResult {
  /** Refresh token to keep instead of the password, when the registry gives one. */
  readonly identityToken?: string;
}

/**
 * Speaks the OCI distribution protocol with registries.
 *
 *     await using client = createRegistryClient({ credentials: async (domain) => config.get(domain) });
 *     const busybox = client.repository('busybox');
 *     await copyGraph(busybox, store, await busybox.resolve('latest'), { signal });
 */
export interface RegistryClient extends AsyncDisposable {
  /** `credential` takes the place of the client's own look-up. No request is made. */
  repository(reference: Reference | string, options?: RepositoryOptions): Repository;
  /** Checks that a registry answers and takes the credential. Throws `unauthorized` or `unavailable`. */
  login(domain: string, credential: RegistryCredential | undefined, options?: CallOptions): Promise<LoginResult>;
  /**
   * Repositories that fit a word, on Docker Hub, or for `host/word` on that host; mirrors are not asked. Throws `invalid`
   * (limit, nobody answers there), `unavailable`.
   */
  search(term: string, options?: SearchOptions): Promise<readonly SearchHit[]>;
}

export interface RepositoryOptions {
  readonly credential?: RegistryCredential | undefined;
  /** Uploads in PATCH requests of this many bytes instead of one PUT. */
  readonly chunkBytes?: number;
}

/** `https://index.docker.io/v1/` and URLs are what docker's configuration calls registries. */
const domainOf = (address: string): string => {
  const bare = address.replace(/^https?:\/\//, '').replace(/\/.*$/, '');
  return ['', 'index.docker.io', 'registry-1.docker.io'].includes(bare) ? DEFAULT_DOMAIN : bare;
};

export function createRegistryClient(options: RegistryClientOptions = {}): RegistryClient {
  const limits = { ...DEFAULT_TRANSFER_LIMITS, ...options.limits };
  const logger = options.logger ?? silentLogger;
  const { insecureRegistries = [], mirrors = [] } = options;
  const trusted = (host: string): boolean =>
    isListed(host, insecureRegistries) || Object.hasOwn(options.registries ?? {}, host);
  const dispatchers = createDispatchers({
    directories: options.certificateDirectories ?? DEFAULT_CERTIFICATES,
    limits,
    proxies: options.proxies ?? {},
    trusted,
  });
  const insecure = (host: string): boolean => isInsecure(host, insecureRegistries);
  const transport = createTransport({
    dispatchers,
    limits,
    userAgent: options.userAgent ?? 'berth/0.1',
    logger,
    insecure,
  });
  for (const proxy of [options.proxies?.http, options.proxies?.https]) if (proxy) parseProxy(proxy);
  for (const { mirrors: own = [] } of Object.values(options.registries ?? {})) own.forEach(parseMirror);
  mirrors.forEach(parseMirror);

  const deferred = (make: () => Promise<Session>, endpoint: Session['endpoint']): Session => {
    const plain = createSession(transport, endpoint, undefined);
    let made: Promise<Session> | undefined;
    const session = (): Promise<Session> => {
      made ??= make();
      return made;
    };
    return {
      endpoint,
      limits,
      urlOf: plain.urlOf,
      send: async (request) => (await session()).send(request),
      identityToken: async () => (await session()).identityToken(),
    };
  };

  const parallelOf = (domain: string): ParallelRanges => {
    const { parallelRanges } = (Object.hasOwn(options.registries ?? {}, domain) && options.registries?.[domain]) || {};
    const own = parallelRanges === undefined ? {} : { connections: Math.min(8, Math.max(1, parallelRanges)) };
    return { ...DEFAULT_PARALLEL, ...options.parallel, ...own };
  };
  const distrusted = new Set<string>();
  const endpointOptions = { insecureRegistries, mirrors, registries: options.registries ?? {} };
  const sessionsOf = (domain: string, given: RegistryCredential | undefined): readonly Session[] =>
    endpointsOf(domain, endpointOptions).map((endpoint) =>
      deferred(async () => {
        const mine = endpoint.mirror ? endpoint.host : domain;
        const usable = endpoint.mirror ? undefined : given;
        return createSession(transport, endpoint, usable ?? (await options.credentials?.(mine)));
      }, endpoint),
    );

  const check = async (session: Session, call: CallOptions): Promise<LoginResult> => {
    const response = await session.send({ ...call, method: 'GET', target: '/v2/', scopes: [] });
    await readText(response);
    const url = `${session.endpoint.base}/v2/`;
    if (response.statusCode === 401) throw unauthorized(`login attempt to ${url} failed with status: 401 Unauthorized`);
    if (response.statusCode !== 200)
      throw new EngineError(
        response.statusCode === 403 ? 'forbidden' : 'unavailable',
        `login attempt to ${url} failed with status: ${response.statusCode}`,
      );
    const identityToken = await session.identityToken();
    return identityToken === undefined ? {} : { identityToken };
  };

  return {
    repository(reference, { credential, chunkBytes } = {}) {
      const parsed = typeof reference === 'string' ? parseReference(reference) : reference;
      return createRepository({
        reference: { domain: parsed.domain, path: parsed.path },
        sessions: sessionsOf(parsed.domain, credential),
        limits,
        logger,
        chunkBytes,
        distrusted,
        parallel: parallelOf(parsed.domain),
      });
    },
    async login(address, credential, call = {}) {
      const domain = domainOf(address);
      const endpoints = endpointsOf(domain, endpointOptions).filter(({ mirror }) => !mirror);
      for (const [index, endpoint] of endpoints.entries()) {
        try {
          return await check(createSession(transport, endpoint, credential, { login: true }), call);
        } catch (error) {
          if (index === endpoints.length - 1 || !isUnreachable(error)) {
            if (isKind(error, 'unauthorized') && error instanceof EngineError && !error.message.startsWith('login'))
              throw unauthorized(`Get "${endpoint.base}/v2/": ${error.message}`, { cause: error });
            throw error;
          }
        }
      }
      return {};
    },
    async search(term, search = {}) {
      const { domain, words } = splitTerm(term);
      const own = { base: `https://${INDEX_HOST}`, host: INDEX_HOST, verify: true, mirror: false };
      const endpoints =
        domain === DEFAULT_DOMAIN ? [own] : endpointsOf(domain, endpointOptions).filter(({ mirror }) => !mirror);
      const sessions = endpoints.map((endpoint) => createSession(transport, endpoint, search.credential));
      return await searchAt(sessions, words, search);
    },
    [Symbol.asyncDispose]: () => dispatchers[Symbol.asyncDispose](),
  };
}
