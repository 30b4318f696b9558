import type { RuntimeBlockIo, RuntimeDevice, RuntimeDeviceRule, RuntimeIdMapping } from '@berth/oci';
import type { HostFacts } from './host-facts.ts';

/** Everything about a container that its `config.json` depends on, in the engine's own words. */
export interface SpecInput {
  readonly host: HostFacts;
  readonly args: readonly string[];
  /** `KEY=value`; PATH, HOSTNAME, HOME, TERM are the caller's to add. */
  readonly env: readonly string[];
  readonly cwd: string;
  readonly user: SpecUser;
  readonly terminal?: boolean;
  readonly consoleSize?: { readonly height: number; readonly width: number };
  /** Absolute path of the mounted root file system. */
  readonly rootfs: { readonly path: string; readonly readonly?: boolean };
  readonly hostname?: string;
  readonly domainname?: string;
  /** In any order; mounted by depth of destination, over the default mounts with the same destination. */
  readonly mounts?: readonly SpecMount[];
  /** Default `{ size: 64 MiB }`; `path`: a /dev/shm shared with another container or the host; `none`: no such mount. */
  readonly shm?: { readonly size: number } | { readonly path: string } | 'none';
  readonly namespaces?: SpecNamespaces;
  /** Path below the cgroup root, e.g. `/berth/<id>`. */
  readonly cgroupsPath: string;
  readonly resources?: SpecResources;
  readonly devices?: readonly SpecDevice[];
  readonly deviceCgroupRules?: readonly RuntimeDeviceRule[];
  readonly capAdd?: readonly string[];
  readonly capDrop?: readonly string[];
  readonly privileged?: boolean;
  /** Whether its own cgroup may be written to; default: when privileged. */
  readonly writableCgroups?: boolean;
  /** `default`, `unconfined`, or a profile in Docker's JSON format. */
  readonly seccomp?: 'default' | 'unconfined' | { readonly profile: string };
  /** Profile name, or `unconfined`; default: `docker-default`, and none when privileged or without AppArmor. */
  readonly apparmor?: string;
  readonly noNewPrivileges?: boolean;
  /** Default: dockerd's lists; `[]` (systempaths=unconfined) for none. */
  readonly maskedPaths?: readonly string[];
  readonly readonlyPaths?: readonly string[];
  /** Names without `RLIMIT_`, any case. */
  readonly rlimits?: readonly { readonly name: string; readonly soft: number; readonly hard: number }[];
  readonly oomScoreAdj?: number;
  readonly sysctls?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Host path of tini or docker-init: mounted at /sbin/docker-init and put before `args`. */
  readonly initPath?: string;
}

export interface SpecUser {
  readonly uid: number;
  readonly gid: number;
  readonly additionalGids?: readonly number[];
}

export type Propagation = 'private' | 'rprivate' | 'shared' | 'rshared' | 'slave' | 'rslave';

export type SpecMount =
  | {
      /** A host file or directory; a named volume is one too. */
      readonly type: 'bind';
      readonly source: string;
      readonly destination: string;
      readonly readonly?: boolean;
      /** Also the mounts below are read-only (kernel 5.12 and a runtime that knows `rro`). */
      readonly recursiveReadonly?: boolean;
      /** `nosuid`, `nodev`, `noexec` of the source's mount, which a runtime may otherwise lift. */
      readonly flags?: readonly string[];
      /** Leave the mounts below out. */
      readonly nonRecursive?: boolean;
      readonly propagation?: Propagation;
    }
  | {
      readonly type: 'tmpfs';
      readonly destination: string;
      /** Bytes. */
      readonly size?: number;
      readonly mode?: number;
      readonly readonly?: boolean;
      /** As after the colon in `--tmpfs /run:rw,size=64m`; added to nosuid,nodev,noexec, which `exec` etc. undo. */
      readonly options?: readonly string[];
    };

/** `private`: its own; `host`: the host's; a path: joins that namespace. */
export type SpecNamespace = 'private' | 'host' | { readonly path: string };

export interface SpecNamespaces {
  /** Default private and unconfigured. */
  readonly network?: SpecNamespace;
  readonly pid?: SpecNamespace;
  readonly ipc?: SpecNamespace;
  readonly uts?: SpecNamespace;
  /** Default private on cgroup v2, host on v1, as dockerd. */
  readonly cgroup?: SpecNamespace;
  /** Default host; `private` needs `mappings`. */
  readonly user?:
    | 'host'
    | { readonly path: string }
    | { readonly uidMappings: readonly RuntimeIdMapping[]; readonly gidMappings: readonly RuntimeIdMapping[] };
}

/** Bytes and counts; what is absent or 0 is not limited. */
export interface SpecResources {
  readonly memory?: number;
  readonly memoryReservation?: number;
  /** Memory plus swap, -1 unlimited; absent with `memory`: twice the memory. */
  readonly memorySwap?: number;
  readonly memorySwappiness?: number;
  readonly kernelMemoryTcp?: number;
  readonly oomKillDisable?: boolean;
  readonly nanoCpus?: number;
  readonly cpuShares?: number;
  readonly cpuQuota?: number;
  readonly cpuPeriod?: number;
  readonly cpuRealtimeRuntime?: number;
  readonly cpuRealtimePeriod?: number;
  readonly cpusetCpus?: string;
  readonly cpusetMems?: string;
  /** -1 and 0 unlimited. */
  readonly pidsLimit?: number;
  readonly blockIo?: RuntimeBlockIo;
  readonly hugepageLimits?: readonly { readonly pageSize: string; readonly limit: number }[];
}

export interface SpecDevice {
  /** Device node, or directory of them, on the host. */
  readonly pathOnHost: string;
  readonly pathInContainer: string;
  /** Some of `r`, `w`, `m`; default all. */
  readonly permissions?: string;
}

export type { RuntimeDevice };
