import { readFileSync } from 'node:fs';
import { conflict, EngineError, errnoOf, invalid, kindOf, messageOf, notFound } from '@berth/base';
import type { NetworkContext } from '../context.ts';
import { bridgeSettings } from '../drivers/bridge-settings.ts';
import { portElements } from '../firewall/ruleset.ts';
import { parseIp } from '../ipam/cidr.ts';
import type { EndpointRecord, PortBinding, PublishedPort } from '../network-driver.ts';
import { gatewayEndpoint } from '../sandbox/gateway.ts';
import { bindErrorText } from './port-holder.ts';

const LOCK = 'ports';

/** Publishes on the endpoint with the default route. All ports or none. */
export async function publish(
  context: NetworkContext,
  containerId: string,
  ports: readonly PortBinding[],
): Promise<EndpointRecord> {
  using _held = await context.locks.acquire(`sandbox:${containerId}`);
  const { store } = context;
  const endpoints = store.endpointsOf(containerId);
  const endpoint = gatewayEndpoint(endpoints, (id) => store.network(id)) ?? endpoints[0];
  if (!endpoint) throw notFound(`container ${containerId} is not connected to any network`);
  // As with dockerd, ports of a container without a way to the outside are not published.
  if (endpoint.gateway === undefined && endpoint.gateway6 === undefined) return endpoint;
  return publishHeld(context, endpoint, ports);
}

/** For callers that hold the sandbox's lock. */
export async function publishHeld(
  context: NetworkContext,
  endpoint: EndpointRecord,
  ports: readonly PortBinding[],
): Promise<EndpointRecord> {
  if (ports.length === 0) return endpoint;
  using _ports = await context.locks.acquire(LOCK);
  const taken: PublishedPort[] = [];
  try {
    for (const port of ports) taken.push(...(await reserve(context, endpoint, port, taken)));
    const added = { ...endpoint, published: taken };
    await context.firewall.add(portElements(added));
    const published = { ...endpoint, published: [...endpoint.published, ...taken] };
    context.store.putEndpoint(published);
    return published;
  } catch (error) {
    for (const port of taken) await context.ports.release(port);
    const name = endpoint.dnsNames[0] ?? endpoint.containerId.slice(0, 12);
    throw new EngineError(
      kindOf(error),
      `driver failed programming external connectivity on endpoint ${name} (${endpoint.id}): ${messageOf(error)}`,
      { cause: error },
    );
  }
}

export async function unpublish(context: NetworkContext, endpoint: EndpointRecord): Promise<void> {
  if (endpoint.published.length === 0) return;
  using _ports = await context.locks.acquire(LOCK);
  await withdraw(context, endpoint);
  context.store.putEndpoint({ ...endpoint, published: [] });
}

/** Withdraws in the background. Its turn is taken now, so that a later `publish` of the same port waits for it. */
export function unpublishLater(context: NetworkContext, endpoint: EndpointRecord): void {
  if (endpoint.published.length === 0) return;
  const turn = context.locks.acquire(LOCK);
  context.background.run('withdrawing published ports', async () => {
    using _ports = await turn;
    await withdraw(context, endpoint);
  });
}

async function withdraw(context: NetworkContext, endpoint: EndpointRecord): Promise<void> {
  await context.firewall.remove(portElements(endpoint));
  for (const port of endpoint.published) await context.ports.release(port);
}

async function reserve(
  context: NetworkContext,
  endpoint: EndpointRecord,
  binding: PortBinding,
  taken: readonly PublishedPort[],
): Promise<readonly PublishedPort[]> {
  checkBinding(binding);
  const hostIps = hostAddresses(context, endpoint, binding);
  let failure: unknown;
  for (const hostPort of candidates(binding)) {
    const got: PublishedPort[] = [];
    try {
      for (const hostIp of hostIps) {
        const port = { containerPort: binding.containerPort, protocol: binding.protocol, hostIp, hostPort };
        if (await reserveOne(context, endpoint, port, taken, hostIps.length > 1)) got.push(port);
      }
      return got;
    } catch (error) {
      for (const port of got) await context.ports.release(port);
      failure ??= error;
      if (!(error instanceof EngineError) || error.kind !== 'conflict') throw error;
    }
  }
  throw failure ?? conflict('no host port is free');
}

