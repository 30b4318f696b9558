import { type CallOptions, invalid, SingleFlight, unauthorized } from '@berth/base';
import { type Challenge, parseChallenges } from './challenge.ts';
import type { Endpoint } from './endpoints.ts';
import { refusal } from './failures.ts';
import type { RegistryCredential } from './options.ts';
import { readText, type Transport, type TransportResponse } from './transport.ts';

const CLIENT_ID = 'berth';
const MAX_TOKEN_BODY = 1024 * 1024;

/** A token server's answer. */
interface Token {
  readonly authorization: string;
  readonly refreshToken?: string;
}

/** Makes `Authorization` headers for one registry and one credential; tokens are kept per scope. */
export interface Authorizer {
  /** What to send without being asked; undefined when nothing is known yet. */
  current(scopes: readonly string[]): string | undefined;
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
  const { token, access_token, refresh_token } = (value ?? {}) as Record<string, unknown>;
  const bearer = typeof token === 'string' && token !== '' ? token : access_token;
  if (typeof bearer !== 'string' || !/^[\x21-\x7e]+$/.test(bearer))
    throw unauthorized('authorization server did not include a token in the response');
  return {
    authorization: `Bearer ${bearer}`,
    ...(typeof refresh_token === 'string' ? { refreshToken: refresh_token } : {}),
  };
};

export function createAuthorizer(
  transport: Transport,
  endpoint: Endpoint,
  credential: RegistryCredential | undefined,
  options: { readonly login?: boolean } = {},
): Authorizer {
  const known = new Map<string, string>();
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
      : { base: realm.origin, host: realm.host, verify: endpoint.verify, mirror: false };

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

  const fetchToken = async (challenge: Challenge, scopes: readonly string[], call: CallOptions): Promise<string> => {
    const realm = realmOf(challenge);
    const service = challenge.parameters['service'] ?? '';
    const response =
      identityToken === undefined || identityToken === ''
        ? await byPassword(realm, service, scopes, call)
        : await byRefreshToken(realm, service, scopes, identityToken, call);
    const text = await readText(response, MAX_TOKEN_BODY);
    if (response.statusCode !== 200) {
      const refused = refusal(response.statusCode, text);
      const explained = (refused.details['codes'] as readonly string[]).length > 0;
      if (response.statusCode !== 401 || explained) throw refused;
      throw unauthorized('unauthorized: incorrect username or password', { details: refused.details });
    }
    const token = parseToken(text);
    identityToken = token.refreshToken ?? identityToken;
    return token.authorization;
  };

  return {
    get identityToken() {
      return identityToken;
    },
    current(scopes) {
      if (credential?.registryToken) return `Bearer ${credential.registryToken}`;
      return known.get(scopes.join(' ')) ?? basicHeader;
    },
    async answer(response, scopes, call = {}) {
      if (credential?.registryToken) return undefined;
      const challenges = parseChallenges(headerList(response, 'www-authenticate'));
      const bearer = challenges.find(({ scheme }) => scheme === 'bearer');
      if (bearer !== undefined) {
        const asked = scopes.length > 0 ? scopes : (bearer.parameters['scope'] ?? '').split(' ').filter(Boolean);
        const key = scopes.join(' ');
        return flights.do(key, async () => {
          const authorization = await fetchToken(bearer, asked, call);
          known.set(key, authorization);
          return authorization;
        });
      }
      const { username, password } = credential ?? {};
      const wantsBasic = challenges.some(({ scheme }) => scheme === 'basic');
      if (!wantsBasic || !username || password === undefined || basicHeader !== undefined) return undefined;
      basicHeader = basic(username, password);
      return basicHeader;
    },
  };
}
