import {
  type CgroupStats,
  cgroupPids,
  cgroupsPath,
  type InterfaceCounters,
  readCgroupStats,
  readNetworkCounters,
  systemCpuUsage,
} from '@berth/linux';
import type { Container } from './container.ts';
import type { ContainerDeps } from './deps.ts';

export interface ContainerStats {
  readonly readAt: Date;
  readonly cgroup: CgroupStats;
  /** CPU time of the whole host, nanoseconds. */
  readonly hostCpu: number;
  readonly networks: readonly InterfaceCounters[];
}

/** Where a container's processes are accounted, below every hierarchy's root. */
export function cgroupPathOf(deps: Pick<ContainerDeps, 'defaults'>, container: Container): string {
  return cgroupsPath(container.record.host.cgroupParent || deps.defaults.cgroupParent, container.id);
}

/** Use of resources now; undefined for a container that does not run. */
export async function stats(deps: ContainerDeps, nameOrId: string): Promise<ContainerStats | undefined> {
  const container = deps.store.get(nameOrId);
  if (!container.isRunning) return undefined;
  return {
    readAt: deps.clock.now(),
    cgroup: readCgroupStats(deps.cgroups, cgroupPathOf(deps, container)),
    hostCpu: systemCpuUsage(),
    // The host's interfaces are not the container's.
    networks:
      container.record.host.networkMode === 'host'
        ? []
        : readNetworkCounters(container.state.pid).filter(({ name }) => name !== 'lo'),
  };
}

/** Its processes, as the host numbers them. */
export function processesOf(deps: ContainerDeps, container: Container): readonly number[] {
  return cgroupPids(deps.cgroups, cgroupPathOf(deps, container));
}
