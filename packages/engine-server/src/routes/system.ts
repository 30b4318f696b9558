import type { EngineEvent } from '@berth/base';
import { conflict, invalid } from '@berth/base';
import { atLeast, type Filters, MAX_API_VERSION, MIN_API_VERSION } from '@berth/engine-api';
import type { VolumeRecord } from '@berth/volumes';
import { listedNow, renderSummary } from '../render/containers.ts';
import { infoAt } from '../render/info.ts';
import { type Call, handle, type RouteFactory } from '../route.ts';
import type { EngineServices } from '../services.ts';
import { parseTimeQuery } from '../time.ts';
import { credentialOf, renderImageSummary } from './images.ts';
import { renderVolume } from './volumes.ts';

const NO_CACHE = {
  'Cache-Control': 'no-cache, no-store, must-revalidate',
  Pragma: 'no-cache',
  'Content-Type': 'text/plain; charset=utf-8',
};

const ping = handle('SystemPing', async ({ exchange }) => await exchange.reply.send(200, 'OK', NO_CACHE));
const pingHead = handle('SystemPingHead', async ({ exchange }) => await exchange.reply.empty(200, NO_CACHE));

const version = handle('SystemVersion', async ({ services, exchange }) => {
  const { system } = services;
  const info = await system.info();
  await exchange.reply.json(200, {
    Platform: { Name: 'Berth Engine' },
    Components: [
      {
        Name: 'Engine',
        Version: system.version,
        Details: {
          ApiVersion: MAX_API_VERSION,
          Arch: goArchitecture(info.Architecture),
          BuildTime: system.buildTime,
          Experimental: String(system.experimental),
          GitCommit: system.gitCommit,
          GoVersion: `node ${process.versions.node}`,
          KernelVersion: info.KernelVersion,
          MinAPIVersion: MIN_API_VERSION,
          Os: info.OSType,
        },
      },
      ...system.components.map((c) => ({ Name: c.name, Version: c.version, Details: { ...c.details } })),
    ],
    Version: system.version,
    ApiVersion: MAX_API_VERSION,
    MinAPIVersion: MIN_API_VERSION,
    GitCommit: system.gitCommit,
    GoVersion: `node ${process.versions.node}`,
    Os: info.OSType,
    Arch: goArchitecture(info.Architecture),
    KernelVersion: info.KernelVersion,
    BuildTime: system.buildTime,
  });
});

const goArchitecture = (machine: string): string => ({ x86_64: 'amd64', aarch64: 'arm64' })[machine] ?? machine;

const info = handle('SystemInfo', async ({ services, exchange, version: api }) => {
  const containers = services.containers.list();
  const count = (status: string): number => containers.filter((c) => c.state.status === status).length;
  const running = count('running') + count('restarting');
  const images = new Set((await services.images.list()).map((i) => i.id));
  await exchange.reply.json(200, {
    ...infoAt(api, await services.system.info()),
    Containers: containers.length,
    ContainersRunning: running,
    ContainersPaused: count('paused'),
    ContainersStopped: containers.length - running - count('paused'),
    Images: images.size,
    SystemTime: services.clock.now().toISOString(),
  });
});

const auth = handle('SystemAuth', async ({ body, services, exchange, signal }) => {
  const credential = credentialOf(body) ?? {};
  const { status, identityToken } = await services.system.login(body.serveraddress ?? '', credential, { signal });
  await exchange.reply.json(200, { Status: status, ...(identityToken ? { IdentityToken: identityToken } : {}) });
});

const TYPES = ['container', 'image', 'volume', 'build-cache'];

const diskUsage = handle('SystemDataUsage', async ({ query, services, exchange, signal }) => {
  const asked = query.type ?? TYPES;
  for (const type of asked) if (!TYPES.includes(type)) throw invalid(`unknown object type: ${type}`);
  const has = (type: string): boolean => asked.includes(type);
  await exchange.reply.json(200, {
    LayersSize: has('image') ? await services.system.layersSize() : 0,
    Images: has('image') ? await imagesWithUse(services, signal) : [],
    Containers: has('container') ? await containersWithSizes(services) : [],
    Volumes: has('volume') ? await volumesWithUse(services) : [],
    BuildCache: has('build-cache') ? buildCache(services) : [],
  });
});

async function imagesWithUse(services: EngineServices, signal: AbortSignal): Promise<unknown[]> {
  const images = await services.images.list({ all: true, sharedSize: true, signal });
  return images.map((image) => ({
    ...renderImageSummary(image),
    Containers: services.containers.usingImage(image.id).length,
  }));
}

async function containersWithSizes(services: EngineServices): Promise<unknown[]> {
  const shared = listedNow(services);
  return await Promise.all(
    services.containers
      .list()
      .map(async (c) => renderSummary(services, c, { ...shared, sizes: await services.containers.sizes(c.id) })),
  );
}

/** What a driver or a mount keeps elsewhere is not the data root's, and dockerd does not count it either. */
const isOnDisk = ({ driver, options }: VolumeRecord): boolean =>
  driver === 'local' && Object.keys(options).length === 0;

async function volumesWithUse(services: EngineServices): Promise<unknown[]> {
  return await Promise.all(
    services.volumes
      .list()
      .filter(isOnDisk)
      .map(async (volume) => ({
        ...renderVolume(volume),
        UsageData: {
          Size: await services.volumes.usage(volume.name),
          RefCount: services.volumes.users(volume.name).length,
        },
      })),
  );
}

