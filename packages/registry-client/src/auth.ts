import { performance } from 'node:perf_hooks';
import { type CallOptions, invalid, SingleFlight, throwIfAborted, unauthorized } from '@berth/base';
import { readAll } from '@berth/oci';
import { type Challenge, parseChallenges } from './challenge.ts';
import type { Endpoint } from './endpoints.ts';
import { connectionFailure, refusal } from './failures.ts';
import type { RegistryCredential, TransferLimits } from './options.ts';
import { paced } from './paced.ts';
import { retried } from './retry.ts';
import type { Transport, TransportResponse } from './transport.ts';

const CLIENT_ID = 'berth';
const MAX_TOKEN_BODY = 1024 * 1024;
/** What a token without `expires_in` is good for (distribution token specification), and the longest that is believed. */
const DEFAULT_LIFE_S = 60;
const MAX_LIFE_S = 24 * 3600;

/** A token server's answer. */
interface Token {
  readonly authorization: string;
  readonly lifeMs: number;
  readonly refreshToken?: string;
}

/** Makes `Authorization` headers for one registry and one credential; tokens are kept per scope. */
export interface Authorizer {
  /** What to send without being asked; undefined when nothing is known yet. Replaces a token about to expire. */
  current(scopes: readonly string[], options?: CallOptions): Promise<string | undefined>;
  /** Answers a 401; undefined when there is nothing (new) to answer with. */
  answer(response: TransportResponse, scopes: readonly string[], options?: CallOptions): Promise<string | undefined>;
  /** Refresh token that a login got, if any. */
  readonly identityToken: string | undefined;
}

