import { type CallOptions, conflict, forbidden, internal, invalid, isKind, notFound, randomId } from '@berth/base';
import { defaultNetwork, type NetworkContext } from '../context.ts';
import { NAME_SERVER_ADDRESS } from '../dns/name-server.ts';
import { bridgeSettings, keepsApart } from '../drivers/bridge-settings.ts';
import { ENDPOINT_OPTIONS } from '../drivers/inside.ts';
import { linkElementsOf } from '../firewall/links.ts';
import { parseIp } from '../ipam/cidr.ts';
import { macFor, parseMac } from '../ipam/mac.ts';
import type { EndpointRecord, Family, NetworkRecord } from '../network-driver.ts';
import type { ConnectInput } from '../network-service.ts';
import { movePorts } from '../ports/follow-routes.ts';
import { routedFamilies } from '../sandbox/gateway.ts';
import { netnsPathOf } from '../sandbox/open.ts';
import { resolvConfOf, upstreamServers } from '../sandbox/resolv.ts';
import type { PreparedLink, SandboxRecord } from '../sandbox/sandbox-record.ts';
import { getNetwork } from './get.ts';

export async function connect(
  context: NetworkContext,
  containerId: string,
  nameOrId: string,
  input: ConnectInput,
  { signal }: CallOptions = {},
): Promise<EndpointRecord> {
  using _held = await context.locks.acquire(`sandbox:${containerId}`, { signal });
  const network = getNetwork(context, nameOrId);
  const sandbox = sandboxFor(context, containerId, network, input);
  const prepared = usablePrepared(context, sandbox, network, input);
  const endpoint = await record(context, sandbox, network, input, prepared);
  try {
    await attach(context, sandbox, network, endpoint, prepared);
    await context.firewall.add(linkElementsOf(context, network, endpoint));
    await startNames(context, containerId);
    await movePorts(context, containerId);
  } catch (error) {
    await undo(context, sandbox, network, endpoint);
    throw error;
  }
  context.emit('network', 'connect', network.id, { container: containerId, name: network.name, type: network.driver });
  return endpoint;
}

function sandboxFor(
  context: NetworkContext,
  containerId: string,
  network: NetworkRecord,
  input: ConnectInput,
): SandboxRecord {
  if (network.configOnly === true) throw forbidden('cannot create endpoint on configuration-only network');
  const sandbox = context.store.sandbox(containerId);
  if (!sandbox) throw notFound(`sandbox for container ${containerId} not found`);
  const others = context.store.endpointsOf(containerId);
  if (sandbox.mode === 'container')
    throw conflict(
      'container sharing network namespace with another container or host cannot be connected to any other network',
    );
  if ((sandbox.mode === 'host') !== (network.driver === 'host'))
    throw conflict(
      network.driver === 'host'
        ? 'container cannot be connected to host network - container should be created in host network mode'
        : 'container sharing network namespace with another container or host cannot be connected to any other network',
    );
  if (others.some(({ networkId }) => networkId === network.id))
    throw forbidden(
      `endpoint with name ${input.dnsNames?.[0] ?? containerId} already exists in network ${network.name}`,
    );
  const withNone =
    network.driver === 'null' || others.some(({ networkId }) => context.store.network(networkId)?.driver === 'null');
  if (withNone && others.length > 0)
    throw conflict(
      'container cannot be connected to multiple networks with one of the networks in private (none) mode',
    );
  if ((input.ipv4 || input.ipv6) && network.predefined)
    throw invalid('user specified IP address is supported on user defined networks only');
  if ((input.ipv4 || input.ipv6) && network.subnetConfigured !== true)
    throw invalid(
      'user specified IP address is supported only when connecting to networks with user configured subnets',
    );
  return sandbox;
}

function usablePrepared(
  context: NetworkContext,
  sandbox: SandboxRecord,
  network: NetworkRecord,
  input: ConnectInput,
): PreparedLink | undefined {
  const isDefault = network.id === defaultNetwork(context.store)?.id;
  const own = Object.values(ENDPOINT_OPTIONS).some((option) => input.driverOptions?.[option] !== undefined);
  const plain = input.macAddress === undefined && input.linkLocal === undefined && !own;
  const hasTooMuch = sandbox.withoutIpv6 === true && sandbox.prepared?.ipv6 !== undefined;
  return isDefault && plain && !hasTooMuch ? sandbox.prepared : undefined;
}

