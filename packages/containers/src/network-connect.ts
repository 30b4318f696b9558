import { forbidden, invalid } from '@berth/base';
import type { ContainerDeps } from './deps.ts';
import { followNetworks } from './etc-files.ts';
import { connectInput, networkModeOf, networksOf } from './network.ts';
import type { EndpointSettings } from './types.ts';
import { validateEndpoint } from './validate-endpoints.ts';

/** Connects a container to one more network: at once when it runs, else from its next start on. */
export async function connectNetwork(
  deps: ContainerDeps,
  network: string,
  nameOrId: string,
  settings: EndpointSettings,
): Promise<void> {
  const container = deps.store.get(nameOrId);
  const { name } = deps.networks.get(network);
  using _held = await deps.lock.acquire(container.id);
  const mode = networkModeOf(container);
  if (mode === 'host' || mode.startsWith('container:'))
    throw invalid(
      'container sharing network namespace with another container or host cannot be connected to any other network',
    );
  if (name === 'host')
    throw invalid('cannot connect container to host network - container must be created with --network=host');
  const connected = networksOf(container, mode);
  if (connected.length > 0 && (name === 'none' || connected.some(([other]) => other === 'none')))
    throw invalid('container cannot be connected to multiple networks with one of the networks in private (none) mode');
  validateEndpoint(deps.networks, name, settings);
  if (container.isRunning) {
    await followNetworks(deps, container, () =>
      deps.networks.connect(container.id, name, connectInput(deps, container, name, settings)),
    );
  }
  const networking = { ...Object.fromEntries(connected), [keyOf(deps, connected, name) ?? name]: settings };
  deps.store.setRecord(container, { networking });
}

export async function disconnectNetwork(
  deps: ContainerDeps,
  network: string,
  nameOrId: string,
  force: boolean,
): Promise<void> {
  const { name } = deps.networks.get(network);
  const container = deps.store.find(nameOrId);
  if (!container) {
    if (!force) deps.store.get(nameOrId);
    await deps.networks.disconnect(nameOrId, name, { force });
    return;
  }
  using _held = await deps.lock.acquire(container.id);
  const mode = networkModeOf(container);
  const connected = networksOf(container, mode);
  const key = keyOf(deps, connected, name);
  if (key === undefined && !force) throw forbidden(`container ${container.id} is not connected to network ${name}`);
  if (container.isRunning) {
    await followNetworks(deps, container, () => deps.networks.disconnect(container.id, name, { force }));
  }
  const networking = Object.fromEntries(connected.filter(([other]) => other !== key));
  const leftNetworkMode = key === mode || container.record.leftNetworkMode;
  deps.store.setRecord(container, { networking, ...(leftNetworkMode ? { leftNetworkMode } : {}) });
}

/** What the container calls a network that it is on: its name, its ID or the beginning of that. */
function keyOf(
  deps: ContainerDeps,
  connected: readonly (readonly [string, EndpointSettings])[],
  name: string,
): string | undefined {
  const { id } = deps.networks.get(name);
  return (connected.find(([key]) => key === name) ?? connected.find(([key]) => id.startsWith(key)))?.[0];
}
