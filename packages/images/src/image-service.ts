import type { CallOptions } from '@berth/base';
import type { ByteStream, Descriptor, Digest, ImageConfigDocument, ImageRunConfig, Platform } from '@berth/oci';
import type { RegistryCredential } from '@berth/registry-client';

/**
 * Images by name: what the Engine API, the builder and the container service use. One file a verb behind it.
 *
 * An image's ID is the digest of what its name points at: a manifest, or an index when it was pulled as one (as
 * dockerd with the containerd image store). Names a user gives may be a reference (`busybox`, `host:5000/a/b:tag`), a
 * digest reference (`busybox@sha256:...`), an ID with or without `sha256:`, or a unique prefix of one.
 *
 * Errors: `notFound` with docker's text `No such image: <name>`, `invalid` (reference format), `conflict`, and those of
 * the registry client.
 */
export interface ImageService {
  /** Finds an image and the manifest for a platform (default: the host's, else the only one there is). */
  resolve(name: string, options?: CallOptions & { readonly platform?: Platform }): Promise<ResolvedImage>;
  /** Makes sure the image's layers are committed snapshots; returns the top one's key (chain ID), undefined for an image without layers. */
  unpack(image: ResolvedImage, options?: CallOptions): Promise<string | undefined>;

  pull(reference: string, options: PullOptions): Promise<PullResult>;
  /** Every tag of a repository, one after the other; `repository` has neither tag nor digest. */
  pullAll(repository: string, options: PullOptions): Promise<readonly PullResult[]>;
  push(reference: string, options: PushOptions): Promise<PushResult>;
  /** Every tag that is here of a repository; `notFound` when there is none. */
  pushAll(repository: string, options: PushOptions): Promise<readonly PushResult[]>;
  /** Reads a docker-archive or OCI layout tar (plain or compressed). Returns one line per loaded name. */
  load(
    archive: ByteStream,
    options?: CallOptions & {
      readonly platforms?: readonly Platform[];
      readonly onProgress?: (event: TransferEvent) => void;
    },
  ): Promise<readonly LoadedImage[]>;
  /** One tar that is both an OCI layout and a docker-archive. */
  save(
    names: readonly string[],
    options?: CallOptions & { readonly platforms?: readonly Platform[]; readonly referrers?: boolean },
  ): Promise<ByteStream>;
  /** A root file system archive becomes a one-layer image. */
  import(archive: ByteStream, options: ImportOptions): Promise<ImageHandle>;
  tag(source: string, target: string): Promise<void>;
  remove(name: string, options?: RemoveOptions): Promise<readonly RemovedItem[]>;
  prune(
    options: CallOptions & { readonly dangling: boolean; readonly matches?: (image: ImageSummary) => boolean },
  ): Promise<{ readonly removed: readonly RemovedItem[]; readonly bytes: number }>;
  /** Removes images that nothing uses, longest unused first, until enough is freed; says what went, or would go. */
  evict(options: EvictOptions & CallOptions): Promise<readonly EvictedImage[]>;
  list(options?: ListOptions): Promise<readonly ImageSummary[]>;
  /** One image of the list, with the time of its last tag. */
  summary(name: string, options?: CallOptions): Promise<ImageSummary>;
  /**
   * Every manifest of an image's index, also those that were not pulled; of an image without an index its only one. What
   * is stored about them comes last, as `unknown`.
   */
  manifests(name: string, options?: CallOptions): Promise<readonly ManifestSummary[]>;
  /** Signatures, bills of materials and such that are stored with an image. */
  referrers(name: string, options?: CallOptions): Promise<readonly ReferrerSummary[]>;
  history(name: string, options?: CallOptions & { readonly platform?: Platform }): Promise<readonly HistoryEntry[]>;

  /**
   * Stores a new image made of existing layers: writes config and manifest, names it. The content of every layer must
   * be in the store already (see `writeLayer`). Used by commit, import and the builder.
   */
  create(input: CreateImage, options?: CallOptions): Promise<ImageHandle>;
  /** Points a name (already normalized or familiar form) at a stored image, un-naming what it pointed at before. */
  assignName(name: string, target: Descriptor): void;
  /**
   * Turns an active snapshot's changes into a layer blob; with `commit` the snapshot also becomes the committed
   * snapshot of that layer's chain ID, so nothing has to be unpacked again.
   */
  writeLayer(
    snapshotKey: string,
    options: CallOptions & { readonly parentChainId?: Digest; readonly commit: boolean },
  ): Promise<WrittenLayer>;
}

export interface ResolvedImage {
  /** `sha256:...` of the target. */
  readonly id: Digest;
  readonly target: Descriptor;
  readonly manifest: Descriptor;
  readonly config: ImageConfigDocument;
  readonly configDescriptor: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly diffIds: readonly Digest[];
  /** Chain ID per layer, same order. */
  readonly chainIds: readonly Digest[];
  readonly platform: Platform;
  /** Familiar names (`busybox:latest`), without digests. */
  readonly repoTags: readonly string[];
  /** `busybox@sha256:...`. */
  readonly repoDigests: readonly string[];
}

