import { EngineError, notFound } from '@berth/base';
import { MAX_API_VERSION, ROUTES, splitVersion } from '@berth/engine-api';
import { createHttpServer, type HttpServer } from '@berth/http';
import { noSwarm } from './no-swarm.ts';
import type { ApiContext, RouteFactory } from './route.ts';
import { BERTH_ROUTES } from './routes/berth.ts';
import { BUILD_ROUTES } from './routes/build.ts';
import { CONTAINER_ROUTES } from './routes/containers.ts';
import { EXEC_ROUTES } from './routes/exec.ts';
import { IMAGE_ROUTES } from './routes/images.ts';
import { NETWORK_ROUTES } from './routes/networks.ts';
import { PLUGIN_ROUTES } from './routes/plugins.ts';
import { SYSTEM_ROUTES } from './routes/system.ts';
import { VOLUME_ROUTES } from './routes/volumes.ts';
import type { EngineServices } from './services.ts';

const ALL: readonly RouteFactory[] = [
  ...SYSTEM_ROUTES,
  ...CONTAINER_ROUTES,
  ...EXEC_ROUTES,
  ...IMAGE_ROUTES,
  ...BUILD_ROUTES,
  ...NETWORK_ROUTES,
  ...VOLUME_ROUTES,
  ...PLUGIN_ROUTES,
  ...BERTH_ROUTES,
];

/** The Engine API over the services: decodes, calls one service, encodes. Listening is the daemon's. */
export function createEngineServer(services: EngineServices): HttpServer {
  const order = Object.values(ROUTES).map((r) => `${r.method} ${r.path}`);
  const routes = ALL.map((factory) => factory(services)).toSorted(
    (a, b) => order.indexOf(`${a.method} ${a.pattern}`) - order.indexOf(`${b.method} ${b.pattern}`),
  );
  return createHttpServer<ApiContext>({
    routes,
    logger: services.logger,
    rewrite: ({ path }) => {
      const { version, path: asked } = splitVersion(path);
      // The one path that dockerd answers with a slash at its end as well.
      const rest = asked === '/networks/' ? '/networks' : asked;
      return { path: rest, context: { version } };
    },
    headers: () => ({
      'Api-Version': MAX_API_VERSION,
      'Builder-Version': '1',
      'Docker-Experimental': 'false',
      Ostype: 'linux',
      Server: `Berth/${services.system.version} (linux)`,
      Swarm: 'inactive',
    }),
    noRoute: (method, path, allowed) =>
      noSwarm(path) ??
      (allowed.length > 0
        ? new EngineError('notFound', `page not found: ${method} ${path} (there is ${allowed.join(', ')})`)
        : notFound('page not found')),
  });
}

/** Operations that have a route, for the test that compares them with the API's description. */
export function routedOperations(services: EngineServices): ReadonlySet<string> {
  return new Set(ALL.map((factory) => factory(services)).map((r) => `${r.method} ${r.pattern}`));
}
