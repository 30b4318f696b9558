import type { CallOptions } from '@berth/base';

/**
 * Where named volumes keep their data. `mount` is counted per consumer (a container ID): a volume in use cannot be
 * removed, and the last `unmount` undoes what the first `mount` did.
 *
 * Errors: `notFound` (`get <name>: no such volume`), `conflict` (in use), `invalid` (name or option).
 */
export interface VolumeDriver {
  readonly name: string;
  /** `global`: the same volumes on every host. Default `local`. */
  readonly scope?: 'local' | 'global';
  /** A volume the driver has, whoever made it; only drivers that others use too have this. */
  find?(name: string): Promise<FoundVolume | undefined>;
  create(name: string, options: Readonly<Record<string, string>>, call?: CallOptions): Promise<void>;
  /** Host path of the data; '' for one that shows only when the volume is mounted. */
  path(name: string): string;
  mount(name: string, consumer: string, call?: CallOptions): Promise<string>;
  unmount(name: string, consumer: string): Promise<void>;
  list(): Promise<readonly string[]>;
  /** The same with what else is known of them; only drivers that others use too have this. */
  listFound?(): Promise<readonly ListedVolume[]>;
  /** Undoes mounts that no consumer of this process has: those of a former one. */
  unmountUnused?(): Promise<void>;
  remove(name: string): Promise<void>;
}

export interface FoundVolume {
  /** '' when it is not mounted. */
  readonly mountpoint: string;
  readonly status?: Readonly<Record<string, unknown>>;
  readonly createdAt?: Date;
}

export interface ListedVolume extends FoundVolume {
  readonly name: string;
}

export interface VolumeRecord {
  readonly name: string;
  readonly driver: string;
  readonly mountpoint: string;
  readonly createdAt: Date;
  /** Default `local`. */
  readonly scope?: 'local' | 'global';
  readonly labels: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
  /** Made for a container without a name being given; removed with it by `rm -v` and `--rm`. */
  readonly anonymous: boolean;
}

/** Named volumes over any number of drivers: records, reference counts, events. */
export interface VolumeService {
  create(input: {
    readonly name?: string;
    readonly driver?: string;
    readonly options?: Readonly<Record<string, string>>;
    readonly labels?: Readonly<Record<string, string>>;
    readonly anonymous?: boolean;
  }): Promise<VolumeRecord>;
  get(name: string): VolumeRecord;
  /** The same with what its driver says of it now. */
  inspect(name: string): Promise<VolumeRecord & { readonly status?: Readonly<Record<string, unknown>> }>;
  list(): readonly VolumeRecord[];
  /** With those that plugins have besides, whoever made them; takes two seconds at most. Never throws. */
  listAll(): Promise<{ readonly volumes: readonly VolumeRecord[]; readonly warnings: readonly string[] }>;
  /** Names of drivers in use, `local` among them. */
  drivers(): readonly string[];
  /** IDs of containers that refer to the volume, running or not. */
  users(name: string): readonly string[];
  /** Records that a container refers to the volume (from container create to remove). */
  reference(name: string, containerId: string): void;
  unreference(name: string, containerId: string): void;
  mount(name: string, containerId: string): Promise<string>;
  unmount(name: string, containerId: string): Promise<void>;
  /**
   * Fills a volume that is empty: `copy` gets its path. While it runs the volume is marked, so that a daemon that is
   * killed meanwhile leaves no half of it behind (see `discardHalfFilled`). One at a time for each volume.
   */
  fill(name: string, consumer: string, copy: (path: string) => Promise<void>): Promise<void>;
  /**
   * After a daemon start: empties volumes that were being filled, so that the next container fills them anew. One that
   * a container `isInUse` by has runs on with what is there.
   */
  discardHalfFilled(isInUse: (containerId: string) => boolean): Promise<readonly string[]>;
  /** After a daemon start, once running containers have mounted theirs again: undoes mounts of ones that ended meanwhile. */
  unmountUnused(): Promise<void>;
  remove(name: string, options?: { readonly force?: boolean }): Promise<void>;
  prune(
    matches: (volume: VolumeRecord) => boolean,
  ): Promise<{ readonly names: readonly string[]; readonly bytes: number }>;
  /** Bytes on disk, as du counts; 0 for what a plugin keeps elsewhere. */
  usage(name: string): Promise<number>;
  /** After a daemon start: finishes creations and removals that the last one began. */
  recover(): Promise<void>;
}
