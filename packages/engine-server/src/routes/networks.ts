import { invalid, notFound, notImplemented } from '@berth/base';
import type { EndpointSettings } from '@berth/containers';
import { atLeast, EndpointSettings as EndpointSchema, type Filters, type NetworkInspect } from '@berth/engine-api';
import type { NetworkRecord } from '@berth/networks';
import { fromWire } from '../case.ts';
import { labelMatches } from '../filters.ts';
import { handle, type RouteFactory } from '../route.ts';
import type { EngineServices } from '../services.ts';
import { parseTimeQuery } from '../time.ts';

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
      Options: network.ipamOptions ? { ...network.ipamOptions } : null,
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
    ConfigFrom: { Network: network.configFrom ?? '' },
    ConfigOnly: network.configOnly ?? false,
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

type Test = (network: NetworkRecord) => boolean;

function refuseUnknown(filters: Filters, known: readonly string[]): void {
  for (const key of Object.keys(filters)) if (!known.includes(key)) throw invalid(`invalid filter '${key}'`);
}

/** As dockerd compares names and IDs: the same, or a regular expression that is found in them. */
function fits(given: string, text: string): boolean {
  if (given === text) return true;
  try {
    return new RegExp(given).test(text);
  } catch {
    return false;
  }
}

const labelled = (filters: Filters): Test => {
  const [wanted, unwanted] = [filters['label'] ?? [], filters['label!'] ?? []];
  return ({ labels }) =>
    wanted.every((label) => labelMatches(labels, label)) && unwanted.every((label) => !labelMatches(labels, label));
};

/** `network ls --filter`: values of one key are alternatives, keys must all hold. */
function matchListed(services: EngineServices, filters: Filters): Test {
  refuseUnknown(filters, ['dangling', 'driver', 'id', 'label', 'name', 'scope', 'type']);
  const { name, id, driver, scope, type } = filters;
  for (const each of type ?? [])
    if (each !== 'builtin' && each !== 'custom') throw invalid(`invalid filter: 'type'='${each}'`);
  const unused = danglingOnly(filters['dangling'] ?? []);
  const hasLabels = labelled(filters);
  return (network) =>
    (name?.some((each) => fits(each, network.name)) ?? true) &&
    (id?.some((each) => fits(each, network.id)) ?? true) &&
    (driver?.includes(network.driver) ?? true) &&
    (scope?.includes('local') ?? true) &&
    (type?.includes(network.predefined ? 'builtin' : 'custom') ?? true) &&
    hasLabels(network) &&
    (unused === undefined || unused === (!network.predefined && services.networks.endpoints(network.id).length === 0));
}

function danglingOnly(values: readonly string[]): boolean | undefined {
  const [value] = values;
  if (value === undefined) return undefined;
  if (values.length > 1) throw invalid('got more than one value for filter key "dangling"');
  if (!['0', 'false', '1', 'true'].includes(value))
    throw invalid('invalid value for filter \'dangling\', must be "true" (or "1"), or "false" (or "0")');
  return value === '1' || value === 'true';
}

/** `network prune --filter`. */
function matchPruned(services: EngineServices, filters: Filters): Test {
  refuseUnknown(filters, ['label', 'label!', 'until']);
  const times = filters['until'] ?? [];
  if (times.length > 1) throw invalid('more than one until filter specified');
  const until = parseTimeQuery(times[0], services.clock.now());
  const hasLabels = labelled(filters);
  return (network) =>
    hasLabels(network) && (until === undefined || BigInt(network.createdAt.getTime()) * 1_000_000n <= until);
}

const list = handle('NetworkList', async ({ query, services, exchange, version }) => {
  const matches = matchListed(services, query.filters ?? {});
  await exchange.reply.json(
    200,
    services.networks
      .list()
      .filter(matches)
      .map((n) => renderNetwork(services, n, !atLeast(version, '1.28'))),
  );
});

const create = handle('NetworkCreate', async ({ body, services, exchange, signal, version }) => {
  if (body.Ingress || body.Scope === 'swarm' || body.Scope === 'global')
    throw notImplemented('swarm networks are not implemented');
  const ipamDriver = body.IPAM?.Driver || 'default';
  if (ipamDriver !== 'default')
    throw notFound(`could not find plugin ${ipamDriver} in v1 plugin registry: plugin "${ipamDriver}" not found`);
  const { network, warning } = await services.networks.create(
    {
      name: body.Name ?? '',
      ...(body.Driver ? { driver: body.Driver } : {}),
      internal: body.Internal ?? false,
      attachable: body.Attachable ?? false,
      ...(typeof body.EnableIPv4 === 'boolean' && atLeast(version, '1.48') ? { enableIPv4: body.EnableIPv4 } : {}),
      ...(typeof body.EnableIPv6 === 'boolean' ? { enableIPv6: body.EnableIPv6 } : {}),
      options: body.Options ?? {},
      labels: body.Labels ?? {},
      ...(body.ConfigOnly ? { configOnly: true } : {}),
      ...(body.ConfigFrom?.Network ? { configFrom: body.ConfigFrom.Network } : {}),
      ...(body.IPAM?.Options ? { ipamOptions: body.IPAM.Options } : {}),
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

/** `verbose` adds tasks of a swarm's services, which networks of this engine have none of. */
const inspect = handle('NetworkInspect', async ({ params, query, services, exchange }) => {
  if (query.scope && query.scope !== 'local') throw notFound(`network ${params.id} not found`);
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
  const matches = matchPruned(services, query.filters ?? {});
  const inUse = new Set(
    services.containers.list().flatMap((c) => [c.record.host.networkMode ?? '', ...Object.keys(c.record.networking)]),
  );
  const removed = await services.networks.prune(
    (n) => !n.predefined && !inUse.has(n.name) && !inUse.has(n.id) && matches(n),
  );
  await exchange.reply.json(200, { NetworksDeleted: removed.length > 0 ? [...removed] : null });
});

export const NETWORK_ROUTES: readonly RouteFactory[] = [list, create, prune, connect, disconnect, inspect, remove];
