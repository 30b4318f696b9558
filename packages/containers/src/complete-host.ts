import { DEFAULT_MASKED_PATHS, DEFAULT_READONLY_PATHS, type HostFacts } from '@berth/runtime';
import type { ContainerDefaults } from './deps.ts';
import type { ContainerStore } from './store.ts';
import type { HostSettings } from './types.ts';

/** What {@link completeHost} goes by. */
export interface HostContext {
  readonly host: Pick<HostFacts, 'cgroupVersion'>;
  readonly defaults: Pick<ContainerDefaults, 'shmSize' | 'ipcMode' | 'cgroupnsMode'>;
  readonly store: Pick<ContainerStore, 'find'>;
}

/** Fills in, once and for good, what a container's settings leave to the engine: inspect shows it, each start uses it. */
export function completeHost(context: HostContext, given: HostSettings): HostSettings {
  const { memory = 0, memorySwap = 0, memorySwappiness, pidsLimit, privileged = false, ...rest } = given;
  const networkMode = byId(context, given.networkMode);
  const pidMode = byId(context, given.pidMode);
  const securityOpt = [...(given.securityOpt ?? []), ...labelOption(given)];
  return {
    ...rest,
    memory,
    memorySwap: memory > 0 && memorySwap === 0 ? 2 * memory : memorySwap,
    ...(typeof memorySwappiness === 'number' && memorySwappiness >= 0 ? { memorySwappiness } : {}),
    ...(typeof pidsLimit === 'number' && pidsLimit > 0 ? { pidsLimit } : {}),
    privileged,
    shmSize: given.shmSize || context.defaults.shmSize,
    ipcMode: byId(context, given.ipcMode) || context.defaults.ipcMode,
    cgroupnsMode: given.cgroupnsMode || defaultCgroupns(context, privileged),
    ...(networkMode === undefined ? {} : { networkMode }),
    ...(pidMode === undefined ? {} : { pidMode }),
    ...(securityOpt.length > 0 || given.securityOpt ? { securityOpt } : {}),
    ...(context.host.cgroupVersion === 1 ? { oomKillDisable: given.oomKillDisable ?? false } : {}),
    ...(privileged
      ? {}
      : {
          maskedPaths: given.maskedPaths ?? DEFAULT_MASKED_PATHS,
          readonlyPaths: given.readonlyPaths ?? DEFAULT_READONLY_PATHS,
        }),
  };
}

function defaultCgroupns({ host, defaults }: HostContext, privileged: boolean): string {
  if (defaults.cgroupnsMode !== undefined)
    return privileged && host.cgroupVersion === 1 ? 'host' : defaults.cgroupnsMode;
  return host.cgroupVersion === 2 ? 'private' : 'host';
}

/** Who shares with another container goes on to, whatever that is renamed to. */
function byId({ store }: HostContext, mode: string | undefined): string | undefined {
  if (!mode?.startsWith('container:')) return mode;
  const other = store.find(mode.slice('container:'.length));
  return other === undefined ? mode : `container:${other.id}`;
}

/** dockerd notes that a process which sees the host's own has no label, whether or not the host has SELinux. */
function labelOption({ securityOpt, privileged, pidMode, ipcMode }: HostSettings): readonly string[] {
  if ((securityOpt ?? []).some((option) => /^label[=:]/.test(option))) return [];
  return privileged || pidMode === 'host' || ipcMode === 'host' ? ['label=disable'] : [];
}
