import { join } from 'node:path';
import type { NetworkContext } from '../context.ts';
import { linkElementsOf } from '../firewall/links.ts';
import type { Element } from '../firewall/ruleset.ts';
import type { EndpointRecord } from '../network-driver.ts';
import { unpublishLater } from '../ports/publish.ts';

export async function closeSandbox(context: NetworkContext, containerId: string): Promise<void> {
  using _held = await context.locks.acquire(`sandbox:${containerId}`);
  await Promise.all(closeHeld(context, containerId));
}

/**
 * The records go at once, in one transaction; what the kernel holds goes in the background, off the path of whoever
 * waits for the container's end. A namespace takes its interfaces with it. Returns what a caller has to wait for who
 * says that the container has ended: its published ports are closed then.
 */
export function closeHeld(context: NetworkContext, containerId: string): readonly Promise<void>[] {
  const { store, allocator, host, names } = context;
  const record = store.sandbox(containerId);
  const endpoints = store.endpointsOf(containerId);
  if (!record && endpoints.length === 0) return [];
  const links = new Map(endpoints.map((endpoint) => [endpoint.id, linksThrough(context, endpoint)]));
  store.state.transaction(() => {
    for (const endpoint of endpoints) {
      rememberAddresses(context, endpoint);
      allocator.release(endpoint.id);
      store.deleteEndpoint(endpoint.id);
    }
    allocator.release(containerId);
    store.deleteSandbox(containerId);
  });
  names.stop(containerId);
  const withdrawn = endpoints.map((endpoint) => ({
    endpoint,
    done: unpublishLater(context, endpoint, links.get(endpoint.id)),
  }));
  const { netns } = record ?? {};
  if (netns !== undefined)
    void context.background.run('removing a network namespace', () =>
      host.removeNetns(join(context.netnsDirectory, netns)),
    );
  for (const endpoint of endpoints) emitDisconnect(context, endpoint.networkId, containerId);
  return withdrawn.flatMap(({ endpoint, done }) => (endpoint.published.length > 0 ? [done] : []));
}

function linksThrough(context: NetworkContext, endpoint: EndpointRecord): readonly Element[] {
  const network = context.store.network(endpoint.networkId);
  return network ? linkElementsOf(context, network, endpoint) : [];
}

export function rememberAddresses(
  { lastAddresses }: NetworkContext,
  { containerId, networkId, ipv4, ipv6 }: EndpointRecord,
): void {
  for (const cidr of [ipv4, ipv6]) if (cidr !== undefined) lastAddresses.remember(containerId, networkId, cidr);
}

export function emitDisconnect({ store, emit }: NetworkContext, networkId: string, containerId: string): void {
  const network = store.network(networkId);
  if (network)
    emit('network', 'disconnect', networkId, { container: containerId, name: network.name, type: network.driver });
}
