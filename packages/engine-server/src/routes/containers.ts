import { invalid, notImplemented } from '@berth/base';
import {
  type Attachment,
  type AttachRequest,
  type ClientStreams,
  type Container,
  type ContainerSettings,
  EMPTY_SETTINGS,
  type EndpointSettings,
  type HostSettings,
  type ResourceSettings,
  type RestartPolicy,
} from '@berth/containers';
import {
  atLeast,
  ContainerConfig,
  type ContainerCreateBody,
  EndpointSettings as EndpointSchema,
  encodeJsonLine,
  type Filters,
  HostConfig,
  type QueryOf,
} from '@berth/engine-api';
import type { Query } from '@berth/http';
import { parsePlatform } from '@berth/oci';
import { fromWire } from '../case.ts';
import { matchContainer } from '../filters.ts';
import { listedNow, renderInspect, renderSummary, type Sizes } from '../render/containers.ts';
import { withOldAliases } from '../render/networks.ts';
import { renderStats } from '../render/stats.ts';
import { handle, type RouteFactory } from '../route.ts';
import type { EngineServices } from '../services.ts';
import { clientStreams, STREAM_TYPES, streamType } from '../streams.ts';
import { parseTimeQuery } from '../time.ts';
import { acceptWebSocket, webSocketStreams } from '../websocket.ts';

const list = handle('ContainerList', async ({ query, services, exchange, version }) => {
  const filters: Filters = { ...query.filters };
  const wanted = services.containers
    .list()
    .toSorted((a, b) => b.record.createdAt.getTime() - a.record.createdAt.getTime());
  const matching = matchContainer(services, filters, {
    ...(query.since ? { since: query.since } : {}),
    ...(query.before ? { before: query.before } : {}),
  });
  const showsAll =
    query.all || filters['status'] !== undefined || (query.limit ?? 0) > 0 || filters['exited'] !== undefined;
  const chosen = wanted.filter((c) => (showsAll || c.isRunning || c.is('restarting')) && matching(c));
  const limited = query.limit && query.limit > 0 ? chosen.slice(0, query.limit) : chosen;
  const shared = listedNow(services);
  const rows = await Promise.all(
    limited.map(async (c) =>
      renderSummary(services, c, { ...shared, sizes: query.size ? await sizesOf(services, c) : undefined }),
    ),
  );
  await exchange.reply.json(
    200,
    rows.map((row) => withAnnotationsFrom146(withManifestFrom148(row, version), version)),
  );
});

async function sizesOf(services: EngineServices, container: Container): Promise<Sizes> {
  return await services.containers.sizes(container.id);
}

const create = handle('ContainerCreate', async ({ query, body, services, exchange, version, signal }) => {
  const endpoints = Object.keys(body.NetworkingConfig?.EndpointsConfig ?? {});
  if (endpoints.length > 1 && !atLeast(version, '1.44'))
    throw invalid(`Container cannot be created with multiple network endpoints: ${endpoints.join(', ')}`);
  const created = await services.containers.create(
    {
      ...(query.name ? { name: query.name } : {}),
      ...(query.platform ? { platform: parsePlatform(query.platform) } : {}),
      settings: settingsFrom(body),
      recursiveReadonly: atLeast(version, '1.44'),
      host: asOlderClientsExpect(fromWire<HostSettings>(HostConfig, body.HostConfig ?? {}), version),
      networking: Object.fromEntries(
        Object.entries(body.NetworkingConfig?.EndpointsConfig ?? {}).map(([name, endpoint]) => [
          name,
          fromWire<EndpointSettings>(EndpointSchema, endpoint ?? {}),
        ]),
      ),
    },
    { signal },
  );
  await exchange.reply.json(201, { Id: created.id, Warnings: [...created.warnings] });
});

/** Before API 1.25 clients removed their containers themselves, before 1.40 every container shared its memory. */
function asOlderClientsExpect(host: HostSettings, version: string): HostSettings {
  return {
    ...host,
    ...(atLeast(version, '1.25') ? {} : { autoRemove: false }),
    ...(atLeast(version, '1.40') || host.ipcMode ? {} : { ipcMode: 'shareable' }),
  };
}

