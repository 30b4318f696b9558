import { join } from 'node:path';
import type { NetworkContext } from '../context.ts';
import { forgetConnections, unpublishLater } from '../ports/publish.ts';

export async function closeSandbox(context: NetworkContext, containerId: string): Promise<void> {
  using _held = await context.locks.acquire(`sandbox:${containerId}`);
  closeHeld(context, containerId);
}

/**
 * The records go at once, in one transaction; what the kernel holds goes in the background, off the path of whoever
 * waits for the container's end. A namespace takes its interfaces with it.
 */
export function closeHeld(context: NetworkContext, containerId: string): void {
  const { store, allocator, host, names } = context;
  const record = store.sandbox(containerId);
  const endpoints = store.endpointsOf(containerId);
  if (!record && endpoints.length === 0) return;
  store.state.transaction(() => {
    for (const endpoint of endpoints) {
      allocator.release(endpoint.id);
      store.deleteEndpoint(endpoint.id);
    }
    allocator.release(containerId);
    store.deleteSandbox(containerId);
  });
  names.stop(containerId);
  for (const endpoint of endpoints) unpublishLater(context, endpoint);
  context.background.run('forgetting connections', async () => {
    for (const endpoint of endpoints) forgetConnections(context, endpoint);
  });
  const { netns } = record ?? {};
  if (netns !== undefined)
    context.background.run('removing a network namespace', () => host.removeNetns(join(context.netnsDirectory, netns)));
  for (const endpoint of endpoints) emitDisconnect(context, endpoint.networkId, containerId);
}

export function emitDisconnect({ store, emit }: NetworkContext, networkId: string, containerId: string): void {
  const network = store.network(networkId);
  if (network)
    emit('network', 'disconnect', networkId, { container: containerId, name: network.name, type: network.driver });
}
