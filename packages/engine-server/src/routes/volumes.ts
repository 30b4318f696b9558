import { invalid, isKind, notImplemented } from '@berth/base';
import { atLeast, type Filters, type Volume } from '@berth/engine-api';
import type { VolumeRecord } from '@berth/volumes';
import { labelMatches } from '../filters.ts';
import { handle, type RouteFactory } from '../route.ts';
import type { EngineServices } from '../services.ts';

export function renderVolume(volume: VolumeRecord & { readonly status?: Readonly<Record<string, unknown>> }): Volume {
  const labels = Object.keys(volume.labels).length > 0 ? { ...volume.labels } : null;
  const anonymousLabel = volume.anonymous ? { 'com.docker.volume.anonymous': '' } : null;
  return {
    CreatedAt: volume.createdAt.toISOString().replace(/\.\d+Z$/, 'Z'),
    Driver: volume.driver,
    Labels: labels || anonymousLabel ? { ...labels, ...anonymousLabel } : null,
    Mountpoint: volume.mountpoint,
    Name: volume.name,
    Options: Object.keys(volume.options).length > 0 ? { ...volume.options } : null,
    Scope: volume.scope ?? 'local',
    ...(volume.status ? { Status: { ...volume.status } } : {}),
  };
}

function matchVolume(services: EngineServices, filters: Filters): (volume: VolumeRecord) => boolean {
  for (const key of Object.keys(filters))
    if (!['name', 'driver', 'label', 'label!', 'dangling', 'all'].includes(key))
      throw invalid(`invalid filter '${key}'`);
  const dangling = filters['dangling']?.[0];
  return (volume) =>
    (filters['name'] ?? ['']).some((name) => volume.name.includes(name)) &&
    (filters['driver'] ?? [volume.driver]).includes(volume.driver) &&
    (filters['label'] ?? []).every((label) => labelMatches(volume.labels, label)) &&
    (filters['label!'] ?? []).every((label) => !labelMatches(volume.labels, label)) &&
    (dangling === undefined || (services.volumes.users(volume.name).length === 0) === ['true', '1'].includes(dangling));
}

const list = handle('VolumeList', async ({ query, services, exchange }) => {
  const matches = matchVolume(services, query.filters ?? {});
  const { volumes, warnings } = await services.volumes.listAll();
  await exchange.reply.json(200, {
    Volumes: volumes.filter(matches).map(renderVolume),
    Warnings: warnings.length > 0 ? [...warnings] : null,
  });
});

const create = handle('VolumeCreate', async ({ body, services, exchange }) => {
  if (body.ClusterVolumeSpec) throw notImplemented('cluster volumes are not implemented');
  const volume = await services.volumes.create({
    ...(body.Name ? { name: body.Name } : { anonymous: true }),
    ...(body.Driver ? { driver: body.Driver } : {}),
    options: body.DriverOpts ?? {},
    labels: body.Labels ?? {},
  });
  await exchange.reply.json(201, renderVolume(volume));
});

const inspect = handle('VolumeInspect', async ({ params, services, exchange }) => {
  await exchange.reply.json(200, renderVolume(await services.volumes.inspect(params.name)));
});

const remove = handle('VolumeDelete', async ({ params, query, services, exchange }) => {
  try {
    await services.volumes.remove(params.name, { force: query.force ?? false });
  } catch (error) {
    if (!(query.force && isKind(error, 'notFound'))) throw error;
  }
  await exchange.reply.empty(204);
});

const prune = handle('VolumePrune', async ({ query, services, exchange, version }) => {
  const filters = query.filters ?? {};
  // Older clients know nothing of anonymous ones, and mean every volume.
  const all = !atLeast(version, '1.42') || ['true', '1'].includes(filters['all']?.[0] ?? 'false');
  const matches = matchVolume(services, filters);
  const { names, bytes } = await services.volumes.prune((volume) => (all || volume.anonymous) && matches(volume));
  await exchange.reply.json(200, { VolumesDeleted: names.length > 0 ? [...names] : null, SpaceReclaimed: bytes });
});

export const VOLUME_ROUTES: readonly RouteFactory[] = [list, create, prune, inspect, remove];