/** The body's settings with the zero value where nothing was given. */
function settingsFrom(body: ContainerCreateBody): ContainerSettings {
  const given = fromWire<Partial<ContainerSettings>>(ContainerConfig, body);
  return { ...EMPTY_SETTINGS, ...given };
}

const inspect = handle('ContainerInspect', async ({ params, query, services, exchange, version }) => {
  const container = services.containers.get(params.id);
  const shown = await renderInspect(services, container, query.size ? await sizesOf(services, container) : undefined);
  const aliased = atLeast(version, '1.45') ? shown : withOldAliases(container, shown);
  await exchange.reply.json(200, withManifestFrom148(aliased, version));
});

/** Annotations were added to the list with API 1.46. */
function withAnnotationsFrom146<T extends { readonly HostConfig: { readonly NetworkMode?: string } }>(
  row: T,
  version: string,
): T {
  if (atLeast(version, '1.46')) return row;
  const { NetworkMode } = row.HostConfig;
  return { ...row, HostConfig: NetworkMode === undefined ? {} : { NetworkMode } };
}

/** The manifest that a container runs was added to the answers with API 1.48. */
function withManifestFrom148<T extends { readonly ImageManifestDescriptor?: unknown }>(
  { ImageManifestDescriptor, ...shown }: T,
  version: string,
): Omit<T, 'ImageManifestDescriptor'> {
  const known = ImageManifestDescriptor !== undefined && atLeast(version, '1.48');
  return known ? { ...shown, ImageManifestDescriptor } : shown;
}

const start = handle('ContainerStart', async ({ params, query, services, exchange, signal }) => {
  if (query.checkpoint) throw notImplemented('checkpoint and restore are not implemented');
  await services.containers.start(params.id, { signal });
  await exchange.reply.empty(204);
});

const stop = handle('ContainerStop', async ({ params, query, services, exchange }) => {
  await services.containers.stop(params.id, stopOptions(query));
  await exchange.reply.empty(204);
});

const restart = handle('ContainerRestart', async ({ params, query, services, exchange }) => {
  await services.containers.restart(params.id, stopOptions(query));
  await exchange.reply.empty(204);
});

const stopOptions = (query: {
  readonly t?: number;
  readonly signal?: string;
}): { readonly timeout?: number; readonly stopSignal?: string } => ({
  ...(query.t === undefined ? {} : { timeout: query.t }),
  ...(query.signal ? { stopSignal: query.signal } : {}),
});

const kill = handle('ContainerKill', async ({ params, query, services, exchange }) => {
  await services.containers.kill(params.id, query.signal);
  await exchange.reply.empty(204);
});

const pause = handle('ContainerPause', async ({ params, services, exchange }) => {
  await services.containers.pause(params.id);
  await exchange.reply.empty(204);
});

const unpause = handle('ContainerUnpause', async ({ params, services, exchange }) => {
  await services.containers.unpause(params.id);
  await exchange.reply.empty(204);
});

const rename = handle('ContainerRename', async ({ params, query, services, exchange }) => {
  await services.containers.rename(params.id, query.name ?? '');
  await exchange.reply.empty(204);
});

const update = handle('ContainerUpdate', async ({ params, body, services, exchange, version }) => {
  const { pidsLimit, ...older } = fromWire<ResourceSettings & { readonly restartPolicy?: RestartPolicy }>(
    HostConfig,
    body,
  );
  const change = pidsLimit === undefined || !atLeast(version, '1.40') ? older : { ...older, pidsLimit };
  const warnings = await services.containers.update(params.id, change);
  await exchange.reply.json(200, { Warnings: warnings.length > 0 ? [...warnings] : null });
});

const remove = handle('ContainerDelete', async ({ params, query, services, exchange }) => {
  if (query.link) await services.containers.removeLink(params.id);
  else await services.containers.remove(params.id, { force: query.force ?? false, removeVolumes: query.v ?? false });
  await exchange.reply.empty(204);
});

