import { readFileSync } from 'node:fs';
import { conflict, EngineError, errnoOf, invalid, kindOf, messageOf } from '@berth/base';
import type { NetworkContext } from '../context.ts';
import { bridgeSettings } from '../drivers/bridge-settings.ts';
import { type Element, portElements } from '../firewall/ruleset.ts';
import { parseIp } from '../ipam/cidr.ts';
import type { EndpointRecord, Family, PortBinding, PublishedPort } from '../network-driver.ts';
import { bindErrorText } from './port-holder.ts';

const LOCK = 'ports';

/** Publishes at the host's addresses of these families. All ports or none. For callers that hold the sandbox's lock. */
export async function publishHeld(
  context: NetworkContext,
  endpoint: EndpointRecord,
  ports: readonly PortBinding[],
  families: readonly Family[] = [4, 6],
): Promise<EndpointRecord> {
  if (ports.length === 0) return endpoint;
  using _ports = await context.locks.acquire(LOCK);
  const taken: PublishedPort[] = [];
  const index = new PortIndex(context.store.endpoints().flatMap(({ published }) => published));
  try {
    for (const group of samePorts(ports))
      for (const got of await reserve(context, endpoint, { group, families }, index)) {
        taken.push(got);
        index.add(got);
      }
    const added = { ...endpoint, published: taken };
    await context.firewall.add(portElements(added));
    for (const port of taken) forgetDatagrams(context, port);
    const published = { ...endpoint, published: [...endpoint.published, ...taken] };
    context.store.putEndpoint(published);
    return published;
  } catch (error) {
    await context.firewall.remove(portElements({ ...endpoint, published: taken }));
    for (const port of taken) await context.ports.release(port);
    const name = endpoint.dnsNames[0] ?? endpoint.containerId.slice(0, 12);
    throw new EngineError(
      kindOf(error),
      `driver failed programming external connectivity on endpoint ${name} (${endpoint.id}): ${messageOf(error)}`,
      { cause: error },
    );
  }
}

/** At the host's addresses of these families. */
export async function unpublish(
  context: NetworkContext,
  endpoint: EndpointRecord,
  families: readonly Family[] = [4, 6],
): Promise<void> {
  const [gone, kept] = partition(endpoint.published, (port) => families.includes(familyOf(port)));
  if (gone.length === 0) return;
  using _ports = await context.locks.acquire(LOCK);
  await withdraw(context, { ...endpoint, published: gone });
  context.store.putEndpoint({ ...endpoint, published: kept });
}

/** Of the host's address. */
export const familyOf = ({ hostIp }: PublishedPort): Family => (hostIp.includes(':') ? 6 : 4);

function partition<T>(list: readonly T[], matches: (each: T) => boolean): readonly [T[], T[]] {
  return [list.filter(matches), list.filter((each) => !matches(each))];
}

/**
 * Withdraws the ports of an endpoint whose record is gone. The turn is taken now, so that a later `publish` of the same
 * port waits for it; the promise, which never rejects, is for those who have to see the ports closed.
 */
export function unpublishLater(
  context: NetworkContext,
  endpoint: EndpointRecord,
  links: readonly Element[] = [],
): Promise<void> {
  const isPublished = endpoint.published.length > 0;
  const turn = isPublished ? context.locks.acquire(LOCK) : undefined;
  return context.background.run('withdrawing published ports', async () => {
    using _ports = await turn;
    await context.firewall.remove(links);
    if (isPublished) await withdraw(context, endpoint);
    // Last: a connection that came in until now would be translated to a container that is no more, and hang.
    forgetConnections(context, endpoint);
  });
}

async function withdraw(context: NetworkContext, endpoint: EndpointRecord): Promise<void> {
  await context.firewall.remove(portElements(endpoint));
  for (const port of endpoint.published) {
    await context.ports.release(port);
    forgetDatagrams(context, port);
  }
}

/** The address will be another container's: whoever is connected to it must not reach that one. */
export function forgetConnections({ host, logger }: NetworkContext, { ipv4, ipv6 }: EndpointRecord): void {
  for (const cidr of [ipv4, ipv6])
    try {
      if (cidr !== undefined) host.forgetConnectionsOf?.(cidr.split('/')[0] ?? cidr);
    } catch (error) {
      logger.debug('connections of an address cannot be forgotten', { address: cidr, error });
    }
}

