import { conflict, forbidden } from '@berth/base';
import type { NetworkContext } from '../context.ts';
import { linkElementsOf } from '../firewall/links.ts';
import type { EndpointRecord } from '../network-driver.ts';
import { movePorts } from '../ports/follow-routes.ts';
import { forgetConnections, unpublish } from '../ports/publish.ts';
import { emitDisconnect, rememberAddresses } from '../sandbox/close.ts';
import { routedFamilies } from '../sandbox/gateway.ts';
import { netnsPathOf } from '../sandbox/open.ts';
import { getNetwork } from './get.ts';

/** Takes a running container off a network; its published ports move to the endpoint that now has the default route. */
export async function disconnect(context: NetworkContext, containerId: string, nameOrId: string): Promise<void> {
  using _held = await context.locks.acquire(`sandbox:${containerId}`);
  const { store, allocator } = context;
  const network = getNetwork(context, nameOrId);
  const endpoint = store.endpointsOf(containerId).find(({ networkId }) => networkId === network.id);
  if (!endpoint) throw forbidden(`container ${containerId} is not connected to network ${network.name}`);
  if (network.driver === 'host')
    throw conflict('container cannot be disconnected from host network or connected to host network');
  const ports = endpoint.published;
  const sandbox = store.sandbox(containerId);
  const netns = sandbox && netnsPathOf(context, sandbox);
  await unpublish(context, endpoint);
  await context.firewall.remove(linkElementsOf(context, network, endpoint));
  await context.driver(network.driver).detach(network, endpoint, netns);
  // Before the record goes: a daemon killed in between finds it, and puts everything back.
  if (netns !== undefined) await reroute(context, endpoint, netns);
  rememberAddresses(context, endpoint);
  store.state.transaction(() => {
    allocator.release(endpoint.id);
    store.deleteEndpoint(endpoint.id);
  });
  emitDisconnect(context, network.id, containerId);
  forgetConnections(context, endpoint);
  await movePorts(context, containerId, ports);
}

/** Default routes go by who has the say in it now. */
async function reroute(context: NetworkContext, left: EndpointRecord, netns: string): Promise<void> {
  const { store } = context;
  const endpoints = store.endpointsOf(left.containerId).filter(({ id }) => id !== left.id);
  for (const endpoint of endpoints) {
    const network = store.network(endpoint.networkId);
    const families = routedFamilies(endpoint, endpoints, (id) => store.network(id));
    if (network && families.length > 0) await context.driver(network.driver).route(network, netns, endpoint, families);
  }
}