const wait = handle('ContainerWait', async ({ params, query, services, exchange, signal }) => {
  const { result } = services.containers.wait(params.id, query.condition ?? '', { signal });
  // Headers go out at once: clients start the container only after they have seen them.
  const stream = exchange.reply.stream(200, { 'Content-Type': 'application/json' });
  const exit = await result;
  await stream.write(
    encodeJsonLine({ StatusCode: exit.exitCode, ...(exit.error ? { Error: { Message: exit.error } } : {}) }),
  );
  await stream.end();
});

const PRUNE_FILTERS = new Set(['label', 'label!', 'until']);

const prune = handle('ContainerPrune', async ({ query, services, exchange }) => {
  for (const key of Object.keys(query.filters ?? {}))
    if (!PRUNE_FILTERS.has(key)) throw invalid(`invalid filter '${key}'`);
  const matching = matchContainer(services, query.filters ?? {}, {});
  const { ids, bytes } = await services.containers.prune(matching);
  await exchange.reply.json(200, { ContainersDeleted: ids.length > 0 ? [...ids] : null, SpaceReclaimed: bytes });
});

const top = handle('ContainerTop', async ({ params, query, services, exchange }) => {
  const table = await services.containers.top(params.id, query.ps_args);
  await exchange.reply.json(200, { Titles: table.titles, Processes: table.processes });
});

const KINDS = { C: 0, A: 1, D: 2 } as const;

const changes = handle('ContainerChanges', async ({ params, services, exchange }) => {
  const found = await services.containers.changes(params.id);
  await exchange.reply.json(
    200,
    found.length > 0 ? found.map(({ path, kind }) => ({ Path: path, Kind: KINDS[kind] })) : null,
  );
});

const resize = handle('ContainerResize', async ({ params, services, exchange }) => {
  await services.containers.resize(params.id, sizeOf(exchange.query));
  await exchange.reply.empty(200);
});

export function sizeOf(query: Query): { readonly width: number; readonly height: number } {
  return { height: cells('height', query.get('h')), width: cells('width', query.get('w')) };
}

function cells(what: string, text = ''): number {
  const refuse = (why: string): Error => invalid(`invalid resize ${what} "${text.slice(0, 100)}": ${why}`);
  if (!/^-?\d+$/.test(text)) throw refuse('invalid syntax');
  const value = Number(text);
  if (value < 0 || value > 65_535) throw refuse('value out of range');
  return value;
}

const logs = handle('ContainerLogs', async ({ params, query, services, exchange, version, signal }) => {
  if (!query.stdout && !query.stderr) throw invalid('Bad parameters: you must choose at least one stream');
  const now = services.clock.now();
  const since = parseTimeQuery(query.since, now);
  const until = parseTimeQuery(query.until, now);
  const opened = services.containers.logs(params.id, {
    stdout: query.stdout ?? false,
    stderr: query.stderr ?? false,
    follow: query.follow ?? false,
    timestamps: query.timestamps ?? false,
    details: query.details ?? false,
    tail: parseTail(query.tail),
    ...(since === undefined ? {} : { since }),
    ...(until === undefined ? {} : { until }),
    signal,
  });
  const type = opened.tty || !atLeast(version, '1.42') ? STREAM_TYPES.raw : STREAM_TYPES.multiplexed;
  await exchange.reply.pipe(200, opened.bytes(), { 'Content-Type': type });
});

function parseTail(text: string | undefined): number | undefined {
  if (text === undefined || text === '' || text === 'all') return undefined;
  const lines = Number(text);
  return Number.isInteger(lines) && lines >= 0 ? lines : undefined;
}

const attachRequest = (query: QueryOf<'ContainerAttach'>): AttachRequest => ({
  stdin: query.stdin ?? false,
  stdout: query.stdout ?? false,
  stderr: query.stderr ?? false,
  stream: query.stream ?? false,
  logs: query.logs ?? false,
  ...(query.detachKeys ? { detachKeys: query.detachKeys } : {}),
});