/** False when an address that was not asked for does not exist on this host. */
async function reserveOne(
  context: NetworkContext,
  endpoint: EndpointRecord,
  port: PublishedPort,
  taken: readonly PublishedPort[],
  implied: boolean,
): Promise<boolean> {
  const shown = port.hostIp.includes(':') ? `[${port.hostIp}]` : port.hostIp;
  const known = [...taken, ...context.store.endpoints().flatMap(({ published }) => published)];
  if (known.some((other) => collides(other, port)))
    throw conflict(`Bind for ${shown}:${port.hostPort} failed: port is already allocated`);
  const family = port.hostIp.includes(':') ? endpoint.ipv6 : endpoint.ipv4;
  const target = (family ?? endpoint.ipv4 ?? endpoint.ipv6)?.split('/')[0];
  try {
    await context.ports.hold(port, target);
    return true;
  } catch (error) {
    if (implied && port.hostIp === '::' && errnoOf(error) !== 'EADDRINUSE') return false;
    const kind = errnoOf(error) === 'EADDRINUSE' ? 'conflict' : 'invalid';
    const to = `${target?.includes(':') ? `[${target}]` : target}:${port.containerPort}/${port.protocol}`;
    throw new EngineError(
      kind,
      `failed to bind host port for ${shown}:${port.hostPort}:${to}: ${bindErrorText(error)}`,
      {
        cause: error,
      },
    );
  }
}

function collides(a: PublishedPort, b: PublishedPort): boolean {
  if (a.protocol !== b.protocol || a.hostPort !== b.hostPort) return false;
  if (a.hostIp.includes(':') !== b.hostIp.includes(':')) return false;
  return a.hostIp === b.hostIp || [a.hostIp, b.hostIp].some((ip) => ip === '0.0.0.0' || ip === '::');
}

function checkBinding({ containerPort, hostPort = 0, hostPortEnd, hostIp, protocol }: PortBinding): void {
  const isPort = (port: number): boolean => Number.isInteger(port) && port >= 0 && port <= 65535;
  if (!isPort(containerPort) || containerPort === 0) throw invalid(`invalid container port: ${containerPort}`);
  if (!isPort(hostPort)) throw invalid(`invalid port specification: "${hostPort}"`);
  if (hostPortEnd !== undefined && (!isPort(hostPortEnd) || hostPortEnd < hostPort))
    throw invalid(`invalid port range: ${hostPort}-${hostPortEnd}`);
  if (hostIp && !parseIp(hostIp)) throw invalid(`invalid IP address: ${hostIp}`);
  if (!['tcp', 'udp', 'sctp'].includes(protocol)) throw invalid(`invalid proto: ${protocol}`);
}

/**
 * Without an address a port is published on every IPv4 one, and on every IPv6 one where something would answer: the
 * container's own IPv6 address or, for TCP, the daemon's relay.
 */
function hostAddresses(context: NetworkContext, endpoint: EndpointRecord, binding: PortBinding): readonly string[] {
  if (binding.hostIp) return [binding.hostIp];
  const network = context.store.network(endpoint.networkId);
  const configured = (network && bridgeSettings(network).hostIp) || context.bridge.hostIp || '';
  if (configured !== '' && configured !== '0.0.0.0') return [configured];
  const six = endpoint.ipv6 !== undefined || binding.protocol === 'tcp';
  return [...(endpoint.ipv4 === undefined && six ? [] : ['0.0.0.0']), ...(six ? ['::'] : [])];
}

function* candidates({ hostPort = 0, hostPortEnd }: PortBinding): Generator<number> {
  if (hostPort !== 0) {
    for (let port = hostPort; port <= (hostPortEnd ?? hostPort); port++) yield port;
    return;
  }
  const { first, last } = ephemeralRange();
  const count = last - first + 1;
  // A random start makes the same port unlikely to come back at once to clients of the container that had it.
  const start = Math.floor(Math.random() * count);
  for (let i = 0; i < Math.min(count, 4096); i++) yield first + ((start + i) % count);
}

function ephemeralRange(): { readonly first: number; readonly last: number } {
  try {
    const [first = 32768, last = 60999] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8')
      .trim()
      .split(/\s+/)
      .map(Number);
    return { first, last };
  } catch {
    return { first: 32768, last: 60999 };
  }
}
