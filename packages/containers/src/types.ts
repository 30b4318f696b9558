import type { Descriptor, Digest, Platform } from '@berth/oci';

/**
 * A container's settings as the user gave them, completed by its image. Field names are the Engine API's in camelCase
 * with the API's meaning and units (bytes, nanoseconds, microseconds); `@berth/engine-server` converts mechanically.
 */
export interface ContainerSettings {
  readonly hostname: string;
  readonly domainname: string;
  readonly user: string;
  readonly attachStdin: boolean;
  readonly attachStdout: boolean;
  readonly attachStderr: boolean;
  /** Keys like `80/tcp`. */
  readonly exposedPorts: Readonly<Record<string, Record<string, never>>>;
  readonly tty: boolean;
  readonly openStdin: boolean;
  readonly stdinOnce: boolean;
  readonly env: readonly string[];
  readonly cmd: readonly string[] | null;
  readonly entrypoint: readonly string[] | null;
  readonly healthcheck?: HealthcheckSettings;
  readonly image: string;
  readonly volumes: Readonly<Record<string, Record<string, never>>>;
  readonly workingDir: string;
  readonly networkDisabled?: boolean;
  readonly onBuild: readonly string[] | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly stopSignal?: string;
  /** Seconds. */
  readonly stopTimeout?: number;
  readonly shell?: readonly string[];
  readonly argsEscaped?: boolean;
  readonly macAddress?: string;
}

/** Settings that say nothing: the zero value of every field that is always there. */
export const EMPTY_SETTINGS: ContainerSettings = {
  hostname: '',
  domainname: '',
  user: '',
  attachStdin: false,
  attachStdout: false,
  attachStderr: false,
  exposedPorts: {},
  tty: false,
  openStdin: false,
  stdinOnce: false,
  env: [],
  cmd: null,
  entrypoint: null,
  image: '',
  volumes: {},
  workingDir: '',
  onBuild: null,
  labels: {},
};

/** Durations in nanoseconds; `test` is `['NONE']`, `['CMD', ...]` or `['CMD-SHELL', line]`, empty to inherit. */
export interface HealthcheckSettings {
  readonly test?: readonly string[];
  readonly interval?: number;
  readonly timeout?: number;
  readonly startPeriod?: number;
  readonly startInterval?: number;
  readonly retries?: number;
}

export interface RestartPolicy {
  readonly name: '' | 'no' | 'always' | 'unless-stopped' | 'on-failure';
  readonly maximumRetryCount?: number;
}

export interface MountSettings {
  readonly type: 'bind' | 'volume' | 'tmpfs' | 'npipe' | 'cluster' | 'image';
  readonly source?: string;
  readonly target: string;
  readonly readOnly?: boolean;
  readonly consistency?: string;
  readonly bindOptions?: {
    readonly propagation?: string;
    readonly nonRecursive?: boolean;
    readonly createMountpoint?: boolean;
    readonly readOnlyNonRecursive?: boolean;
    readonly readOnlyForceRecursive?: boolean;
  };
  readonly volumeOptions?: {
    readonly noCopy?: boolean;
    readonly labels?: Readonly<Record<string, string>>;
    readonly driverConfig?: { readonly name?: string; readonly options?: Readonly<Record<string, string>> };
    readonly subpath?: string;
  };
  readonly imageOptions?: { readonly subpath?: string };
  readonly tmpfsOptions?: {
    readonly sizeBytes?: number;
    readonly mode?: number;
    readonly options?: readonly (readonly string[])[];
  };
}

export interface DeviceMapping {
  readonly pathOnHost: string;
  readonly pathInContainer: string;
  readonly cgroupPermissions: string;
}

export interface ThrottleDevice {
  readonly path: string;
  readonly rate: number;
}

/** Limits that `update` may change. */
export interface ResourceSettings {
  readonly cpuShares?: number;
  readonly memory?: number;
  readonly nanoCpus?: number;
  readonly cgroupParent?: string;
  readonly blkioWeight?: number;
  readonly blkioWeightDevice?: readonly { readonly path: string; readonly weight: number }[] | null;
  readonly blkioDeviceReadBps?: readonly ThrottleDevice[] | null;
  readonly blkioDeviceWriteBps?: readonly ThrottleDevice[] | null;
  readonly blkioDeviceReadIOps?: readonly ThrottleDevice[] | null;
  readonly blkioDeviceWriteIOps?: readonly ThrottleDevice[] | null;
  readonly cpuPeriod?: number;
  readonly cpuQuota?: number;
  readonly cpuRealtimePeriod?: number;
  readonly cpuRealtimeRuntime?: number;
  readonly cpusetCpus?: string;
  readonly cpusetMems?: string;
  readonly devices?: readonly DeviceMapping[] | null;
  readonly deviceCgroupRules?: readonly string[] | null;
  readonly deviceRequests?:
    | readonly {
        readonly driver?: string;
        readonly count?: number;
        readonly deviceIDs?: readonly string[] | null;
        readonly capabilities?: readonly (readonly string[])[] | null;
        readonly options?: Readonly<Record<string, string>> | null;
      }[]
    | null;
  readonly kernelMemoryTCP?: number;
  /** Windows only. */
  readonly cpuPercent?: number;
  readonly memoryReservation?: number;
  readonly memorySwap?: number;
  readonly memorySwappiness?: number | null;
  readonly oomKillDisable?: boolean | null;
  readonly pidsLimit?: number | null;
  readonly ulimits?: readonly { readonly name: string; readonly soft: number; readonly hard: number }[] | null;
  readonly ioMaximumIOps?: number;
  readonly ioMaximumBandwidth?: number;
}