/** Writes the endpoint with its addresses, in one transaction; a sandbox's ready made interface is used or given up. */
async function record(
  context: NetworkContext,
  sandbox: SandboxRecord,
  network: NetworkRecord,
  input: ConnectInput,
  prepared: PreparedLink | undefined,
): Promise<EndpointRecord> {
  const { store, allocator } = context;
  const mac = input.macAddress === undefined ? undefined : parseMac(input.macAddress);
  const { prepared: unused, ...rest } = sandbox;
  if (unused && !prepared) await context.host.ip([`link del ${unused.hostInterface}`]);
  const write = (): EndpointRecord =>
    store.state.transaction(() => {
      if (context.removing.has(network.id) || !store.network(network.id))
        throw notFound(`network ${network.name} not found`);
      const id = randomId();
      if (unused && !prepared) allocator.release(sandbox.containerId);
      for (const cidr of [prepared?.ipv4, prepared?.ipv6])
        if (cidr !== undefined) allocator.transfer(network.id, cidr, id);
      const take = (family: Family, asked: string | undefined): string | undefined =>
        addressFor(context, { network, family, asked, owner: id, containerId: sandbox.containerId });
      const ipv4 = prepared?.ipv4 ?? take(4, input.ipv4);
      const ipv6 = sandbox.withoutIpv6 ? undefined : (prepared?.ipv6 ?? take(6, input.ipv6));
      const endpoint = describe(context, sandbox, network, input, {
        id,
        ipv4,
        ipv6,
        mac: prepared?.macAddress ?? mac,
        prepared,
      });
      store.putEndpoint(endpoint);
      if (unused) store.putSandbox(rest);
      return endpoint;
    });
  try {
    return write();
  } catch (error) {
    if (!isKind(error, 'exhausted')) throw error;
    // The last addresses may be those that wait in the pool.
    await context.pool.surrender();
    return write();
  }
}

interface AddressWanted {
  readonly network: NetworkRecord;
  readonly family: Family;
  readonly asked: string | undefined;
  readonly owner: string;
  readonly containerId: string;
}

function addressFor(
  { driver, allocator, lastAddresses }: NetworkContext,
  { network, family, asked, owner, containerId }: AddressWanted,
): string | undefined {
  if (!driver(network.driver).hasAddresses) return undefined;
  if (asked) return allocator.claim(network, asked, owner);
  if (family === 4 ? !network.enableIPv4 : !network.enableIPv6) return undefined;
  const last = lastAddresses.of(containerId, network.id, family);
  const again = last === undefined ? undefined : allocator.reclaim(network, last, owner);
  return again ?? allocator.allocate(network, family, owner);
}

interface Identity {
  readonly id: string;
  readonly ipv4: string | undefined;
  readonly ipv6: string | undefined;
  readonly mac: string | undefined;
  readonly prepared: PreparedLink | undefined;
}

function describe(
  context: NetworkContext,
  sandbox: SandboxRecord,
  network: NetworkRecord,
  input: ConnectInput,
  { id, ipv4, ipv6, mac, prepared }: Identity,
): EndpointRecord {
  const driver = context.driver(network.driver);
  const gateway = ipv4 === undefined ? undefined : driver.gatewayOf?.(network, 4);
  const gateway6 = ipv6 === undefined ? undefined : driver.gatewayOf?.(network, 6);
  const linked = driver.hasAddresses;
  return {
    id,
    networkId: network.id,
    containerId: sandbox.containerId,
    macAddress: linked ? (mac ?? macFor(ipv4)) : '',
    ...(ipv4 === undefined ? {} : { ipv4 }),
    ...(ipv6 === undefined ? {} : { ipv6 }),
    ...(gateway === undefined ? {} : { gateway }),
    ...(gateway6 === undefined ? {} : { gateway6 }),
    ...(input.linkLocal === undefined ? {} : { linkLocal: input.linkLocal.map(linkLocalCidr) }),
    interfaceName: linked ? interfaceFor(context, sandbox.containerId, network, input) : '',
    aliases: input.aliases ?? [],
    dnsNames: input.dnsNames ?? [],
    published: [],
    ...(network.driver === 'bridge' ? { hostInterface: prepared?.hostInterface ?? context.newInterfaceName() } : {}),
    ...(input.gatewayPriority === undefined ? {} : { gatewayPriority: input.gatewayPriority }),
    ...(input.links === undefined ? {} : { links: input.links }),
    ...(input.exposed === undefined || !keepsApart(network) ? {} : { exposed: input.exposed }),
    ...(input.driverOptions === undefined ? {} : { driverOptions: input.driverOptions }),
  };
}

