import type { NetworkContext } from '../context.ts';
import { keepsApart } from '../drivers/bridge-settings.ts';
import type { EndpointRecord, NetworkRecord } from '../network-driver.ts';
import type { Element } from './ruleset.ts';

/**
 * On a default bridge that keeps its containers apart (`--icc=false`) a container reaches those it is linked to, at
 * the ports they expose. The packets go by the host, which answers for the other's address (see `bridge.ts`).
 */
export function linkElements(network: NetworkRecord, endpoints: readonly EndpointRecord[]): readonly Element[] {
  if (!keepsApart(network)) return [];
  return endpoints.flatMap((from) => linksOf(endpoints, from).flatMap((to) => between(from, to)));
}

/** Those with this endpoint at one of their ends. */
export function linkElementsOf(
  { store }: Pick<NetworkContext, 'store'>,
  network: NetworkRecord,
  endpoint: EndpointRecord,
): readonly Element[] {
  if (!keepsApart(network)) return [];
  const others = store.endpointsOn(network.id).filter(({ id }) => id !== endpoint.id);
  const all = [...others, endpoint];
  const from = linksOf(all, endpoint).flatMap((to) => between(endpoint, to));
  const to = others.filter((other) => linksOf(all, other).includes(endpoint));
  return [...from, ...to.flatMap((other) => between(other, endpoint))];
}

function linksOf(endpoints: readonly EndpointRecord[], { links = [] }: EndpointRecord): readonly EndpointRecord[] {
  return endpoints.filter(({ containerId }) => links.some((link) => link.containerId === containerId));
}

function between(from: EndpointRecord, to: EndpointRecord): readonly Element[] {
  const [source, target] = [from, to].map(({ ipv4 }) => ipv4?.split('/')[0]);
  if (source === undefined || target === undefined) return [];
  return (to.exposed ?? []).map(({ port, protocol }) => ({
    set: 'links',
    element: `${source} . ${target} . ${protocol} . ${port}`,
  }));
}
