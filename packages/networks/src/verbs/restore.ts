import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isKind } from '@berth/base';
import type { NetworkContext } from '../context.ts';
import { allElements, guardFirewall } from '../firewall/guard.ts';
import type { EndpointRecord } from '../network-driver.ts';
import { movePorts } from '../ports/follow-routes.ts';
import { closeHeld } from '../sandbox/close.ts';
import { routedFamilies } from '../sandbox/gateway.ts';
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
  await repairLinks(context);
  for (const endpoint of store.endpoints()) await holdPorts(context, endpoint);
  for (const { containerId, ports = [] } of store.sandboxes())
    if (ports.length > 0) await republish(context, containerId);
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

/** A `disconnect` that was cut off left records without an interface, a failed `connect` an interface without records. */
async function repairLinks(context: NetworkContext): Promise<void> {
  const { store, host, logger } = context;
  const present = new Set(await host.interfaces());
  const endpoints = store.endpoints();
  const known = new Set([
    ...endpoints.map(({ hostInterface }) => hostInterface),
    ...store.sandboxes().map(({ prepared }) => prepared?.hostInterface),
  ]);
  // It may go by itself at this moment, with its namespace.
  for (const name of present)
    if (context.isOwnInterface(name) && !known.has(name)) await host.ip([`link del ${name}`]).catch(() => undefined);
  for (const endpoint of endpoints) {
    if (endpoint.hostInterface === undefined || present.has(endpoint.hostInterface)) continue;
    await attachAgain(context, endpoint).catch((error: unknown) =>
      logger.error('a container cannot be connected again', { container: endpoint.containerId, error }),
    );
  }
}

async function attachAgain(context: NetworkContext, endpoint: EndpointRecord): Promise<void> {
  const { store } = context;
  const sandbox = store.sandbox(endpoint.containerId);
  const network = store.network(endpoint.networkId);
  const netns = sandbox && netnsPathOf(context, sandbox);
  if (!network || netns === undefined) return;
  const endpoints = store.endpointsOf(endpoint.containerId);
  const defaultRoutes = routedFamilies(endpoint, endpoints, (id) => store.network(id));
  await context.driver(network.driver).attach(network, netns, endpoint, { defaultRoutes });
}

/** Ports are withdrawn first when a container leaves a network: where that was cut off they come back. */
async function republish(context: NetworkContext, containerId: string): Promise<void> {
  using _held = await context.locks.acquire(`sandbox:${containerId}`);
  await movePorts(context, containerId).catch((error: unknown) =>
    context.logger.warn('ports of a container cannot be published again', { container: containerId, error }),
  );
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