export interface HostSettings extends ResourceSettings {
  readonly binds?: readonly string[] | null;
  readonly containerIDFile?: string;
  readonly logConfig?: { readonly type?: string; readonly config?: Readonly<Record<string, string>> | null };
  readonly networkMode?: string;
  readonly portBindings?: Readonly<
    Record<string, readonly { readonly hostIp?: string; readonly hostPort?: string }[] | null>
  > | null;
  readonly restartPolicy?: RestartPolicy;
  readonly autoRemove?: boolean;
  readonly volumeDriver?: string;
  readonly volumesFrom?: readonly string[] | null;
  readonly mounts?: readonly MountSettings[] | null;
  readonly consoleSize?: readonly number[] | null;
  readonly annotations?: Readonly<Record<string, string>> | null;
  readonly capAdd?: readonly string[] | null;
  readonly capDrop?: readonly string[] | null;
  readonly cgroupnsMode?: string;
  readonly dns?: readonly string[] | null;
  readonly dnsOptions?: readonly string[] | null;
  readonly dnsSearch?: readonly string[] | null;
  readonly extraHosts?: readonly string[] | null;
  readonly groupAdd?: readonly string[] | null;
  readonly ipcMode?: string;
  readonly cgroup?: string;
  readonly links?: readonly string[] | null;
  readonly oomScoreAdj?: number;
  readonly pidMode?: string;
  readonly privileged?: boolean;
  readonly publishAllPorts?: boolean;
  readonly readonlyRootfs?: boolean;
  readonly securityOpt?: readonly string[] | null;
  readonly storageOpt?: Readonly<Record<string, string>> | null;
  readonly tmpfs?: Readonly<Record<string, string>> | null;
  readonly utsMode?: string;
  readonly usernsMode?: string;
  /** Bytes; 0: the default of 64 MiB. */
  readonly shmSize?: number;
  readonly sysctls?: Readonly<Record<string, string>> | null;
  readonly runtime?: string;
  readonly isolation?: string;
  readonly init?: boolean | null;
  readonly maskedPaths?: readonly string[] | null;
  readonly readonlyPaths?: readonly string[] | null;
}

/** What the user asked of one network. */
export interface EndpointSettings {
  readonly ipamConfig?: {
    readonly ipv4Address?: string;
    readonly ipv6Address?: string;
    readonly linkLocalIPs?: readonly string[];
  } | null;
  readonly links?: readonly string[] | null;
  readonly aliases?: readonly string[] | null;
  readonly macAddress?: string;
  readonly driverOpts?: Readonly<Record<string, string>> | null;
  readonly gwPriority?: number;
}

/** A mount as resolved at create time and shown by inspect. */
export interface MountPoint {
  readonly type: 'bind' | 'volume' | 'tmpfs' | 'image';
  /** Volume name; for an image the reference it was asked for by. */
  readonly name?: string;
  /** Host path for binds; volumes find theirs when they are mounted. */
  readonly source: string;
  readonly destination: string;
  readonly driver?: string;
  readonly mode: string;
  readonly rw: boolean;
  readonly propagation: string;
  readonly noCopy?: boolean;
  readonly subpath?: string;
  readonly createMountpoint?: boolean;
  readonly nonRecursive?: boolean;
  /** Of a read-only bind: mounts below it are read-only too unless `never`; `always` fails where the host can not. */
  readonly recursiveReadonly?: 'always' | 'never';
  /** For `tmpfs`: mount options. */
  readonly options?: readonly string[];
  /** For `image`: what was found, and the snapshot (a view of its layers) that the container keeps of it. */
  readonly image?: { readonly id: Digest; readonly manifestDigest: Digest; readonly snapshot: string };
}

/** The part of a container that does not change while it runs (column `config`). */
export interface ContainerRecord {
  readonly id: string;
  /** Without the leading slash. */
  readonly name: string;
  readonly createdAt: Date;
  readonly image: {
    readonly id: Digest;
    readonly manifestDigest: Digest;
    readonly platform: Platform;
    /** Absent in records of versions before 0.2. */
    readonly manifest?: Descriptor;
  };
  readonly settings: ContainerSettings;
  readonly host: HostSettings;
  /** Network name or ID to what was asked of it. */
  readonly networking: Readonly<Record<string, EndpointSettings>>;
  /** It was taken off the network of its mode: only what `networking` names is connected. */
  readonly leftNetworkMode?: boolean;
  readonly mounts: readonly MountPoint[];
  readonly runtime: string;
  readonly hostnamePath: string;
  readonly logPath: string;
}

export type ContainerStatus = 'created' | 'running' | 'paused' | 'restarting' | 'removing' | 'exited' | 'dead';

export interface HealthState {
  readonly status: 'starting' | 'healthy' | 'unhealthy';
  readonly failingStreak: number;
  readonly log: readonly {
    readonly start: Date;
    readonly end: Date;
    readonly exitCode: number;
    readonly output: string;
  }[];
}

/** The part that changes (column `state`). */
export interface ContainerState {
  readonly status: ContainerStatus;
  readonly pid: number;
  readonly exitCode: number;
  readonly error: string;
  readonly oomKilled: boolean;
  readonly startedAt?: Date;
  readonly finishedAt?: Date;
  readonly restartCount: number;
  /** A user stopped or killed it: `unless-stopped` does not bring it back. */
  readonly stoppedByUser: boolean;
  readonly health?: HealthState;
  /** Its create has not come to its end: a daemon that starts and finds this takes the rest away. */
  readonly making?: boolean;
  /** What the removal under way was asked to do with anonymous volumes. */
  readonly removeVolumes?: boolean;
}

export const INITIAL_STATE: ContainerState = {
  status: 'created',
  pid: 0,
  exitCode: 0,
  error: '',
  oomKilled: false,
  restartCount: 0,
  stoppedByUser: false,
};
