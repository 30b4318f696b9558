import { type CallOptions, EngineError, invalid, isKind, messageOf, unavailable } from '@berth/base';
import { DEFAULT_DOMAIN } from '@berth/oci';
import type { Endpoint } from './endpoints.ts';
import type { RegistryCredential } from './options.ts';
import type { Session } from './session.ts';
import { discard, readText } from './transport.ts';

/** The host that searches Docker Hub. */
export const INDEX_HOST = 'index.docker.io';

const DEFAULT_LIMIT = 25;
const MAX_LIMIT = 100;
const MAX_ANSWER = 4 * 1024 * 1024;
/** What a token is asked for when the login left a refresh token. */
const SCOPES = ['registry:catalog:search'];

/** One repository that a search found. */
export interface SearchHit {
  readonly name: string;
  readonly description: string;
  readonly stars: number;
  readonly official: boolean;
}

export interface SearchOptions extends CallOptions {
  readonly credential?: RegistryCredential | undefined;
  /** Hits wanted, 1 to 100; default 25. */
  readonly limit?: number | undefined;
  /** Further headers of the request, `X-Meta-*`. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** Where to search and for what. Throws `invalid` for a URL. */
export function splitTerm(term: string): { readonly domain: string; readonly words: string } {
  if (term.includes('://'))
    throw invalid(`invalid repository name: repository name (${term}) should not have a scheme`);
  const slash = term.indexOf('/');
  const first = slash < 0 ? '' : term.slice(0, slash);
  const isHost = /[.:]/.test(first) || first === 'localhost';
  const domain = !isHost || first === INDEX_HOST ? DEFAULT_DOMAIN : first;
  const words = isHost ? term.slice(slash + 1) : term;
  return { domain, words: domain === DEFAULT_DOMAIN ? words.replace(/^library\//, '') : words };
}

/**
 * Asks a registry's search (`/v1/search`, which only Docker Hub and a few others have). `sessions` are the ways to reach
 * it, in the order in which to try them. Throws `invalid` (limit, nobody there), `unavailable`.
 */
export async function searchAt(
  sessions: readonly Session[],
  words: string,
  options: SearchOptions,
): Promise<readonly SearchHit[]> {
  const { signal, limit, credential, headers } = options;
  const wanted = limit === undefined || limit === 0 ? DEFAULT_LIMIT : limit;
  if (wanted < 1 || wanted > MAX_LIMIT) throw invalid(`limit ${wanted} is outside the range of [1, ${MAX_LIMIT}]`);
  const session = await reachable(sessions, { signal });
  const query = new URLSearchParams({ q: words, n: String(wanted) });
  const response = await session.send({
    signal,
    method: 'GET',
    target: `/v1/search?${query}`,
    scopes: SCOPES,
    headers: { ...headers, 'x-docker-token': 'true', ...unasked(credential) },
  });
  const text = await readText(response, MAX_ANSWER);
  if (response.statusCode !== 200)
    throw unavailable(`unexpected status code ${response.statusCode}`, { details: { status: response.statusCode } });
  return hitsOf(text);
}

/** A search shows more to those it knows, but does not ask who they are. */
const unasked = ({ username, password, identityToken }: RegistryCredential = {}): Record<string, string> =>
  username && password !== undefined && !identityToken
    ? { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` }
    : {};

/** The first that answers anything; Docker Hub is taken to be there, so that nothing is asked twice. */
async function reachable(sessions: readonly Session[], call: CallOptions): Promise<Session> {
  const [only] = sessions;
  if (only?.endpoint.host === INDEX_HOST) return only;
  const failures: { readonly endpoint: Endpoint; readonly error: unknown }[] = [];
  for (const session of sessions) {
    try {
      await discard(await session.send({ ...call, method: 'GET', target: '/v1/_ping', scopes: SCOPES }));
      return session;
    } catch (error) {
      if (isKind(error, 'cancelled', 'deadline')) throw error;
      failures.push({ endpoint: session.endpoint, error });
    }
  }
  throw nobody(failures);
}

function nobody(failures: readonly { readonly endpoint: Endpoint; readonly error: unknown }[]): EngineError {
  const [https, http] = failures;
  const { base = '', host = '' } = https?.endpoint ?? {};
  const options = { cause: (http ?? https)?.error };
  if (http !== undefined)
    return invalid(
      `invalid registry endpoint "${http.endpoint.base}/v1/". HTTPS attempt: ${messageOf(https?.error)}. HTTP attempt: ${messageOf(http.error)}`,
      options,
    );
  const hint = `If it only speaks HTTP, or has a certificate of an authority that this host does not know, list ${host} under insecure-registries, or put the authority's certificate at /etc/docker/certs.d/${host}/ca.crt`;
  return invalid(`invalid registry endpoint ${base}/v1/: ${messageOf(https?.error)}. ${hint}`, options);
}

function hitsOf(text: string): readonly SearchHit[] {
  const wrong = (cause?: unknown): EngineError =>
    new EngineError('unavailable', 'error decoding registry search results', { cause });
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch (cause) {
    throw wrong(cause);
  }
  if (typeof answer !== 'object' || answer === null) throw wrong();
  const { results } = answer as { readonly results?: unknown };
  if (results === undefined || results === null) return [];
  if (!Array.isArray(results)) throw wrong();
  return results.map((result: unknown) => {
    if (typeof result !== 'object' || result === null) throw wrong();
    const { name, description, star_count: stars, is_official: official } = result as Record<string, unknown>;
    return {
      name: typeof name === 'string' ? name : '',
      description: typeof description === 'string' ? description : '',
      stars: Number.isSafeInteger(stars) ? Number(stars) : 0,
      official: official === true,
    };
  });
}
