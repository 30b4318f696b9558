import { invalid, notImplemented } from '@berth/base';
import type { EndpointSettings } from '@berth/containers';
import { EndpointSettings as EndpointSchema, type Filters, type NetworkInspect } from '@berth/engine-api';
import type { NetworkRecord } from '@berth/networks';
import { fromWire } from '../case.ts';
import { labelMatches } from '../filters.ts';
import { handle, type RouteFactory } from '../route.ts';
import type { EngineServices } from '../services.ts';

function renderNetwork(services: EngineServices, network: NetworkRecord, withContainers: boolean): NetworkInspect {
  return {
    Name: network.name,
    Id: network.id,
    Created: network.createdAt.toISOString(),
    Scope: 'local',
    Driver: network.driver,
    EnableIPv4: network.enableIPv4,
    EnableIPv6: network.enableIPv6,
    IPAM: {
      Driver: 'default',
      Options: network.predefined ? null : {},
      Config: network.ipam.map((pool) => ({
        Subnet: pool.subnet,
        ...(pool.ipRange ? { IPRange: pool.ipRange } : {}),
        ...(pool.gateway ? { Gateway: pool.gateway } : {}),
        ...(pool.auxAddresses ? { AuxiliaryAddresses: { ...pool.auxAddresses } } : {}),
      })),
    },
    Internal: network.internal,
    Attachable: network.attachable,
    Ingress: false,
    ConfigFrom: { Network: '' },
    ConfigOnly: false,
    Containers: withContainers ? containersOf(services, network) : {},
    Options: { ...network.options },
    Labels: { ...network.labels },
  };
}

function containersOf(services: EngineServices, network: NetworkRecord): NonNullable<NetworkInspect['Containers']> {
  const names = new Map(services.containers.list().map((c) => [c.id, c.name]));
  return Object.fromEntries(
    services.networks.endpoints(network.id).map((e) => [
      e.containerId,
      {
        Name: names.get(e.containerId) ?? '',
        EndpointID: e.id,
        MacAddress: e.macAddress,
        IPv4Address: e.ipv4 ?? '',
        IPv6Address: e.ipv6 ?? '',
      },
    ]),
  );
}

function matchNetwork(services: EngineServices, filters: Filters): (network: NetworkRecord) => boolean {
  for (const key of Object.keys(filters))
    if (!['name', 'id', 'driver', 'label', 'label!', 'scope', 'type', 'dangling', 'until'].includes(key))
      throw invalid(`invalid filter '${key}'`);
  const dangling = filters['dangling']?.[0];
  return (network) =>
    (filters['name'] ?? ['']).some((name) => network.name.includes(name)) &&
    (filters['id'] ?? ['']).some((id) => network.id.startsWith(id)) &&
    (filters['driver'] ?? [network.driver]).includes(network.driver) &&
    (filters['scope'] ?? ['local']).includes('local') &&
    (filters['type'] ?? ['custom', 'builtin']).includes(network.predefined ? 'builtin' : 'custom') &&
    (filters['label'] ?? []).every((label) => labelMatches(network.labels, label)) &&
    (filters['label!'] ?? []).every((label) => !labelMatches(network.labels, label)) &&
    (dangling === undefined ||
      (!network.predefined && services.networks.endpoints(network.id).length === 0) ===
        ['true', '1'].includes(dangling));
}

const list = handle('NetworkList', async ({ query, services, exchange }) => {
  const matches = matchNetwork(services, query.filters ?? {});
  await exchange.reply.json(
    200,
    services.networks
      .list()
      .filter(matches)
      .map((n) => renderNetwork(services, n, false)),
  );
});

const create = handle('NetworkCreate', async ({ body, services, exchange, signal }) => {
  if (!body.Name) throw invalid('invalid network name: name is empty');
  if (body.ConfigOnly || body.ConfigFrom?.Network)
    throw notImplemented('configuration-only networks are not implemented');
  if (body.Ingress || body.Scope === 'swarm' || body.Scope === 'global')
    throw notImplemented('swarm networks are not implemented');
  const { network, warning } = await services.networks.create(
    {
      name: body.Name,
      ...(body.Driver ? { driver: body.Driver } : {}),
      internal: body.Internal ?? false,
      attachable: body.Attachable ?? false,
      ...(typeof body.EnableIPv4 === 'boolean' ? { enableIPv4: body.EnableIPv4 } : {}),
      enableIPv6: body.EnableIPv6 ?? false,
      options: body.Options ?? {},
      labels: body.Labels ?? {},
      ipam: (body.IPAM?.Config ?? []).map((pool) => ({
        ...(pool.Subnet ? { subnet: pool.Subnet } : {}),
        ...(pool.Gateway ? { gateway: pool.Gateway } : {}),
        ...(pool.IPRange ? { ipRange: pool.IPRange } : {}),
        ...(pool.AuxiliaryAddresses ? { auxAddresses: pool.AuxiliaryAddresses } : {}),
      })),
    },
    { signal },
  );
  await exchange.reply.json(201, { Id: network.id, Warning: warning });
});

const inspect = handle('NetworkInspect', async ({ params, services, exchange }) => {
  await exchange.reply.json(200, renderNetwork(services, services.networks.get(params.id), true));
});

const remove = handle('NetworkDelete', async ({ params, services, exchange, signal }) => {
  await services.networks.remove(params.id, { signal });
  await exchange.reply.empty(204);
});

const connect = handle('NetworkConnect', async ({ params, body, services, exchange }) => {
  await services.containers.connectNetwork(
    params.id,
    body.Container ?? '',
    fromWire<EndpointSettings>(EndpointSchema, body.EndpointConfig ?? {}),
  );
  await exchange.reply.empty(200);
});

const disconnect = handle('NetworkDisconnect', async ({ params, body, services, exchange }) => {
  await services.containers.disconnectNetwork(params.id, body.Container ?? '', body.Force ?? false);
  await exchange.reply.empty(200);
});

const prune = handle('NetworkPrune', async ({ query, services, exchange }) => {
  const matches = matchNetwork(services, query.filters ?? {});
  const inUse = new Set(
    services.containers.list().flatMap((c) => [c.record.host.networkMode ?? '', ...Object.keys(c.record.networking)]),
  );
  const removed = await services.networks.prune(
    (n) => !n.predefined && !inUse.has(n.name) && !inUse.has(n.id) && matches(n),
  );
  await exchange.reply.json(200, { NetworksDeleted: removed.length > 0 ? [...removed] : null });
});

export const NETWORK_ROUTES: readonly RouteFactory[] = [list, create, prune, connect, disconnect, inspect, remove];
