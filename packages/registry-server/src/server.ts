import { timingSafeEqual } from 'node:crypto';
import type { Logger } from '@berth/base';
import { createHttpServer, type Handler, type HttpServer, type Route } from '@berth/http';
import { digestOf, MAX_MANIFEST_SIZE } from '@berth/oci';
import { blobRoutes } from './blobs.ts';
import { encodeFault, fault } from './faults.ts';
import { listRoutes } from './lists.ts';
import { manifestRoutes } from './manifests.ts';
import type { RegistryStorage } from './storage.ts';
import { uploadRoutes } from './uploads.ts';

export interface RegistryServerOptions {
  readonly storage: RegistryStorage;
  readonly logger?: Logger;
  /** When given, every request must carry these (HTTP basic authentication). */
  readonly credential?: { readonly username: string; readonly password: string };
}

const same = (a: string, b: string): boolean => timingSafeEqual(Buffer.from(digestOf(a)), Buffer.from(digestOf(b)));

const guarded = (route: Route, credential: RegistryServerOptions['credential']): Route => {
  if (credential === undefined) return route;
  const expected = `Basic ${Buffer.from(`${credential.username}:${credential.password}`).toString('base64')}`;
  const handler: Handler = async (exchange) => {
    if (!same(exchange.headers.authorization ?? '', expected)) throw fault('UNAUTHORIZED', 'authentication required');
    await route.handler(exchange);
  };
  return { ...route, handler };
};

/** A registry (OCI distribution-spec 1.1) over a storage. Call `listen` on what is returned. */
export function createRegistryServer({ storage, logger, credential }: RegistryServerOptions): HttpServer {
  const version: Handler = ({ reply }) => reply.json(200, {});
  const routes: readonly Route[] = [
    { method: 'GET', pattern: '/v2/', handler: version },
    { method: 'GET', pattern: '/v2', handler: version },
    ...listRoutes(storage),
    ...uploadRoutes(storage),
    ...blobRoutes(storage),
    ...manifestRoutes(storage),
  ];
  return createHttpServer({
    routes: routes.map((route) => guarded(route, credential)),
    rewrite: ({ path }) => ({ path, context: undefined }),
    headers: () => ({ 'Docker-Distribution-Api-Version': 'registry/2.0', 'X-Content-Type-Options': 'nosniff' }),
    encodeError: encodeFault,
    noRoute: (_method, _path, allowed) =>
      allowed.length > 0
        ? fault('UNSUPPORTED', 'the operation is unsupported')
        : fault('NAME_UNKNOWN', 'repository name not known to registry'),
    limits: { bodyBytes: MAX_MANIFEST_SIZE },
    ...(logger === undefined ? {} : { logger }),
  });
}
