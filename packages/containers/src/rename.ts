import { conflict, invalid, messageOf } from '@berth/base';
import type { ContainerDeps } from './deps.ts';
import { emitContainer } from './events.ts';
import { checkName } from './names.ts';
import { dnsNames } from './network.ts';

export async function rename(deps: ContainerDeps, nameOrId: string, newName: string): Promise<void> {
  if (newName === '') throw invalid('Neither old nor new names may be empty');
  const container = deps.store.get(nameOrId);
  using _held = await deps.lock.acquire(container.id);
  const name = checkNewName(newName);
  if (name === container.name) throw invalid('Renaming a container with the same name as its current name');
  if (container.is('removing')) throw conflict(`container ${nameOrId} is marked for removal and cannot be renamed`);
  deps.store.assertNameFree(name);
  const oldName = container.name;
  deps.store.setRecord(container, { name });
  await deps.networks.rename(container.id, dnsNames(container));
  emitContainer(deps, container, 'rename', { oldName: `/${oldName}` });
}

function checkNewName(given: string): string {
  try {
    return checkName(given.startsWith('/') ? given : `/${given}`);
  } catch (error) {
    throw invalid(`Error when allocating new name: ${messageOf(error)}`);
  }
}
