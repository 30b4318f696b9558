import { invalid } from '@berth/base';
import type { RuntimeCpu, RuntimeDeviceRule, RuntimeMemory, RuntimeResources } from '@berth/oci';
import type { SpecResources } from './spec-input.ts';

const CPU_PERIOD = 100_000;

/** The object without its undefined members; undefined when nothing is left. */
const compact = <T extends object>(value: { [K in keyof T]: T[K] | undefined }): T | undefined => {
  const entries = Object.entries(value).filter(([, member]) => member !== undefined);
  return entries.length === 0 ? undefined : (Object.fromEntries(entries) as T);
};

const given = (value: number | undefined): number | undefined => (value === 0 ? undefined : value);

/** Memory limit as the runtime wants it; dockerd's rule: without a swap limit, as much swap again as memory. */
const memory = (resources: SpecResources): RuntimeMemory | undefined => {
  const limit = given(resources.memory);
  const swap = given(resources.memorySwap) ?? (limit !== undefined && limit > 0 ? limit * 2 : undefined);
  return compact<RuntimeMemory>({
    limit,
    reservation: given(resources.memoryReservation),
    swap,
    kernelTCP: given(resources.kernelMemoryTcp),
    swappiness: resources.memorySwappiness === -1 ? undefined : resources.memorySwappiness,
    disableOOMKiller: resources.oomKillDisable ? true : undefined,
  });
};

const cpu = (resources: SpecResources): RuntimeCpu | undefined => {
  const nano = given(resources.nanoCpus);
  if (nano !== undefined && (resources.cpuQuota || resources.cpuPeriod))
    throw invalid('Conflicting options: Nano CPUs and CPU Period cannot both be set');
  return compact<RuntimeCpu>({
    shares: given(resources.cpuShares),
    quota: nano === undefined ? given(resources.cpuQuota) : Math.trunc((nano * CPU_PERIOD) / 1e9),
    period: nano === undefined ? given(resources.cpuPeriod) : CPU_PERIOD,
    realtimeRuntime: given(resources.cpuRealtimeRuntime),
    realtimePeriod: given(resources.cpuRealtimePeriod),
    cpus: resources.cpusetCpus || undefined,
    mems: resources.cpusetMems || undefined,
  });
};

/** `linux.resources`, also what {@link OciRuntime.update} takes. Device rules only when given. */
export function buildResources(
  resources: SpecResources = {},
  deviceRules?: readonly RuntimeDeviceRule[],
): RuntimeResources {
  const pids = given(resources.pidsLimit);
  return (
    compact<RuntimeResources>({
      devices: deviceRules,
      memory: memory(resources),
      cpu: cpu(resources),
      pids: pids === undefined ? undefined : { limit: pids },
      blockIO: resources.blockIo,
      hugepageLimits: resources.hugepageLimits?.length ? resources.hugepageLimits : undefined,
    }) ?? {}
  );
}
