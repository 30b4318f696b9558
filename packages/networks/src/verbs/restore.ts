import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isKind } from '@berth/base';
import type { NetworkContext } from '../context.ts';
import { allElements, guardFirewall } from '../firewall/guard.ts';
import type { EndpointRecord } from '../network-driver.ts';
import { closeHeld } from '../sandbox/close.ts';
import { netnsPathOf } from '../sandbox/open.ts';
import { startNames } from './connect.ts';
import { ensureDefaultNetworks } from './default-networks.ts';

/** See NetworkService.restore. */
export async function restore(context: NetworkContext, live: ReadonlySet<string>): Promise<void> {
  await dropDead(context, live);
  await removeStaleNamespaces(context);
  if (context.bridge.ipForward !== false && context.bridge.name !== undefined) await enableForwarding(context);
  using subnets = await context.host.lockSubnets?.();
  await ensureDefaultNetworks(context);
  const { store } = context;
  await context.firewall.rebuild(allElements(context));
  for (const network of store.networks())
    await context
      .driver(network.driver)
      .create(network)
      .catch((error: unknown) => context.logger.error('network cannot be restored', { network: network.name, error }));
  subnets?.[Symbol.dispose]();
  for (const endpoint of store.endpoints()) await holdPorts(context, endpoint);
  for (const { containerId } of store.sandboxes())
    await startNames(context, containerId).catch((error: unknown) =>
      context.logger.error('name server cannot be restored', { container: containerId, error }),
    );
  context.running.use(guardFirewall(context));
  context.pool.start();
}

async function dropDead(context: NetworkContext, live: ReadonlySet<string>): Promise<void> {
  const { store, allocator } = context;
  for (const record of store.sandboxes()) {
    const path = netnsPathOf(context, record);
    if (!live.has(record.containerId) || (path !== undefined && !(await context.host.isNetns(path))))
      closeHeld(context, record.containerId);
  }
  const kept = new Set(store.sandboxes().map(({ containerId }) => containerId));
  for (const endpoint of store.endpoints())
    if (!kept.has(endpoint.containerId)) closeHeld(context, endpoint.containerId);
  allocator.releaseAllBut(new Set([...store.endpoints().map(({ id }) => id), ...kept]));
  await context.background.drain();
}

async function removeStaleNamespaces(context: NetworkContext): Promise<void> {
  const known = new Set(context.store.sandboxes().map(({ netns }) => netns));
  const names = await readdir(context.netnsDirectory).catch((error: unknown) => {
    if (isKind(error, 'notFound')) return [];
    throw error;
  });
  for (const name of names) {
    if (known.has(name)) continue;
    // Somebody may hold it in a mount namespace of his own; it is in nobody's way, and the next start tries again.
    await context.host
      .removeNetns(join(context.netnsDirectory, name))
      .catch((error: unknown) => context.logger.warn('a namespace of the last run stays', { netns: name, error }));
  }
}

async function enableForwarding({ host, logger }: NetworkContext): Promise<void> {
  await host
    .sysctl('net/ipv4/ip_forward', '1')
    .catch((error: unknown) => logger.warn('IPv4 forwarding cannot be enabled', { error }));
}

async function holdPorts({ ports, logger }: NetworkContext, endpoint: EndpointRecord): Promise<void> {
  for (const port of endpoint.published) {
    if (port.hostPort === 0 || ports.isHeld(port)) continue;
    const address = (port.hostIp.includes(':') ? (endpoint.ipv6 ?? endpoint.ipv4) : endpoint.ipv4)?.split('/')[0];
    await ports
      .hold(port, address)
      .catch((error: unknown) => logger.warn('a published port is in use by another program', { port, error }));
  }
}
