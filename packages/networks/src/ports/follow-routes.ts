import { notFound } from '@berth/base';
import type { NetworkContext } from '../context.ts';
import type { EndpointRecord, Family, PortBinding, PublishedPort } from '../network-driver.ts';
import { gatewayEndpoint } from '../sandbox/gateway.ts';
import { familyOf, publishHeld, unpublish } from './publish.ts';

/**
 * Publishes on the endpoint with the default route, or on two where each family has its own; returns the first of
 * them. All ports or none.
 */
export async function publish(
  context: NetworkContext,
  containerId: string,
  ports: readonly PortBinding[],
): Promise<EndpointRecord> {
  using _held = await context.locks.acquire(`sandbox:${containerId}`);
  const { store } = context;
  const [publisher] = store.endpointsOf(containerId);
  if (!publisher) throw notFound(`container ${containerId} is not connected to any network`);
  const sandbox = store.sandbox(containerId);
  if (sandbox && ports.length > 0) store.putSandbox({ ...sandbox, ports: [...(sandbox.ports ?? []), ...ports] });
  const before = store.endpointsOf(containerId);
  const done: EndpointRecord[] = [];
  try {
    for (const { endpoint, families } of publishers(context, containerId))
      done.push(await publishHeld(context, endpoint, ports, families));
  } catch (error) {
    for (const each of done) await withdrawNew(context, each, before);
    throw error;
  }
  // As with dockerd, ports of a container without a way to the outside are not published.
  return done[0] ?? publisher;
}

async function withdrawNew(
  context: NetworkContext,
  endpoint: EndpointRecord,
  before: readonly EndpointRecord[],
): Promise<void> {
  const old = before.find(({ id }) => id === endpoint.id)?.published.length ?? 0;
  await unpublish(context, { ...endpoint, published: endpoint.published.slice(old) });
  context.store.putEndpoint({ ...endpoint, published: endpoint.published.slice(0, old) });
}

interface Publisher {
  readonly endpoint: EndpointRecord;
  /** Of the host's addresses that lead to it. One endpoint alone answers for both, with a relay where it must. */
  readonly families: readonly Family[];
}

/** Who has a container's ports now. */
function publishers({ store }: NetworkContext, containerId: string): readonly Publisher[] {
  const endpoints = store.endpointsOf(containerId);
  const [four, six] = ([4, 6] as const).map((family) => gatewayEndpoint(endpoints, (id) => store.network(id), family));
  const all: readonly Publisher[] =
    four && six && four.id !== six.id
      ? [
          { endpoint: four, families: [4] },
          { endpoint: six, families: [6] },
        ]
      : [four ?? six].flatMap((endpoint) => (endpoint ? [{ endpoint, families: [4, 6] }] : []));
  // Only bridges publish: on a network that others carry, a container is reached by its own address.
  return all.filter(({ endpoint }) => store.network(endpoint.networkId)?.driver === 'bridge');
}

/**
 * Brings the ports of a container to the endpoints that have the default routes now, the same ones where they were
 * published before. For callers that hold the sandbox's lock.
 */
export async function movePorts(
  context: NetworkContext,
  containerId: string,
  left: readonly PublishedPort[] = [],
): Promise<void> {
  const { store } = context;
  const now = publishers(context, containerId);
  const before = [...left, ...store.endpointsOf(containerId).flatMap(({ published }) => published)];
  for (const endpoint of store.endpointsOf(containerId)) {
    const stays = now.find((each) => each.endpoint.id === endpoint.id)?.families ?? [];
    await unpublish(
      context,
      endpoint,
      ([4, 6] as const).filter((family) => !stays.includes(family)),
    );
  }
  const asked = store.sandbox(containerId)?.ports ?? [];
  // A container that an older daemon started has no record of what was asked: what there was is published again.
  const wanted = asked.length > 0 ? asked.map(keepingPort(before)) : before;
  for (const { endpoint: was, families } of now) {
    const endpoint = store.endpointsOf(containerId).find(({ id }) => id === was.id);
    if (!endpoint) continue;
    const missing = families.filter((family) => !endpoint.published.some((port) => familyOf(port) === family));
    if (missing.length > 0) await publishHeld(context, endpoint, wanted, missing);
  }
}

/** A port that was left to chance stays what chance made it. */
function keepingPort(before: readonly PublishedPort[]): (asked: PortBinding) => PortBinding {
  const rest = [...before];
  return (asked) => {
    const at = rest.findIndex(
      ({ containerPort, protocol, hostPort, hostIp }) =>
        hostPort !== 0 &&
        (!asked.hostIp || asked.hostIp === hostIp) &&
        containerPort === asked.containerPort &&
        protocol === asked.protocol &&
        (!asked.hostPort || (hostPort >= asked.hostPort && hostPort <= (asked.hostPortEnd ?? asked.hostPort))),
    );
    const [found] = at < 0 ? [] : rest.splice(at, 1);
    if (!found) return asked;
    const twin = asked.hostIp ? -1 : rest.findIndex((port) => keyOf(port) === keyOf(found));
    if (twin >= 0) rest.splice(twin, 1);
    const { hostPortEnd: _range, ...binding } = asked;
    return { ...binding, hostPort: found.hostPort };
  };
}

const keyOf = ({ protocol, hostPort }: PublishedPort): string => `${protocol} ${hostPort}`;
