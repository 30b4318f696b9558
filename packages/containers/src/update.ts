import { conflict, invalid } from '@berth/base';
import { buildResources } from '@berth/runtime';
import type { ContainerDeps } from './deps.ts';
import { emitContainer } from './events.ts';
import { runtimeOf } from './pause.ts';
import { resourcesOf } from './spec.ts';
import type { ResourceSettings, RestartPolicy } from './types.ts';
import { validateResources, validateRestart } from './validate.ts';

/** Changes limits and the restart policy; a running container's cgroup follows at once. Returns warnings. */
export async function update(
  deps: ContainerDeps,
  nameOrId: string,
  change: ResourceSettings & { readonly restartPolicy?: RestartPolicy },
): Promise<readonly string[]> {
  const container = deps.store.get(nameOrId);
  using _held = await deps.lock.acquire(container.id);
  if (container.is('removing', 'dead'))
    throw conflict(`container ${nameOrId} is marked for removal and cannot be updated`);
  const given = Object.fromEntries(
    Object.entries(change).filter(([, value]) => value !== undefined && value !== null && value !== 0 && value !== ''),
  );
  const { restartPolicy, ...resources } = given as typeof change;
  const host = { ...container.record.host, ...resources, ...(restartPolicy?.name ? { restartPolicy } : {}) };
  validateResources(host);
  if (restartPolicy?.name) validateRestart(restartPolicy, host.autoRemove ?? false);
  if (Object.keys(resources).length > 0 && container.isRunning)
    await runtimeOf(deps, container).update(container.id, buildResources(resourcesOf(host), []));
  if ('devices' in resources) throw invalid('devices of a container cannot be updated');
  deps.store.setRecord(container, { host });
  emitContainer(deps, container, 'update');
  return [];
}
