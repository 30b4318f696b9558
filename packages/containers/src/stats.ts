import { totalmem } from 'node:os';
import { isKind } from '@berth/base';
import {
  type CgroupStats,
  cgroupOf,
  cgroupProcesses,
  hostCpuTime,
  type InterfaceCounters,
  networkCounters,
  readCgroupStats,
} from '@berth/linux';
import type { Container } from './container.ts';
import type { ContainerDeps } from './deps.ts';

export interface ContainerStats {
  readonly readAt: Date;
  readonly cgroup: CgroupStats;
  /** Bytes: the container's limit, or the host's memory without one. */
  readonly memoryLimit: number;
  /** CPU time of the whole host, nanoseconds. */
  readonly hostCpu: number;
  readonly networks: readonly InterfaceCounters[];
}

/** Use of resources now; undefined for a container that does not run. */
export async function stats(deps: ContainerDeps, nameOrId: string): Promise<ContainerStats | undefined> {
  const container = deps.store.get(nameOrId);
  if (!container.isRunning) return undefined;
  try {
    const cgroup = readCgroupStats(cgroupOf(container.state.pid));
    return {
      readAt: deps.clock.now(),
      cgroup,
      memoryLimit: cgroup.memory.limit ?? totalmem(),
      hostCpu: hostCpuTime(),
      networks: networkCounters(container.state.pid),
    };
  } catch (error) {
    if (isKind(error, 'notFound')) return undefined;
    throw error;
  }
}

export async function containerPids(container: Container): Promise<readonly number[]> {
  return cgroupProcesses(cgroupOf(container.state.pid));
}
