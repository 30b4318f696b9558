import { conflict, forbidden } from '@berth/base';
import type { ContainerDeps } from './deps.ts';
import { followNetworks } from './etc-files.ts';
import { connectInput, networkModeOf, networksOf } from './network.ts';
import type { EndpointSettings } from './types.ts';

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
  if (mode === 'host')
    throw conflict(
      'container sharing network namespace with another container or host cannot be connected to any other network',
    );
  if (mode.startsWith('container:'))
    throw conflict(
      'container sharing network namespace with another container or host cannot be connected to any other network',
    );
  if (name === 'host')
    throw forbidden('cannot connect container to host network - container must be created with --network=host');
  if (container.isRunning) {
    await followNetworks(deps, container, () =>
      deps.networks.connect(container.id, name, connectInput(deps, container, name, settings)),
    );
  }
  const networking = { ...Object.fromEntries(networksOf(container, mode)), [name]: settings };
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
  const networking = Object.fromEntries(networksOf(container, mode));
  if (!(name in networking) && !force) throw forbidden(`container ${container.id} is not connected to network ${name}`);
  if (container.isRunning) {
    await followNetworks(deps, container, () => deps.networks.disconnect(container.id, name, { force }));
  }
  const { [name]: _removed, ...rest } = networking;
  const remaining = Object.keys(rest)[0];
  const host = name === mode ? { ...container.record.host, networkMode: remaining ?? 'none' } : container.record.host;
  deps.store.setRecord(container, { networking: rest, host });
}