export type { ConfigHistory, HealthConfig, ImageConfigDocument, ImageRunConfig } from '@berth/oci';

export type { RegistryCredential } from '@berth/registry-client';

/** Typed progress; engine-server renders docker's JSON stream from it, the CLI its bars. */
export type TransferEvent =
  | { readonly type: 'message'; readonly id?: string; readonly text: string }
  | {
      readonly type: 'layer';
      readonly digest: Digest;
      readonly phase:
        | 'waiting'
        | 'exists'
        | 'downloading'
        | 'verifying'
        | 'downloaded'
        | 'extracting'
        | 'complete'
        | 'preparing'
        | 'pushing'
        | 'pushed'
        | 'mounted'
        | 'retrying';
      /** Bytes so far and in all, where the phase has them. */
      readonly current?: number;
      readonly total?: number;
      /** Source repository for `mounted`; reason for `retrying`. */
      readonly note?: string;
    };

export interface PullOptions extends CallOptions {
  readonly platform?: Platform;
  readonly credential?: RegistryCredential;
  /** Whether signatures and other referrers travel along; default as the service was made. */
  readonly referrers?: boolean;
  readonly onProgress?: (event: TransferEvent) => void;
}

export interface PullResult {
  readonly reference: string;
  readonly target: Descriptor;
  /** False when the name pointed at this digest already. */
  readonly changed: boolean;
}

export type PushOptions = PullOptions;
export interface PushResult {
  readonly tag: string;
  readonly digest: Digest;
  readonly size: number;
}

export interface LoadedImage {
  readonly id: Digest;
  /** Undefined: the archive gave no name. */
  readonly name?: string;
}

export interface ImportOptions extends CallOptions {
  readonly reference?: string;
  readonly message?: string;
  readonly platform?: Platform;
  readonly config?: ImageRunConfig;
}

export interface ImageHandle {
  readonly id: Digest;
  readonly target: Descriptor;
}

export interface WrittenLayer {
  /** Undefined when the snapshot has no changes. */
  readonly layer?: { readonly descriptor: Descriptor; readonly diffId: Digest; readonly chainId: Digest };
}

export interface CreateImage {
  readonly config: ImageConfigDocument;
  /** Same order as `config.rootfs.diff_ids`. */
  readonly layers: readonly Descriptor[];
  readonly names?: readonly string[];
  /** Image this one was made from, for `docker history` and inspect's Parent. */
  readonly parent?: Digest;
  /** `oci` (default) or `docker`: media types of the manifest written. */
  readonly format?: 'oci' | 'docker';
}

export interface RemoveOptions extends CallOptions {
  readonly force?: boolean;
  readonly noPrune?: boolean;
  /** Only what is stored for these platforms goes; the image keeps its names and its other platforms. */
  readonly platforms?: readonly Platform[];
}

export interface EvictOptions {
  /** Stop once this much is freed. */
  readonly bytes: number;
  /** Spare what was made, named, pulled or run since. */
  readonly unusedSince?: Date;
  /** Only say what would go. */
  readonly dryRun?: boolean;
}

export interface EvictedImage {
  readonly id: Digest;
  readonly names: readonly string[];
  readonly usedAt: Date;
  readonly bytes: number;
}

export type RemovedItem = { readonly untagged: string } | { readonly deleted: string };

export interface ListOptions extends CallOptions {
  /** Include intermediate images without a name. */
  readonly all?: boolean;
  readonly filters?: Readonly<Record<string, readonly string[]>>;
  readonly sharedSize?: boolean;
}

export interface ImageSummary {
  readonly id: Digest;
  readonly repoTags: readonly string[];
  readonly repoDigests: readonly string[];
  readonly parentId: string;
  readonly createdAt: Date;
  /** Bytes: unpacked layers and content. */
  readonly size: number;
  /** Bytes shared with other images; -1 when not asked for. */
  readonly sharedSize: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly containers: number;
  readonly target: Descriptor;
  readonly lastTagged?: Date;
}

/** One manifest of an image. Bytes: `content` of its stored blobs, `unpacked` of its layers' trees. */
export interface ManifestSummary {
  readonly descriptor: Descriptor;
  /** Whether every blob of it is stored. */
  readonly available: boolean;
  readonly kind: 'image' | 'attestation' | 'unknown';
  readonly content: number;
  readonly unpacked: number;
  /** Of an image. */
  readonly platform?: Platform;
  /** Of an attestation: the manifest it is about. */
  readonly about?: Digest;
  /** IDs of containers made from it. */
  readonly containers: readonly string[];
}

/** A manifest about another one. */
export interface ReferrerSummary {
  readonly subject: Digest;
  /** With the artifact type and the annotations that it gives itself. */
  readonly descriptor: Descriptor;
  /** Bytes of its stored blobs, its manifest among them. */
  readonly content: number;
  /** cosign's (`sig`, `att`, `sbom`), of one that is found by a tag; others name their subject. */
  readonly suffix?: string;
}

export interface HistoryEntry {
  readonly id: string;
  readonly createdAt: Date;
  readonly createdBy: string;
  readonly tags: readonly string[];
  readonly size: number;
  readonly comment: string;
}
