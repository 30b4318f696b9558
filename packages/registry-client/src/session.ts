import { type CallOptions, unavailable } from '@berth/base';
import { createAuthorizer } from './auth.ts';
import type { Endpoint } from './endpoints.ts';
import type { RegistryCredential, TransferLimits } from './options.ts';
import { discard, type Transport, type TransportRequest, type TransportResponse } from './transport.ts';

export interface SessionRequest extends Omit<TransportRequest, 'url'> {
  /** Path below the endpoint (`/v2/...`), or a whole URL the registry gave. */
  readonly target: string | URL;
  /** `repository:name:pull`. */
  readonly scopes: readonly string[];
}

/** Authenticated requests to one endpoint. */
export interface Session {
  readonly endpoint: Endpoint;
  readonly limits: TransferLimits;
  /** Where a target is, below the endpoint. */
  urlOf(target: string | URL): URL;
  /**
   * Answers one 401 by (re)authenticating. A body that is a stream is gone by then: throws `unavailable`, marked as
   * transient, when the same request would be let in now.
   */
  send(request: SessionRequest): Promise<TransportResponse>;
  /** Refresh token that a login got, if any. */
  identityToken(): Promise<string | undefined>;
}

export function createSession(
  transport: Transport,
  endpoint: Endpoint,
  credential: RegistryCredential | undefined,
  options: { readonly login?: boolean } = {},
): Session {
  const authorizer = createAuthorizer(transport, endpoint, credential, options);
  const { origin } = new URL(endpoint.base);
  const { prefix = '', namespace } = endpoint;
  const scopesOf = (scopes: readonly string[]): readonly string[] =>
    prefix === '' ? scopes : scopes.map((scope) => scope.replace(/^repository:/, `repository:${prefix}`));

  const urlOf = (target: string | URL): URL => {
    if (typeof target !== 'string') return target;
    const url = new URL(endpoint.base + target.replace(/^\/v2\//, `/v2/${prefix}`));
    if (namespace !== undefined) url.searchParams.set('ns', namespace);
    return url;
  };

  const send = async (request: SessionRequest, authorization: string | undefined): Promise<TransportResponse> => {
    const { target, scopes: _, ...rest } = request;
    const url = urlOf(target);
    const mayKnow = url.origin === origin && authorization !== undefined;
    return transport.send(endpoint, {
      ...rest,
      url,
      headers: { ...request.headers, ...(mayKnow ? { authorization } : {}) },
    });
  };

  return {
    endpoint,
    limits: transport.limits,
    urlOf,
    identityToken: async () => authorizer.identityToken,
    async send(request) {
      const call: CallOptions = { signal: request.signal };
      const scopes = scopesOf(request.scopes);
      const response = await send(request, await authorizer.current(scopes, call));
      if (response.statusCode !== 401 || urlOf(request.target).origin !== origin) return response;
      const answer = await authorizer.answer(response, scopes, call);
      if (answer === undefined) return response;
      await discard(response);
      if (request.body !== undefined && !(request.body instanceof Uint8Array))
        throw unavailable('the credentials expired before the upload began', { details: { transient: true } });
      return send(request, answer);
    },
  };
}
