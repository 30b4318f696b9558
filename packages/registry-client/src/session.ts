import type { CallOptions } from '@berth/base';
import { createAuthorizer } from './auth.ts';
import type { Endpoint } from './endpoints.ts';
import type { RegistryCredential } from './options.ts';
import type { Transport, TransportRequest, TransportResponse } from './transport.ts';

export interface SessionRequest extends Omit<TransportRequest, 'url'> {
  /** Path below the endpoint (`/v2/...`), or a whole URL the registry gave. */
  readonly target: string | URL;
  /** `repository:name:pull`. */
  readonly scopes: readonly string[];
}

/** Authenticated requests to one endpoint. */
export interface Session {
  readonly endpoint: Endpoint;
  /** Answers one 401 by (re)authenticating, unless the body was a stream. */
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
  const base = new URL(`${endpoint.base}/`);
  const send = async (request: SessionRequest, authorization: string | undefined): Promise<TransportResponse> => {
    const { target, scopes: _, ...rest } = request;
    const url = typeof target === 'string' ? new URL(`${endpoint.base}${target}`) : target;
    const mayKnow = url.origin === base.origin && authorization !== undefined;
    return transport.send(endpoint, {
      ...rest,
      url,
      headers: { ...request.headers, ...(mayKnow ? { authorization } : {}) },
    });
  };
  return {
    endpoint,
    identityToken: async () => authorizer.identityToken,
    async send(request) {
      const response = await send(request, authorizer.current(request.scopes));
      const replayable = request.body === undefined || request.body instanceof Uint8Array;
      if (response.statusCode !== 401 || !replayable) return response;
      const call: CallOptions = { signal: request.signal };
      const answer = await authorizer.answer(response, request.scopes, call);
      if (answer === undefined) return response;
      await response.body.dump();
      return send(request, answer);
    },
  };
}
