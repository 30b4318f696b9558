import type { CallOptions, Clock, Logger } from '@berth/base';
import type { ContentStore } from '@berth/content';
import type { ImageService, RegistryCredential } from '@berth/images';
import type { NetworkService } from '@berth/networks';
import type { ByteStream, Digest, Platform } from '@berth/oci';
import type { HostFacts, OciRuntime, SpecResources } from '@berth/runtime';
import type { Snapshotter } from '@berth/snapshots';
import type { Collectable, Leases, NodeRef, State } from '@berth/state';
import type { CacheRecord } from './cache/build-cache.ts';
import type { BuildEvent } from './events.ts';

/**
 * Builds images from Dockerfiles straight into the engine's store and keeps the results of their steps.
 *
 *     const { imageId } = await builds.build(
 *       { context: { kind: 'tar', stream: request }, tags: ['app'] },
 *       { signal, onEvent: (event) => write(renderClassic(event)) },
 *     );
 *
 * Errors: `invalid` (Dockerfile, a step's command failed: `details.exitCode`), `notFound` (base image), `cancelled`,
 * `notImplemented`; all that belong to a line of the Dockerfile start with `Dockerfile:3: ` and have `details.file` and
 * `.line`.
 */
export interface BuildService {
  build(input: BuildInput, options?: BuildOptions): Promise<{ readonly imageId: Digest }>;
  /** Forgets step results, least recently used first, and frees what nothing else needs. */
  prune(options?: PruneOptions): Promise<{ readonly removed: readonly string[]; readonly bytes: number }>;
  usage(): readonly CacheRecord[];
  /** After a daemon start: removes what builds that were killed left behind. */
  recover(): Promise<void>;
  /** This package's part in the one mark-and-sweep. */
  readonly collectable: Collectable;
}

export interface BuildOptions extends CallOptions {
  readonly onEvent?: (event: BuildEvent) => void;
}

export interface PruneOptions extends CallOptions {
  /** Only records last used before this. */
  readonly before?: Date;
  /** Stop once the records left use no more than this, bytes. */
  readonly keepBytes?: number;
  /** Only these; full IDs. */
  readonly ids?: readonly string[];
}

export interface BuildInput {
  readonly context:
    | { readonly kind: 'tar'; readonly stream: ByteStream }
    /** A Dockerfile or an archive at a URL. */
    | { readonly kind: 'remote'; readonly url: string };
  /** Within the context; default `Dockerfile`. */
  readonly dockerfilePath?: string;
  readonly tags?: readonly string[];
  readonly buildArgs?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly target?: string;
  readonly noCache?: boolean;
  /** Ask the registry for base images even when they are stored. */
  readonly pull?: boolean;
  readonly platform?: Platform;
  /** `default`, `none`, `host`, `container:<id>` or a network. */
  readonly networkMode?: string;
  /** `host:address`. */
  readonly extraHosts?: readonly string[];
  /** Bytes. */
  readonly shmSize?: number;
  /** Limits of every RUN step. */
  readonly resources?: SpecResources;
  readonly ulimits?: readonly { readonly name: string; readonly soft: number; readonly hard: number }[];
  readonly cgroupParent?: string;
  readonly squash?: boolean;
  /** Accepted; the store's own step results are looked at in any case. */
  readonly cacheFrom?: readonly string[];
  /** Accepted: containers of steps are always removed. */
  readonly remove?: boolean;
  readonly forceRemove?: boolean;
  /** Registry credentials by host. */
  readonly credentials?: Readonly<Record<string, RegistryCredential>>;
}

export interface BuildServiceDeps {
  readonly state: State;
  readonly leases: Leases;
  readonly content: ContentStore;
  readonly snapshotter: Snapshotter;
  readonly images: ImageService;
  readonly runtime: OciRuntime;
  readonly networks: NetworkService;
  readonly host: HostFacts;
  /** Gunzips, unzstds, unxzs or un-bzips whatever the first bytes say; passes plain bytes on. */
  readonly decompress: (source: ByteStream, options?: CallOptions) => ByteStream;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Directory of the data root that this service alone uses. */
  readonly workRoot: string;
  /** Where the cgroups of steps go, e.g. `/berth`. */
  readonly cgroupParent: string;
  /** Frees those of the candidates that nothing needs any more. */
  readonly collect?: (candidates: readonly NodeRef[]) => Promise<{ readonly bytes: number }>;
  /** Steps run at the same time; default 4. */
  readonly concurrency?: number;
}
