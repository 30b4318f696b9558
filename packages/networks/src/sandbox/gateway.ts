import type { EndpointRecord, Family, NetworkRecord } from '../network-driver.ts';

/**
 * The endpoint that carries the default route: highest gateway priority, then the network's name in byte order, as
 * docker decides it. Internal networks and those without a gateway carry none. With a family, the route of that one.
 */
export function gatewayEndpoint(
  endpoints: readonly EndpointRecord[],
  networkOf: (id: string) => NetworkRecord | undefined,
  family?: Family,
): EndpointRecord | undefined {
  const has = ({ gateway, gateway6 }: EndpointRecord): boolean =>
    family === 4
      ? gateway !== undefined
      : family === 6
        ? gateway6 !== undefined
        : gateway !== undefined || gateway6 !== undefined;
  const candidates = endpoints.flatMap((endpoint) => {
    const network = networkOf(endpoint.networkId);
    return network && !network.internal && has(endpoint)
      ? [{ endpoint, name: network.name, priority: endpoint.gatewayPriority ?? 0 }]
      : [];
  });
  const best = candidates.toSorted(
    (a, b) => b.priority - a.priority || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0),
  );
  return best[0]?.endpoint;
}

/** The families whose default route an endpoint carries. */
export function routedFamilies(
  endpoint: EndpointRecord,
  endpoints: readonly EndpointRecord[],
  networkOf: (id: string) => NetworkRecord | undefined,
): readonly Family[] {
  return ([4, 6] as const).filter((family) => gatewayEndpoint(endpoints, networkOf, family)?.id === endpoint.id);
}
