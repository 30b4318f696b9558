import { existsSync, readFileSync } from 'node:fs';
import { release } from 'node:os';
import { hasApparmor } from '@berth/linux';
import { hostPlatform } from '@berth/oci';
import { ALL_CAPABILITIES } from './capabilities.ts';

/** What the specification has to know about the machine. */
export interface HostFacts {
  /** 1 also for hybrid hosts. */
  readonly cgroupVersion: 1 | 2;
  /** Capabilities this daemon can hand on: its bounding set. */
  readonly capabilities: readonly string[];
  /** Processes can be confined by AppArmor profiles. */
  readonly apparmor: boolean;
  readonly seccomp: boolean;
  /** GOARCH name. */
  readonly architecture: string;
  /** `uname -r` */
  readonly kernel: string;
  /** The lowest oom_score_adj that may be asked for: this daemon's own without CAP_SYS_RESOURCE, else -1000. */
  readonly minOomScoreAdj: number;
}

const read = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
};

const capabilitySet = (status: string): readonly string[] => {
  const hex = /^CapBnd:\s*([0-9a-f]+)$/m.exec(status)?.[1];
  if (hex === undefined) return ALL_CAPABILITIES;
  const bits = BigInt(`0x${hex}`);
  return ALL_CAPABILITIES.filter((_, number) => (bits >> BigInt(number)) & 1n);
};

/** Reads the facts once; about a millisecond. Nothing in it changes while the machine runs. */
export function detectHostFacts(): HostFacts {
  const capabilities = capabilitySet(read('/proc/self/status'));
  const unified = existsSync('/sys/fs/cgroup/cgroup.controllers');
  return {
    cgroupVersion: unified ? 2 : 1,
    capabilities,
    apparmor: hasApparmor(),
    seccomp: existsSync('/proc/sys/kernel/seccomp/actions_avail'),
    architecture: hostPlatform().architecture,
    kernel: release(),
    minOomScoreAdj: capabilities.includes('CAP_SYS_RESOURCE') ? -1000 : Number(read('/proc/self/oom_score_adj')) || 0,
  };
}