const basic = (username: string, password: string): string =>
  `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;

const headerList = (response: TransportResponse, name: string): string => {
  const value = response.headers[name];
  return Array.isArray(value) ? value.join(', ') : (value ?? '');
};

const parseToken = (text: string): Token => {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw unauthorized('the token server did not answer with JSON');
  }
  const { token, access_token, refresh_token, expires_in } = (value ?? {}) as Record<string, unknown>;
  const bearer = typeof token === 'string' && token !== '' ? token : access_token;
  if (typeof bearer !== 'string' || !/^[\x21-\x7e]+$/.test(bearer))
    throw unauthorized('authorization server did not include a token in the response');
  const life = typeof expires_in === 'number' && expires_in > 0 ? Math.min(expires_in, MAX_LIFE_S) : DEFAULT_LIFE_S;
  return {
    authorization: `Bearer ${bearer}`,
    lifeMs: life * 1000,
    ...(typeof refresh_token === 'string' ? { refreshToken: refresh_token } : {}),
  };
};

interface KnownToken {
  readonly authorization: string;
  /** When to ask for another one, on the monotonic clock: before it expires, in the pause between two requests. */
  readonly renewAt: number;
  readonly challenge: Challenge;
}

/** The whole answer; one that breaks off is worth another try, unlike one that is no token. */
const readAnswer = async (response: TransportResponse, limits: TransferLimits, call: CallOptions): Promise<string> => {
  try {
    return Buffer.from(await readAll(paced(response.body, limits), MAX_TOKEN_BODY, call)).toString('utf8');
  } catch (error) {
    throw connectionFailure('GET', new URL('token:///'), error, call.signal);
  }
};

export function createAuthorizer(
  transport: Transport,
  endpoint: Endpoint,
  credential: RegistryCredential | undefined,
  options: { readonly login?: boolean } = {},
): Authorizer {
  const known = new Map<string, KnownToken>();
  const flights = new SingleFlight<string>();
  let basicHeader: string | undefined;
  let identityToken = credential?.identityToken;

  const realmOf = (challenge: Challenge): URL => {
    const realm = URL.parse(challenge.parameters['realm'] ?? '');
    if (realm === null || !/^https?:$/.test(realm.protocol)) throw invalid('the registry names no valid token server');
    const exposed = realm.protocol === 'http:' && endpoint.base.startsWith('https:') && endpoint.verify;
    if (exposed && credential !== undefined)
      throw unauthorized('the registry asks for credentials to be sent without encryption');
    return realm;
  };

  const byRefreshToken = (realm: URL, service: string, scopes: readonly string[], token: string, call: CallOptions) =>
    transport.send(tokenEndpoint(realm), {
      ...call,
      method: 'POST',
      url: realm,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: Buffer.from(
        new URLSearchParams({
          grant_type: 'refresh_token',
          service,
          client_id: CLIENT_ID,
          scope: scopes.join(' '),
          refresh_token: token,
        }).toString(),
      ),
    });

  const tokenEndpoint = (realm: URL): Endpoint =>
    realm.origin === new URL(endpoint.base).origin
      ? endpoint
      : { base: realm.origin, host: realm.host, verify: endpoint.verify, mirror: false, referrer: endpoint.host };

  const byPassword = (realm: URL, service: string, scopes: readonly string[], call: CallOptions) => {
    const url = new URL(realm);
    if (service !== '') url.searchParams.set('service', service);
    for (const scope of scopes) url.searchParams.append('scope', scope);
    const { username, password } = credential ?? {};
    if (username !== undefined && username !== '') url.searchParams.set('account', username);
    if (options.login === true) {
      url.searchParams.set('offline_token', 'true');
      url.searchParams.set('client_id', CLIENT_ID);
    }
    const headers = username && password !== undefined ? { authorization: basic(username, password) } : {};
    return transport.send(tokenEndpoint(realm), { ...call, method: 'GET', url, headers });
  };

  const askForToken = async (challenge: Challenge, scopes: readonly string[], call: CallOptions): Promise<Token> => {
    const realm = realmOf(challenge);
    const service = challenge.parameters['service'] ?? '';
    const response =
      identityToken === undefined || identityToken === ''
        ? await byPassword(realm, service, scopes, call)
        : await byRefreshToken(realm, service, scopes, identityToken, call);
    const text = await readAnswer(response, transport.limits, call);
    if (response.statusCode !== 200) {
      const refused = refusal(response.statusCode, text);
      const explained = (refused.details['codes'] as readonly string[]).length > 0;
      if (response.statusCode !== 401 || explained) throw refused;
      throw unauthorized('unauthorized: incorrect username or password', { details: refused.details });
    }
    const token = parseToken(text);
    identityToken = token.refreshToken ?? identityToken;
    return token;
  };

  const renew = (challenge: Challenge, scopes: readonly string[], call: CallOptions): Promise<string> => {
    const asked = scopes.length > 0 ? scopes : (challenge.parameters['scope'] ?? '').split(' ').filter(Boolean);
    const key = scopes.join(' ');
    return flights.do(key, async () => {
      const { authorization, lifeMs } = await retried(transport.limits, call, () =>
        askForToken(challenge, asked, call),
      );
      known.set(key, { authorization, challenge, renewAt: performance.now() + lifeMs - Math.min(10_000, lifeMs / 4) });
      return authorization;
    });
  };

  return {
    get identityToken() {
      return identityToken;
    },
    async current(scopes, call = {}) {
      if (credential?.registryToken) return `Bearer ${credential.registryToken}`;
      const token = known.get(scopes.join(' '));
      if (token === undefined) return basicHeader;
      if (performance.now() < token.renewAt) return token.authorization;
      try {
        return await renew(token.challenge, scopes, call);
      } catch {
        throwIfAborted(call.signal);
        // The registry decides whether the old one will do; its 401 leads back here.
        return token.authorization;
      }
    },
    async answer(response, scopes, call = {}) {
      if (credential?.registryToken) return undefined;
      const challenges = parseChallenges(headerList(response, 'www-authenticate'));
      const bearer = challenges.find(({ scheme }) => scheme === 'bearer');
      if (bearer !== undefined) return renew(bearer, scopes, call);
      const { username, password } = credential ?? {};
      const wantsBasic = challenges.some(({ scheme }) => scheme === 'basic');
      if (!wantsBasic || !username || password === undefined || basicHeader !== undefined) return undefined;
      basicHeader = basic(username, password);
      return basicHeader;
    },
  };
}
