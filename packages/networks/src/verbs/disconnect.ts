import { conflict, forbidden } from '@berth/base';
import type { NetworkContext } from '../context.ts';
import { publishHeld, unpublish } from '../ports/publish.ts';
import { emitDisconnect } from '../sandbox/close.ts';
import { gatewayEndpoint } from '../sandbox/gateway.ts';
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
  await unpublish(context, endpoint);
  await context.driver(network.driver).detach(network, endpoint);
  store.state.transaction(() => {
    allocator.release(endpoint.id);
    store.deleteEndpoint(endpoint.id);
  });
  emitDisconnect(context, network.id, containerId);
  const gateway = gatewayEndpoint(store.endpointsOf(containerId), (id) => store.network(id));
  const sandbox = store.sandbox(containerId);
  const netns = sandbox && netnsPathOf(context, sandbox);
  const next = gateway && store.network(gateway.networkId);
  if (!gateway || !next || netns === undefined) return;
  await context.driver(next.driver).route(next, netns, gateway);
  if (ports.length > 0) await publishHeld(context, gateway, ports);
}