/** A sender of datagrams that never pauses would go on reaching what the port led to before. */
function forgetDatagrams({ host, logger }: NetworkContext, { protocol, hostPort, hostIp }: PublishedPort): void {
  if (protocol !== 'udp' || hostPort === 0) return;
  try {
    host.forgetDatagramsTo?.(hostPort, hostIp.includes(':') ? 6 : 4);
  } catch (error) {
    logger.debug('connections of a port cannot be forgotten', { port: hostPort, error });
  }
}

/** As dockerd, exact ports before chosen ones; bindings that differ in the host's address alone get the same port. */
function samePorts(bindings: readonly PortBinding[]): readonly (readonly PortBinding[])[] {
  const groups: PortBinding[][] = [];
  for (const binding of bindings) {
    const group = groups.find((each) => each[0] && isAlike(each[0], binding) && each.every(isElsewhere(binding)));
    if (group) group.push(binding);
    else groups.push([binding]);
  }
  const [exact, chosen] = partition(groups, ([first]) => first !== undefined && isExact(first));
  return [...exact, ...chosen];
}

const isExact = ({ hostPort = 0, hostPortEnd = hostPort }: PortBinding): boolean =>
  hostPort !== 0 && hostPort === hostPortEnd;

const isAlike = (a: PortBinding, b: PortBinding): boolean =>
  a.containerPort === b.containerPort &&
  a.protocol === b.protocol &&
  (a.hostPort ?? 0) === (b.hostPort ?? 0) &&
  (a.hostPortEnd ?? a.hostPort ?? 0) === (b.hostPortEnd ?? b.hostPort ?? 0);

const isElsewhere =
  (a: PortBinding) =>
  (b: PortBinding): boolean =>
    Boolean(a.hostIp && b.hostIp && a.hostIp !== b.hostIp);

interface Reservation {
  readonly group: readonly PortBinding[];
  readonly families: readonly Family[];
}

async function reserve(
  context: NetworkContext,
  endpoint: EndpointRecord,
  { group, families }: Reservation,
  index: PortIndex,
): Promise<readonly PublishedPort[]> {
  for (const binding of group) checkBinding(binding);
  const { direct, translated } = gatewayModes(context, endpoint);
  const isHere = (hostIp: string): boolean => families.includes(hostIp.includes(':') ? 6 : 4);
  const opened = group
    .flatMap((binding) => routedPorts(endpoint, binding, translated))
    .filter(({ hostIp }) => isHere(hostIp));
  const wanted = group.flatMap((binding) => {
    const hostIps = hostAddresses(context, endpoint, binding);
    const here = hostIps.filter((ip) => isHere(ip) && translated[ip.includes(':') ? 6 : 4]);
    return here.map((hostIp) => ({ hostIp, binding, implied: hostIps.length > 1 }));
  });
  const [first] = wanted;
  if (!first) return opened;
  let failure: unknown;
  for (const hostPort of candidates(first.binding)) {
    const got: PublishedPort[] = [];
    try {
      for (const { hostIp, binding, implied } of wanted) {
        const { containerPort, protocol } = binding;
        const port: PublishedPort = { containerPort, protocol, hostIp, hostPort, ...(direct ? { direct } : {}) };
        if (await reserveOne(context, endpoint, { port, binding, implied }, index)) got.push(port);
      }
      return [...got, ...opened].toSorted((a, b) => familyOf(a) - familyOf(b));
    } catch (error) {
      for (const port of got) await context.ports.release(port);
      failure ??= error;
      if (!(error instanceof EngineError) || error.kind !== 'conflict') throw error;
    }
  }
  throw failure ?? conflict('no host port is free');
}

interface Wanted {
  readonly port: PublishedPort;
  readonly binding: PortBinding;
  /** The address was not asked for: it need not exist on this host. */
  readonly implied: boolean;
}

