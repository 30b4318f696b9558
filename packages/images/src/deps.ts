import type { CallOptions, Clock, EmitEvent, Logger } from '@berth/base';
import type { ContentStore, FollowedFile } from '@berth/content';
import type { ByteStream, CrossMounter, Digest, Platform, Reference, Target } from '@berth/oci';
import type { StoredSnapshotter } from '@berth/snapshots';
import type { Collected, Leases, NodeRef, State } from '@berth/state';
import type { RegistryCredential } from './image-service.ts';

/** What the image service is made of; the daemon constructs and passes all of it. */
export interface ImageServiceDeps {
  readonly state: State;
  readonly content: ContentStore;
  readonly snapshotter: StoredSnapshotter;
  readonly registry: RepositoryOpener;
  readonly layerTools: LayerTools;
  readonly emit: EmitEvent;
  /** Containers made from the image with this ID. */
  readonly inUse: (imageId: Digest) => readonly ImageUser[];
  readonly leases: Leases;
  /**
   * Runs one mark-and-sweep over all packages' collectables; the daemon composes it and lets no two run at once.
   * With `among` only those objects and what they refer to may be removed. Without it the service sweeps with its own
   * collectables only, which is right where there is no builder.
   */
  readonly collect?: (among?: readonly NodeRef[]) => Promise<Pick<Collected, 'bytes'>>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Existing directory for short-lived mounts. */
  readonly mountRoot: string;
  /** What `resolve` and `pull` choose without `platform`; default: this machine's. */
  readonly hostPlatform?: Platform;
  readonly limits?: Partial<ImageLimits>;
  /** Whether signatures and other referrers travel with images when a call does not say; default false. */
  readonly referrers?: boolean;
}

export interface ImageLimits {
  /** Layers fetched at once, over all pulls. Default 3. */
  readonly maxConcurrentDownloads: number;
  /** Layers sent at once per push. Default 5. */
  readonly maxConcurrentUploads: number;
  /** Bytes of one manifest, index or configuration. Default 8 MiB. */
  readonly maxDocumentBytes: number;
  /** Layers of one image. Default 512. */
  readonly maxLayers: number;
  /** Entries of one index. Default 1024. */
  readonly maxIndexEntries: number;
  /** Files of a loaded archive. Default 20,000. */
  readonly maxArchiveFiles: number;
}

export const DEFAULT_LIMITS: ImageLimits = {
  maxConcurrentDownloads: 3,
  maxConcurrentUploads: 5,
  maxDocumentBytes: 8 * 1024 * 1024,
  maxLayers: 512,
  maxIndexEntries: 1024,
  maxArchiveFiles: 20_000,
};

export interface ImageUser {
  readonly id: string;
  readonly running: boolean;
  /** What it was made from, as its maker wrote it. */
  readonly name?: string | undefined;
  /** What it runs, of an image for several platforms; undefined when it only mounts the image. */
  readonly manifest?: Digest | undefined;
}

/** The part of `@berth/registry-client`'s `RegistryClient` that the service uses. */
export interface RepositoryOpener {
  repository(
    reference: Reference,
    options?: { readonly credential?: RegistryCredential },
  ): Target & Partial<CrossMounter> & Partial<TagLister>;
}

/** A repository that can say which tags it has. */
export interface TagLister {
  tags(options?: CallOptions): Promise<readonly string[]>;
}

/** Where a layer's bytes are: in a file, or in one that they arrive in. */
export type LayerSource = { readonly path: string } | FollowedFile;

export interface LayerTarget {
  readonly directory: string;
  /** `overlay`: a directory of the layer's own, with overlay's whiteouts; `merge`: onto the tree of the layers below. */
  readonly mode: 'overlay' | 'merge';
  /** Directories of the layers below, nearest first, for hard links to their files. */
  readonly lowerPaths?: readonly string[];
}

/** What to make a layer of: the upper directory of an overlay, or a tree against another. */
export type LayerChanges =
  | { readonly type: 'overlay'; readonly upper: string; readonly lowers: readonly string[] }
  | { readonly type: 'trees'; readonly upper: string; readonly lower: string | undefined };

/** A layer archive in a file. */
export interface LayerFile {
  /** Digest of the uncompressed archive. */
  readonly diffId: Digest;
  /** Digest and length of the file. */
  readonly digest: Digest;
  readonly size: number;
  readonly compression: 'none' | 'gzip';
}

/** What the service needs of `@berth/archive`; `createLayerTools` makes one. */
export interface LayerTools {
  /** Unpacks one layer, compressed or not, and returns the digest of its uncompressed bytes. */
  apply(source: LayerSource, target: LayerTarget, options?: CallOptions): Promise<{ readonly diffId: Digest }>;
  /** False when a look at the top directory tells that nothing changed. */
  mayDiffer(change: LayerChanges): boolean;
  /**
   * Writes the layer archive of what changed into the empty file `descriptor`, gzipped when that is quick and pays.
   * Undefined when nothing differs. A long one does not hold up this thread.
   */
  write(change: LayerChanges, descriptor: number, options?: CallOptions): Promise<LayerFile | undefined>;
  /** Gunzips, unzstds, unxzs or un-bzips whatever the first bytes say; passes plain bytes on. */
  decompress(source: ByteStream, options?: CallOptions): ByteStream;
  /** A fast gzip (several hundred MB/s) when the machine has one. */
  readonly compress?: (source: ByteStream, options?: CallOptions) => ByteStream;
}