/** Link-local networks have one length each, whatever addresses are asked for. */
function linkLocalCidr(address: string): string {
  if (!parseIp(address)) throw invalid(`invalid link-local IP address: ${address}`);
  return `${address}/${address.includes(':') ? 64 : 16}`;
}

/** The name asked for, else the first free one with the network's prefix. Throws `invalid` and `conflict`. */
function interfaceFor(
  { store }: NetworkContext,
  containerId: string,
  network: NetworkRecord,
  { driverOptions }: ConnectInput,
): string {
  const used = new Set(store.endpointsOf(containerId).map(({ interfaceName }) => interfaceName));
  const asked = driverOptions?.[ENDPOINT_OPTIONS.interfaceName];
  if (asked !== undefined && asked !== '') {
    if (asked.length > 15 || !/^[A-Za-z0-9_.-]+$/.test(asked) || ['.', '..', 'lo'].includes(asked))
      throw invalid(`invalid interface name "${asked}"`);
    if (used.has(asked))
      throw internal(
        `error renaming interface to "${asked}": file exists: another network of the container has this name`,
      );
    return asked;
  }
  const prefix = bridgeSettings(network).interfacePrefix;
  for (let i = 0; ; i++) if (!used.has(`${prefix}${i}`)) return `${prefix}${i}`;
}

async function attach(
  context: NetworkContext,
  sandbox: SandboxRecord,
  network: NetworkRecord,
  endpoint: EndpointRecord,
  prepared: PreparedLink | undefined,
): Promise<void> {
  const netns = netnsPathOf(context, sandbox);
  if (netns === undefined) return;
  const isWhole = endpoint.ipv6 === prepared?.ipv6;
  const first = context.store.endpointsOf(sandbox.containerId).length === 1;
  if (prepared && isWhole && first && !network.internal && endpoint.interfaceName === 'eth0') return;
  if (prepared) await context.host.ip([`link del ${prepared.hostInterface}`]);
  const endpoints = context.store.endpointsOf(sandbox.containerId);
  const defaultRoutes = routedFamilies(endpoint, endpoints, (id) => context.store.network(id));
  await context.driver(network.driver).attach(network, netns, endpoint, { defaultRoutes });
}

async function undo(
  context: NetworkContext,
  sandbox: SandboxRecord,
  network: NetworkRecord,
  endpoint: EndpointRecord,
): Promise<void> {
  const links = linkElementsOf(context, network, endpoint);
  context.store.state.transaction(() => {
    context.allocator.release(endpoint.id);
    context.store.deleteEndpoint(endpoint.id);
  });
  await context
    .driver(network.driver)
    .detach(network, endpoint, netnsPathOf(context, sandbox))
    .catch(() => undefined);
  await context.firewall.remove(links);
  await movePorts(context, sandbox.containerId).catch((error: unknown) =>
    context.logger.warn('ports of a container cannot be published again', { container: sandbox.containerId, error }),
  );
}

/** Starts the container's name server once its resolv.conf has to point at it; `port` after a restart. */
export async function startNames(context: NetworkContext, containerId: string): Promise<void> {
  const { store, names } = context;
  const sandbox = store.sandbox(containerId);
  if (!sandbox) return;
  const netns = netnsPathOf(context, sandbox);
  if (netns === undefined || names.serves(containerId)) return;
  if (store.endpointsOf(containerId).every(({ interfaceName }) => interfaceName === '')) return;
  if (!resolvConfOf(context, sandbox).nameservers.includes(NAME_SERVER_ADDRESS)) return;
  const source = {
    containerId,
    records: store,
    upstream: () => upstreamServers(context, store.sandbox(containerId) ?? sandbox),
  };
  const dnsPort = await names.serve(netns, source, sandbox.dnsPort);
  if (dnsPort !== sandbox.dnsPort) store.putSandbox({ ...sandbox, dnsPort });
}
