import type { Clock, EmitEvent, KeyedLock, Logger, SingleFlight } from '@berth/base';
import type { ImageService } from '@berth/images';
import type { CgroupLayout, ResourceSupport } from '@berth/linux';
import type { LogHost, LogRotator } from '@berth/logs';
import type { NetworkService } from '@berth/networks';
import type { HostFacts, Monitor, OciRuntime, Task } from '@berth/runtime';
import type { Snapshotter } from '@berth/snapshots';
import type { State } from '@berth/state';
import type { VolumeService } from '@berth/volumes';
import type { Container } from './container.ts';
import type { ExecRegistry } from './exec.ts';
import type { ContainerStore } from './store.ts';
import type { HostSettings } from './types.ts';

/** What the daemon hands to the container service. */
export interface ContainerServiceInput {
  readonly state: State;
  readonly images: ImageService;
  readonly snapshotter: Snapshotter;
  readonly networks: NetworkService;
  readonly volumes: VolumeService;
  readonly monitor: Monitor;
  readonly runtimes: RuntimeRegistry;
  readonly host: HostFacts;
  readonly cgroups: CgroupLayout;
  readonly emit: EmitEvent;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly paths: ContainerPaths;
  readonly defaults: ContainerDefaults;
}

export interface RuntimeRegistry {
  readonly defaultName: string;
  /** Undefined for a name that was not configured. */
  get(name: string): OciRuntime | undefined;
}

export interface ContainerPaths {
  /** `<data-root>` and `<exec-root>` themselves. */
  readonly roots: { readonly data: string; readonly exec: string };
  /** `<data-root>/containers` */
  readonly containers: string;
  /** `<exec-root>/rootfs`: where root file systems are mounted. */
  readonly mounts: string;
  /** `<exec-root>/shared`: mounts that containers get a share of (shared memory, other images). */
  readonly shared: string;
  /** Static init put in front of the command by `--init`; undefined when the host has none. */
  readonly init: string | undefined;
}

/** The daemon's settings for containers that do not say otherwise. */
export interface ContainerDefaults {
  readonly logDriver: string;
  readonly logOptions: Readonly<Record<string, string>>;
  readonly logHost: LogHost;
  readonly cgroupParent: string;
  readonly init: boolean;
  readonly shmSize: number;
  /** Of containers that name none: `private` or `shareable`. */
  readonly ipcMode: string;
  /** `private` or `host`, of containers that name none; undefined: `private` on cgroup v2, else `host`. */
  readonly cgroupnsMode: string | undefined;
  readonly ulimits: NonNullable<HostSettings['ulimits']>;
}

/** The service's own working set: its input plus what it builds from it. */
export interface ContainerDeps extends ContainerServiceInput {
  readonly store: ContainerStore;
  /** Which limits the host can hold. */
  readonly support: ResourceSupport;
  readonly execs: ExecRegistry;
  readonly lock: KeyedLock;
  /** Work that goes on behind a finished call (exits, restarts); awaited at shutdown. */
  readonly background: BackgroundTasks;
  readonly rotator: LogRotator;
  readonly initLayers: SingleFlight<string>;
  /** Follows a running task to its end; what then happens may start the container anew. */
  readonly watchExit: (container: Container, task: Task) => void;
  /** Called after each probe that finds a container unhealthy, for as long as `signal` has not fired. */
  readonly restartUnhealthy: (container: Container, signal: AbortSignal) => void;
}

export interface BackgroundTasks {
  run(what: string, work: () => Promise<void>): void;
  settled(): Promise<void>;
  readonly stopping: AbortSignal;
}