const attach = handle('ContainerAttach', async ({ params, query, services, exchange, version, signal }) => {
  await using attachment = await services.containers.attach(params.id, attachRequest(query), { signal });
  const socket = await exchange.hijack({ contentType: streamType(exchange.headers, attachment.tty, version) });
  const client = { atOnce: attachRequest(query).logs, headers: exchange.headers };
  await runAttached(attachment, clientStreams(socket, attachment.tty, client), signal);
});

const attachWebSocket = handle('ContainerAttachWebsocket', async ({ params, query, services, exchange, signal }) => {
  await using attachment = await services.containers.attach(params.id, attachRequest(query), { signal });
  await runAttached(attachment, await webSocketStreams(await acceptWebSocket(exchange)), signal);
});

async function runAttached(
  attachment: Attachment,
  client: ClientStreams & { end(): void },
  signal: AbortSignal,
): Promise<void> {
  try {
    await attachment.run(client, { signal });
  } finally {
    client.end();
  }
}

const stats = handle('ContainerStats', async ({ params, query, services, exchange, version, signal }) => {
  const container = services.containers.get(params.id);
  const isOneShot = query['one-shot'] && atLeast(version, '1.41');
  if (isOneShot && query.stream) throw invalid('cannot have stream=true and one-shot=true');
  const headers = { 'Content-Type': 'application/json' };
  let before = container.isRunning ? await services.containers.stats(container.id) : undefined;
  if (!query.stream) {
    if (isOneShot) return await exchange.reply.json(200, renderStats(container, before, undefined));
    if (before) await services.clock.sleep(1000, { signal });
    const now = container.isRunning ? await services.containers.stats(container.id) : undefined;
    return await exchange.reply.json(200, renderStats(container, now, before));
  }
  const stream = exchange.reply.stream(200, headers);
  let first = true;
  while (!signal.aborted) {
    const now = container.isRunning ? await services.containers.stats(container.id) : undefined;
    await stream.write(encodeJsonLine(renderStats(container, now, first ? undefined : before)));
    first = false;
    before = now;
    await services.clock.sleep(1000, { signal });
    if (container.is('removing') || services.containers.list().every((c) => c !== container)) break;
  }
  await stream.end();
});

const exportRoot = handle('ContainerExport', async ({ params, services, exchange }) => {
  await services.containers.export(params.id, (archive) =>
    exchange.reply.pipe(200, archive, { 'Content-Type': 'application/octet-stream' }),
  );
});

const PATH_STAT = 'X-Docker-Container-Path-Stat';

const archiveInfo = handle('ContainerArchiveInfo', async ({ params, query, services, exchange }) => {
  const stat = await services.containers.statPath(params.id, requirePath(query.path));
  await exchange.reply.empty(200, { [PATH_STAT]: encodeStat(stat) });
});

const archiveGet = handle('ContainerArchive', async ({ params, query, services, exchange }) => {
  await services.containers.copyOut(params.id, requirePath(query.path), (stat, archive) =>
    exchange.reply.pipe(200, archive, { 'Content-Type': 'application/x-tar', [PATH_STAT]: encodeStat(stat) }),
  );
});

const archivePut = handle('PutContainerArchive', async ({ params, query, services, exchange, signal }) => {
  await services.containers.copyIn(params.id, requirePath(query.path), exchange.body.stream(), {
    noOverwriteDirNonDir: query.noOverwriteDirNonDir ?? false,
    copyUidGid: query.copyUIDGID ?? false,
    signal,
  });
  await exchange.reply.empty(200);
});

function requirePath(path: string | undefined): string {
  if (!path) throw invalid('bad parameter: path is required');
  return path;
}

function encodeStat(stat: Awaited<ReturnType<EngineServices['containers']['statPath']>>): string {
  return Buffer.from(JSON.stringify({ ...stat, mtime: stat.mtime.toISOString() })).toString('base64');
}

export const CONTAINER_ROUTES: readonly RouteFactory[] = [
  list,
  create,
  prune,
  inspect,
  top,
  logs,
  changes,
  exportRoot,
  stats,
  resize,
  start,
  stop,
  restart,
  kill,
  update,
  rename,
  pause,
  unpause,
  attach,
  attachWebSocket,
  wait,
  remove,
  archiveInfo,
  archiveGet,
  archivePut,
];
