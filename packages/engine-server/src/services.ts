import type { CallOptions, Clock, EngineEvent, Logger } from '@berth/base';
import type { BuildService } from '@berth/builder';
import type { ContainerService } from '@berth/containers';
import type { BerthInfo, FsckReport, SystemInfo } from '@berth/engine-api';
import type { EvictedImage, ImageService, RegistryCredential } from '@berth/images';
import type { NetworkService } from '@berth/networks';
import type { Descriptor, Platform } from '@berth/oci';
import type { VolumeService } from '@berth/volumes';

/** All that the routes call. The daemon puts it together. */
export interface EngineServices {
  readonly images: ImageService;
  readonly containers: ContainerService;
  readonly networks: NetworkService;
  readonly volumes: VolumeService;
  readonly builds: BuildService;
  readonly events: EventLog;
  readonly system: SystemService;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Events as they happen, and those of the past. */
export interface EventLog {
  subscribe(listener: (event: EngineEvent) => void): Disposable;
  /** Journalled events between two times, nanoseconds since the epoch. */
  history(since: bigint, until: bigint): Iterable<EngineEvent>;
}

/** What the daemon knows of itself and its host. */
export interface SystemService {
  readonly version: string;
  readonly gitCommit: string;
  readonly buildTime: string;
  readonly components: readonly {
    readonly name: string;
    readonly version: string;
    readonly details?: Readonly<Record<string, string>>;
  }[];
  readonly experimental: boolean;
  /** Everything of /info but what is counted from the services. */
  info(): Promise<
    Omit<
      SystemInfo,
      'Containers' | 'ContainersRunning' | 'ContainersPaused' | 'ContainersStopped' | 'Images' | 'SystemTime'
    >
  >;
  berth(): Promise<BerthInfo>;
  fsck(options: CallOptions & { readonly verifyDigests: boolean }): Promise<FsckReport>;
  /** Makes room among unused images, or only says which would go. */
  gc(options: CallOptions & { readonly remove: boolean }): Promise<readonly EvictedImage[]>;
  /** Bytes of unpacked layers and of blobs. */
  layersSize(): Promise<number>;
  /** Asks a registry what a name points at, with its platforms. */
  distribution(
    reference: string,
    options: CallOptions & { readonly credential?: RegistryCredential },
  ): Promise<{ readonly descriptor: Descriptor; readonly platforms: readonly Platform[] }>;
  /** Asks Docker Hub, or the host that the term begins with, for repositories. */
  search(
    term: string,
    options: CallOptions & {
      readonly credential?: RegistryCredential;
      readonly limit?: number | undefined;
      readonly headers?: Readonly<Record<string, string>>;
    },
  ): Promise<
    readonly {
      readonly name: string;
      readonly description: string;
      readonly stars: number;
      readonly official: boolean;
    }[]
  >;
  /** Checks credentials against a registry; returns the status sentence. */
  login(
    server: string,
    credential: RegistryCredential,
    options?: CallOptions,
  ): Promise<{ readonly status: string; readonly identityToken?: string }>;
}
