import { type CallOptions, forbidden, isKind, messageOf, shortId } from '@berth/base';
import type { NetworkContext } from '../context.ts';
import type { NetworkRecord } from '../network-driver.ts';
import { refuseRemoval } from './configuration.ts';
import { forgetNetwork } from './create.ts';
import { getNetwork } from './get.ts';

export async function removeNetwork(
  context: NetworkContext,
  nameOrId: string,
  { signal }: CallOptions = {},
): Promise<void> {
  using _held = await context.locks.acquire('networks', { signal });
  const network = getNetwork(context, nameOrId);
  if (network.predefined) throw forbidden(`${network.name} is a pre-defined network and cannot be removed`);
  const endpoints = context.store
    .endpointsOn(network.id)
    .map(({ id, dnsNames, containerId }) => `name:"${dnsNames[0] ?? shortId(containerId)}" id:"${shortId(id)}"`);
  if (endpoints.length > 0)
    throw forbidden(
      `error while removing network: network ${network.name} has active endpoints (${endpoints.join(', ')})`,
    );
  refuseRemoval(context, network);
  context.removing.add(network.id);
  try {
    await context.driver(network.driver).remove(network);
    forgetNetwork(context, network.id);
  } finally {
    context.removing.delete(network.id);
  }
  context.emit('network', 'destroy', network.id, { name: network.name, type: network.driver });
}

/** Removes unused networks that match; returns their names. */
export async function pruneNetworks(
  context: NetworkContext,
  matches: (network: NetworkRecord) => boolean,
): Promise<readonly string[]> {
  const removed: string[] = [];
  for (const network of context.store.networks()) {
    if (network.predefined || !matches(network) || context.store.endpointsOn(network.id).length > 0) continue;
    try {
      await removeNetwork(context, network.id);
      removed.push(network.name);
    } catch (error) {
      // Taken into use, or removed by somebody else, in the meantime.
      if (!isKind(error, 'forbidden', 'notFound')) throw error;
      context.logger.debug('network not pruned', { network: network.name, reason: messageOf(error) });
    }
  }
  return removed;
}