/** False when an address that was not asked for does not exist on this host. */
async function reserveOne(
  context: NetworkContext,
  endpoint: EndpointRecord,
  { port, binding, implied }: Wanted,
  index: PortIndex,
): Promise<boolean> {
  const shown = bracketed(port.hostIp);
  const holder = index.holder(port);
  if (holder !== undefined) throw conflict(`Bind for ${holder}:${port.hostPort} failed: port is already allocated`);
  const family = port.hostIp.includes(':') ? endpoint.ipv6 : endpoint.ipv4;
  const target = (family ?? endpoint.ipv4 ?? endpoint.ipv6)?.split('/')[0];
  try {
    await context.ports.hold(port, target);
    return true;
  } catch (error) {
    if (implied && port.hostIp === '::' && errnoOf(error) !== 'EADDRINUSE') return false;
    const kind = errnoOf(error) === 'EADDRINUSE' ? 'conflict' : 'invalid';
    const to = `${bracketed(target ?? '')}:${port.containerPort}/${port.protocol}`;
    const { hostPort, hostPortEnd } = binding;
    const asked = `${hostPort || ''}${hostPortEnd !== undefined && hostPortEnd !== hostPort ? `-${hostPortEnd}` : ''}`;
    const chosen = hostPortEnd !== undefined && hostPortEnd !== hostPort ? `host port ${port.hostPort}` : 'host port';
    const what = errnoOf(error) === 'EPROTONOSUPPORT' ? 'create socket for userland proxy' : `bind ${chosen}`;
    throw new EngineError(kind, `failed to ${what} for ${shown}:${asked}:${to}: ${bindErrorText(error)}`, {
      cause: error,
    });
  }
}

const bracketed = (ip: string): string => (ip.includes(':') ? `[${ip}]` : ip);

/** Whether the endpoint's network translates ports, by family, and whether somebody reaches them untranslated as well. */
function gatewayModes(
  { store }: NetworkContext,
  endpoint: EndpointRecord,
): { readonly direct: boolean; readonly translated: { readonly 4: boolean; readonly 6: boolean } } {
  const network = store.network(endpoint.networkId);
  if (network?.driver !== 'bridge') return { direct: false, translated: { 4: true, 6: true } };
  const { gatewayMode, trustedInterfaces } = bridgeSettings(network);
  return {
    direct: trustedInterfaces.length > 0,
    // Without IPv6 of its own the container is reached at the host's IPv6 addresses as it is at the IPv4 ones.
    translated: {
      4: gatewayMode[4] !== 'routed',
      6: gatewayMode[endpoint.ipv6 === undefined ? 4 : 6] !== 'routed',
    },
  };
}

/** What a binding opens on a routed network: the container's own port, by family, whatever host address was asked for. */
function routedPorts(
  endpoint: EndpointRecord,
  { containerPort, protocol, hostIp }: PortBinding,
  translated: { readonly 4: boolean; readonly 6: boolean },
): readonly PublishedPort[] {
  const asked = (family: 4 | 6): boolean => !hostIp || hostIp.includes(':') === (family === 6);
  return [
    ...(endpoint.ipv4 !== undefined && !translated[4] && asked(4) ? ['0.0.0.0'] : []),
    ...(endpoint.ipv6 !== undefined && !translated[6] && asked(6) ? ['::'] : []),
  ].map((each) => ({ containerPort, protocol, hostIp: each, hostPort: 0 }));
}

/** Who has which port of the host, asked once for each of hundreds of ports. */
class PortIndex {
  readonly #byPort = new Map<string, Set<string>>();

  constructor(ports: readonly PublishedPort[]) {
    for (const port of ports) this.add(port);
  }

  add(port: PublishedPort): void {
    if (port.hostPort === 0) return;
    const key = keyOf(port);
    this.#byPort.set(key, (this.#byPort.get(key) ?? new Set()).add(port.hostIp));
  }

  /** The address that has the port in a way that excludes another from having it. */
  holder(port: PublishedPort): string | undefined {
    const every = port.hostIp.includes(':') ? '::' : '0.0.0.0';
    const family = [...(this.#byPort.get(keyOf(port)) ?? [])].filter(
      (ip) => ip.includes(':') === port.hostIp.includes(':'),
    );
    return family.find((ip) => ip === port.hostIp || ip === every || port.hostIp === every);
  }
}

const keyOf = ({ protocol, hostPort }: PublishedPort): string => `${protocol} ${hostPort}`;

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
 * container's own IPv6 address or, for TCP and UDP, the daemon's relay. Nothing leads from IPv4 to IPv6.
 */
function hostAddresses(context: NetworkContext, endpoint: EndpointRecord, binding: PortBinding): readonly string[] {
  const network = context.store.network(endpoint.networkId);
  const configured = (network && bridgeSettings(network).hostIp) || context.bridge.hostIp || '';
  const one = binding.hostIp || (configured === '0.0.0.0' ? '' : configured);
  const six = endpoint.ipv6 !== undefined || binding.protocol !== 'sctp';
  const all = one !== '' ? [one] : ['0.0.0.0', ...(six ? ['::'] : [])];
  return all.filter((ip) => ip.includes(':') || endpoint.ipv4 !== undefined);
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
