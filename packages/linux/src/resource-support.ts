import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CgroupLayout } from './cgroup-mode.ts';

/** Which limits this host's control groups can hold; a limit it can not hold is dropped with a warning, as dockerd does. */
export interface ResourceSupport {
  readonly memoryLimit: boolean;
  readonly memoryReservation: boolean;
  readonly swapLimit: boolean;
  readonly swappiness: boolean;
  readonly oomKillDisable: boolean;
  readonly kernelMemoryTcp: boolean;
  readonly cpuShares: boolean;
  /** CFS period and quota. */
  readonly cpuQuota: boolean;
  readonly cpuRealtime: boolean;
  readonly cpuset: boolean;
  /** CPUs and memory nodes that may be asked for, as the kernel lists them (`0-3,5`); empty when unknown. */
  readonly cpus: string;
  readonly memoryNodes: string;
  readonly pidsLimit: boolean;
  readonly blkioWeight: boolean;
  readonly blkioWeightDevice: boolean;
  readonly blkioReadBps: boolean;
  readonly blkioWriteBps: boolean;
  readonly blkioReadIops: boolean;
  readonly blkioWriteIops: boolean;
}

const listIn = (directory: string | undefined, names: readonly string[]): string => {
  for (const name of directory === undefined ? [] : names) {
    try {
      return readFileSync(join(directory ?? '', name), 'utf8').trim();
    } catch {
      // the next name, or unknown
    }
  }
  return '';
};

function supportOnV1({ v1 }: CgroupLayout): ResourceSupport {
  const has = (controller: string, ...files: readonly string[]): boolean => {
    const directory = v1.get(controller);
    return directory !== undefined && files.some((file) => existsSync(join(directory, file)));
  };
  return {
    memoryLimit: has('memory', 'memory.limit_in_bytes'),
    memoryReservation: has('memory', 'memory.soft_limit_in_bytes'),
    swapLimit: has('memory', 'memory.memsw.limit_in_bytes'),
    swappiness: has('memory', 'memory.swappiness'),
    oomKillDisable: has('memory', 'memory.oom_control'),
    kernelMemoryTcp: has('memory', 'memory.kmem.tcp.limit_in_bytes'),
    cpuShares: has('cpu', 'cpu.shares'),
    cpuQuota: has('cpu', 'cpu.cfs_quota_us'),
    cpuRealtime: has('cpu', 'cpu.rt_period_us'),
    cpuset: has('cpuset', 'cpuset.cpus'),
    cpus: listIn(v1.get('cpuset'), ['cpuset.cpus']),
    memoryNodes: listIn(v1.get('cpuset'), ['cpuset.mems']),
    pidsLimit: v1.has('pids'),
    blkioWeight: has('blkio', 'blkio.weight', 'blkio.bfq.weight'),
    blkioWeightDevice: has('blkio', 'blkio.weight_device', 'blkio.bfq.weight_device'),
    blkioReadBps: has('blkio', 'blkio.throttle.read_bps_device'),
    blkioWriteBps: has('blkio', 'blkio.throttle.write_bps_device'),
    blkioReadIops: has('blkio', 'blkio.throttle.read_iops_device'),
    blkioWriteIops: has('blkio', 'blkio.throttle.write_iops_device'),
  };
}

/** v2's root group has no limit files: what a controller is there for, its children can do. */
function supportOnV2({ unified, controllers }: CgroupLayout): ResourceSupport {
  const has = (controller: string): boolean => controllers.has(controller);
  const [memory, cpu, io] = [has('memory'), has('cpu'), has('io')];
  return {
    memoryLimit: memory,
    memoryReservation: memory,
    swapLimit: memory && existsSync('/proc/swaps'),
    swappiness: false,
    oomKillDisable: false,
    kernelMemoryTcp: false,
    cpuShares: cpu,
    cpuQuota: cpu,
    cpuRealtime: false,
    cpuset: has('cpuset'),
    cpus: listIn(unified, ['cpuset.cpus.effective']),
    memoryNodes: listIn(unified, ['cpuset.mems.effective']),
    pidsLimit: has('pids'),
    blkioWeight: io,
    blkioWeightDevice: io,
    blkioReadBps: io,
    blkioWriteBps: io,
    blkioReadIops: io,
    blkioWriteIops: io,
  };
}

/** Reads what the hierarchies of `layout` offer; they may be any directories, which is how it is tested. */
export function detectResourceSupport(layout: CgroupLayout): ResourceSupport {
  return layout.mode === 'v2' ? supportOnV2(layout) : supportOnV1(layout);
}
