import { conflict, invalid } from '@berth/base';
import { writeCgroupLimit } from '@berth/linux';
import { buildResources } from '@berth/runtime';
import type { ContainerDeps } from './deps.ts';
import { emitContainer } from './events.ts';
import { supportedLimits, validateResources } from './limits.ts';
import { runtimeOf } from './pause.ts';
import { resourcesOf } from './spec.ts';
import { cgroupPathOf } from './stats.ts';
import type { HostSettings, ResourceSettings, RestartPolicy } from './types.ts';
import { validateRestart } from './validate.ts';

/** Limits and restart policy as a client gives them; what is absent, null, 0 or empty stays as it is. */
export type ContainerChange = ResourceSettings & { readonly restartPolicy?: RestartPolicy };

/** Changes limits and the restart policy; a running container's cgroup follows at once. Returns warnings. */
export async function update(
  deps: ContainerDeps,
  nameOrId: string,
  change: ContainerChange,
): Promise<readonly string[]> {
  const container = deps.store.get(nameOrId);
  if ((change.devices ?? []).length > 0) throw invalid('devices of a container cannot be updated');
  validateRestart(change.restartPolicy, false);
  const { host: wanted, warnings } = supportedLimits(change, deps.support);
  using _held = await deps.lock.acquire(container.id);
  if (container.is('removing', 'dead'))
    throw conflict(`Cannot update container ${container.id}: container is marked for removal and cannot be "update"`);
  const before = container.record.host;
  const { restartPolicy, ...resources } = given(wanted);
  const clash = clashOf(before, resources, restartPolicy);
  if (clash !== undefined) throw conflict(`Cannot update container ${container.id}: ${clash}`);
  const host = { ...before, ...resources, ...(restartPolicy?.name ? { restartPolicy } : {}) };
  validateResources(host, deps.support);
  if (Object.keys(resources).length > 0 && container.isRunning) {
    const { cpuQuota = 0, ...limits } = host;
    // The runtimes differ in how they understand "no limit" here.
    await runtimeOf(deps, container).update(
      container.id,
      buildResources(resourcesOf(cpuQuota < 0 ? limits : host), []),
    );
    const path = cgroupPathOf(deps, container);
    if (resources.pidsLimit === 0) writeCgroupLimit(deps.cgroups, path, 'pids', 'pids.max', 'max');
    if ((resources.cpuQuota ?? 0) < 0) {
      const [file, value] = deps.host.cgroupVersion === 2 ? ['cpu.max', 'max'] : ['cpu.cfs_quota_us', '-1'];
      writeCgroupLimit(deps.cgroups, path, 'cpu', file, value);
    }
  }
  deps.store.setRecord(container, { host });
  emitContainer(deps, container, 'update');
  return warnings;
}

/** `pidsLimit` alone means something when it is 0, or less: no limit. */
function given({ pidsLimit, ...change }: ContainerChange): ContainerChange {
  const known = typeof pidsLimit === 'number' ? { ...change, pidsLimit: Math.max(0, pidsLimit) } : change;
  return Object.fromEntries(
    Object.entries(known).filter(([key, value]) => {
      if (value === undefined || value === null || value === '') return false;
      if (key === 'memorySwappiness' && value === -1) return false;
      return value !== 0 || key === 'pidsLimit';
    }),
  );
}

/** Why what is there and what is asked for do not go together. */
function clashOf(
  before: HostSettings,
  change: ResourceSettings,
  policy: RestartPolicy | undefined,
): string | undefined {
  if (change.nanoCpus && before.cpuPeriod)
    return 'Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set';
  if (change.nanoCpus && before.cpuQuota)
    return 'Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set';
  if (change.cpuPeriod && before.nanoCpus)
    return 'Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set';
  if (change.cpuQuota && before.nanoCpus)
    return 'Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set';
  if (change.memory && !change.memorySwap && change.memory > (before.memorySwap ?? 0))
    return 'Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time';
  if (policy?.name && policy.name !== 'no' && before.autoRemove)
    return 'Restart policy cannot be updated because AutoRemove is enabled for the container';
  return undefined;
}