function buildCache(services: EngineServices): unknown[] {
  return services.builds.usage().map((r) => ({
    ID: r.id,
    Type: 'regular',
    Description: r.description,
    InUse: false,
    Shared: true,
    Size: r.bytes,
    CreatedAt: r.createdAt.toISOString(),
    LastUsedAt: r.usedAt.toISOString(),
    UsageCount: r.uses,
  }));
}

const SECOND = 1_000_000_000n;

const events = handle('SystemEvents', async (call) => {
  const { query, services, exchange, version } = call;
  const now = services.clock.now();
  const since = parseTimeQuery(query.since, now);
  const until = parseTimeQuery(query.until, now);
  if (since !== undefined && until !== undefined && since > until)
    throw invalid('`since` time cannot be after `until` time');
  const wanted = matchEvent(query.filters ?? {});
  const isKnown = ({ type, action }: EngineEvent): boolean =>
    type !== 'image' || action !== 'create' || atLeast(version, '1.46');
  const matches = (event: EngineEvent): boolean => wanted(event) && isKnown(event);
  const stream = exchange.reply.stream(200, { 'Content-Type': 'application/json' });
  const queue = new EventQueue();
  using _subscription = services.events.subscribe((event) => matches(event) && queue.push(event));
  const nowNano = services.clock.nowNano();
  if (since !== undefined)
    for (const event of services.events.history(since, until ?? nowNano))
      if (matches(event)) await stream.write(encodeEvent(event));
  const deadline = until === undefined ? undefined : Number((until - nowNano) / 1_000_000n);
  if (deadline === undefined || deadline > 0) await follow(call, queue, stream, deadline);
  await stream.end();
});

async function follow(
  { signal }: Call<'SystemEvents'>,
  queue: EventQueue,
  stream: { write(text: string): Promise<void> },
  deadlineMs: number | undefined,
): Promise<void> {
  const end = deadlineMs === undefined ? signal : AbortSignal.any([signal, AbortSignal.timeout(deadlineMs)]);
  for await (const event of queue.until(end)) await stream.write(encodeEvent(event));
}

const MAX_QUEUED = 10_000;

/** Holds events for one client until it has read them; one that does not read is cut off, not waited for. */
class EventQueue {
  readonly #events: EngineEvent[] = [];
  #wake: () => void = () => undefined;

  push(event: EngineEvent): void {
    this.#events.push(event);
    this.#wake();
  }

  async *until(end: AbortSignal): AsyncIterable<EngineEvent> {
    end.addEventListener('abort', () => this.#wake(), { once: true });
    for (;;) {
      if (this.#events.length > MAX_QUEUED) throw conflict('the client does not read its events');
      const event = this.#events.shift();
      if (event) {
        yield event;
        continue;
      }
      if (end.aborted) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

/** JSON with the exact nanoseconds, which a JavaScript number cannot hold. */
function encodeEvent(event: EngineEvent): string {
  const { type, action, actor, timeNano } = event;
  const legacy =
    type === 'container'
      ? { status: action, id: actor.id, from: actor.attributes['image'] ?? '' }
      : type === 'image'
        ? { status: action, id: actor.id }
        : {};
  const text = JSON.stringify({
    ...legacy,
    Type: type,
    Action: action,
    Actor: { ID: actor.id, Attributes: actor.attributes },
    scope: 'local',
    time: Number(timeNano / SECOND),
  });
  return `${text.slice(0, -1)},"timeNano":${timeNano}}\n`;
}

/** `events --filter`: values of one key are alternatives, keys must all hold. */
function matchEvent(filters: Filters): (event: EngineEvent) => boolean {
  const any = (key: string, test: (value: string) => boolean): boolean => {
    const values = filters[key];
    return values === undefined || values.length === 0 || values.some(test);
  };
  const named = (event: EngineEvent, type: EngineEvent['type'], value: string): boolean =>
    event.type === type &&
    (event.actor.id === value || event.actor.id.startsWith(value) || event.actor.attributes['name'] === value);
  return (event) =>
    any('type', (v) => event.type === v) &&
    any('event', (v) => event.action === v || event.action.startsWith(`${v}:`)) &&
    any('action', (v) => event.action === v || event.action.startsWith(`${v}:`)) &&
    any('container', (v) => named(event, 'container', v) || event.actor.attributes['container'] === v) &&
    any(
      'image',
      (v) =>
        named(event, 'image', v) ||
        (event.type === 'container' && imageMatches(event.actor.attributes['image'] ?? '', v)),
    ) &&
    any('volume', (v) => named(event, 'volume', v)) &&
    any('network', (v) => named(event, 'network', v)) &&
    any('daemon', (v) => named(event, 'daemon', v)) &&
    any('scope', (v) => v === 'local') &&
    (filters['label'] ?? []).every((label) => {
      const at = label.indexOf('=');
      const attributes = event.actor.attributes;
      return at < 0 ? label in attributes : attributes[label.slice(0, at)] === label.slice(at + 1);
    });
}

const imageMatches = (image: string, wanted: string): boolean => image === wanted || image.split(':')[0] === wanted;

export const SYSTEM_ROUTES: readonly RouteFactory[] = [ping, pingHead, version, info, auth, diskUsage, events];
