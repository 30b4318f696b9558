import { invalid, notImplemented } from '@berth/base';
import type { BuildInput } from '@berth/builder';
import { renderClassic, renderClassicError } from '@berth/builder';
import { decodeRegistryConfig, type QueryOf } from '@berth/engine-api';
import type { Exchange } from '@berth/http';
import { parsePlatform } from '@berth/oci';
import { ProgressStream, renderTransfer } from '../progress.ts';
import { type ApiContext, handle, type RouteFactory } from '../route.ts';
import { parseTimeQuery } from '../time.ts';
import { credentialOf } from './images.ts';

type BuildQuery = QueryOf<'ImageBuild'>;

const build = handle('ImageBuild', async ({ query, services, exchange, signal }) => {
  refuse(query);
  const input = buildInput(query, exchange);
  const progress = new ProgressStream(() => exchange.reply.stream(200, { 'Content-Type': 'application/json' }));
  try {
    await services.builds.build(input, {
      signal,
      onEvent: (event) => {
        if (query.q) {
          if (event.type === 'image') progress.write({ stream: `${event.id}\n` });
          return;
        }
        for (const line of renderClassic(event, (transfer) => [renderTransfer(transfer, 'pull')])) progress.write(line);
      },
    });
  } catch (error) {
    if (!progress.started) throw error;
    progress.write(renderClassicError(error));
  }
  await progress.end();
});

function refuse(query: BuildQuery): void {
  if (query.version === '2' || query.session)
    throw notImplemented(
      'BuildKit builds over a session are not implemented yet: use DOCKER_BUILDKIT=0, or berth build',
    );
  if (query.squash) throw notImplemented('squash is not implemented');
  if (query.outputs && query.outputs.length > 0)
    throw notImplemented('build outputs are not implemented for the classic builder');
  if (query.isolation && query.isolation !== 'default')
    throw invalid(`Unsupported isolation: ${JSON.stringify(query.isolation)}`);
  if (query.securityopt && query.securityopt.length > 0)
    throw notImplemented('The daemon does not support security options on build');
}

function buildInput(query: BuildQuery, exchange: Exchange<ApiContext>): BuildInput {
  const header = exchange.headers['x-registry-config'];
  const credentials = Object.fromEntries(
    Object.entries(decodeRegistryConfig(Array.isArray(header) ? header[0] : header)).flatMap(([host, auth]) => {
      const credential = credentialOf(auth);
      return credential ? [[host, credential]] : [];
    }),
  );
  return {
    context: query.remote ? { kind: 'remote', url: query.remote } : { kind: 'tar', stream: exchange.body.stream() },
    dockerfilePath: query.dockerfile || 'Dockerfile',
    tags: query.t ?? [],
    buildArgs: Object.fromEntries(
      Object.entries(query.buildargs ?? {}).flatMap(([name, value]) => (value === null ? [] : [[name, value]])),
    ),
    labels: query.labels ?? {},
    target: query.target ?? '',
    noCache: query.nocache ?? false,
    pull: query.pull ?? false,
    ...(query.platform ? { platform: parsePlatform(query.platform) } : {}),
    networkMode: query.networkmode ?? '',
    extraHosts: query.extrahosts ?? [],
    shmSize: query.shmsize ?? 0,
    resources: {
      memory: query.memory ?? 0,
      memorySwap: query.memswap ?? 0,
      cpuShares: query.cpushares ?? 0,
      cpuPeriod: query.cpuperiod ?? 0,
      cpuQuota: query.cpuquota ?? 0,
      cpusetCpus: query.cpusetcpus ?? '',
      cpusetMems: query.cpusetmems ?? '',
    },
    ulimits: (query.ulimits ?? []).map((u) => ({ name: u.Name ?? '', soft: u.Soft ?? 0, hard: u.Hard ?? 0 })),
    cacheFrom: query.cachefrom ?? [],
    credentials,
  };
}

const prune = handle('BuildPrune', async ({ query, services, exchange }) => {
  const until = parseTimeQuery(query.filters?.['until']?.[0], services.clock.now());
  const { removed, bytes } = await services.builds.prune({
    ...(query['keep-storage'] ? { keepBytes: query['keep-storage'] } : {}),
    ...(until === undefined ? {} : { before: new Date(Number(until / 1_000_000n)) }),
  });
  await exchange.reply.json(200, { CachesDeleted: removed.length > 0 ? [...removed] : null, SpaceReclaimed: bytes });
});

const cancel = handle('BuildCancel', () =>
  Promise.reject(notImplemented('cancelling a build by ID is not implemented: close its connection')),
);
const session = handle('Session', () =>
  Promise.reject(notImplemented('BuildKit sessions are not implemented yet: use DOCKER_BUILDKIT=0')),
);
const grpc = handle('Grpc', () =>
  Promise.reject(notImplemented('BuildKit over gRPC is not implemented yet: use DOCKER_BUILDKIT=0')),
);

export const BUILD_ROUTES: readonly RouteFactory[] = [build, prune, cancel, session, grpc];
