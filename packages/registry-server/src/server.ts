import type { Logger } from '@berth/base';
import { createHttpServer, type Exchange, type Handler, type HttpServer, type Route } from '@berth/http';
import { MAX_MANIFEST_SIZE } from '@berth/oci';
import { type Access, type AccessOptions, createAccess, type Scope } from './access.ts';
import { blobRoutes } from './blobs.ts';
import { encodeFault, fault } from './faults.ts';
import { listRoutes } from './lists.ts';
import { manifestRoutes } from './manifests.ts';
import type { RegistryStorage } from './storage.ts';
import { uploadRoutes } from './uploads.ts';

export interface RegistryServerOptions {
  readonly storage: RegistryStorage;
  readonly logger?: Logger;
  /** Without, everybody may do everything. */
  readonly access?: AccessOptions;
}

/** What a request needs: read and write by its method, except that all of an upload is writing. */
const scopeOf = ({ method, params }: Exchange, route: Route): Scope | undefined => {
  const repository = params['name'];
  if (repository === undefined) return undefined;
  if (route.pattern.includes('/uploads')) return { repository, action: 'push' };
  if (method === 'DELETE') return { repository, action: 'delete' };
  return { repository, action: method === 'GET' || method === 'HEAD' ? 'pull' : 'push' };
};

const guarded = (route: Route, access: Access | undefined): Route => {
  if (access === undefined) return route;
  const handler: Handler = async (exchange) => {
    await access.check(exchange, scopeOf(exchange, route));
    await route.handler(exchange);
  };
  return { ...route, handler };
};

/** A registry (OCI distribution-spec 1.1) over a storage. Call `listen` on what is returned. */
export function createRegistryServer(options: RegistryServerOptions): HttpServer {
  const { storage, logger } = options;
  const access = options.access && createAccess(options.access);
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
    routes: [...routes.map((route) => guarded(route, access)), ...(access?.routes ?? [])],
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
