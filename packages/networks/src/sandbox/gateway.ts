import type { EndpointRecord, NetworkRecord } from '../network-driver.ts';

/**
 * The endpoint that carries the default route: highest gateway priority, then the network's name in byte order, as
 * docker decides it. Internal networks and those without a gateway carry none.
 */
export function gatewayEndpoint(
  endpoints: readonly EndpointRecord[],
  networkOf: (id: string) => NetworkRecord | undefined,
): EndpointRecord | undefined {
  const candidates = endpoints.flatMap((endpoint) => {
    const network = networkOf(endpoint.networkId);
    const routes = network && !network.internal && (endpoint.gateway !== undefined || endpoint.gateway6 !== undefined);
    return routes ? [{ endpoint, name: network.name, priority: endpoint.gatewayPriority ?? 0 }] : [];
  });
  const best = candidates.toSorted(
    (a, b) => b.priority - a.priority || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0),
  );
  return best[0]?.endpoint;
}
