import { isKind } from '@berth/base';
import type { Container } from './container.ts';
import type { ContainerDeps } from './deps.ts';
import { followNetworks } from './etc-files.ts';
import { networkModeOf, networksOf } from './network.ts';

/**
 * For a container that outlived its daemon. `connect` writes the container's record last, so an endpoint the record does
 * not know is of one that was cut off: it goes. `disconnect` does so as well: a network of the record without an endpoint
 * is of one that had all but ended.
 */
export async function reconcileNetworks(deps: ContainerDeps, container: Container): Promise<void> {
  const mode = networkModeOf(container);
  if (mode === 'host' || mode.startsWith('container:') || !deps.networks.sandbox(container.id)) return;
  const listed = networksOf(container, mode).map((entry) => ({ entry, id: idOf(deps, entry[0]) }));
  const endpoints = deps.networks.endpointsOf(container.id);
  const unknown = endpoints.filter(({ networkId }) => !listed.some(({ id }) => id === networkId));
  for (const { networkId } of unknown)
    await followNetworks(deps, container, () => deps.networks.disconnect(container.id, networkId));
  const isKept = (id: string | undefined): boolean =>
    id === undefined || endpoints.some(({ networkId }) => networkId === id);
  const left = listed.filter(({ id }) => !isKept(id));
  if (left.length === 0) return;
  const kept = listed.filter(({ id }) => isKept(id)).map(({ entry }) => entry);
  const leftNetworkMode = left.some(({ entry: [name] }) => name === mode) || container.record.leftNetworkMode;
  deps.store.setRecord(container, {
    networking: Object.fromEntries(kept),
    ...(leftNetworkMode ? { leftNetworkMode } : {}),
  });
}

function idOf({ networks }: ContainerDeps, name: string): string | undefined {
  try {
    return networks.get(name).id;
  } catch (error) {
    if (isKind(error, 'notFound', 'invalid')) return undefined;
    throw error;
  }
}
