import { KeyedLock } from '@berth/base';
import { type Digest, hostPlatform, type Platform } from '@berth/oci';
import { DEFAULT_LIMITS, type ImageLimits, type ImageServiceDeps } from './deps.ts';
import { createDocuments, type Documents } from './documents.ts';
import type { TransferEvent } from './image-service.ts';
import { LeastRecent } from './least-recent.ts';
import { Limiter } from './limiter.ts';
import type { KnownSummary } from './list.ts';
import { PendingLayers } from './pending-layers.ts';
import { ImageRecords } from './records.ts';
import { SharedWork } from './shared-work.ts';

/** What every verb gets: the dependencies and the state that verbs share. */
export interface ImageContext extends Omit<ImageServiceDeps, 'limits' | 'hostPlatform' | 'collect' | 'referrers'> {
  readonly collect: NonNullable<ImageServiceDeps['collect']>;
  readonly limits: ImageLimits;
  readonly hostPlatform: Platform;
  readonly referrers: boolean;
  readonly records: ImageRecords;
  readonly documents: Documents;
  /** Held per image digest while its names change or it is removed. */
  readonly locks: KeyedLock;
  readonly downloadSlots: Limiter;
  readonly pendingLayers: PendingLayers;
  /** Labels by image, for events. */
  readonly labels: LeastRecent<Readonly<Record<string, string>>>;
  /** What a list says of an image, as of a generation of the stores. */
  readonly summaries: LeastRecent<KnownSummary>;
  /** IDs of the leases that work of this process holds. */
  readonly ownLeases: Set<string>;
  /** Blobs being fetched, by digest. */
  readonly downloads: SharedWork<void, TransferEvent>;
  /** Snapshots being made, by chain ID. */
  readonly unpacks: SharedWork<Digest, TransferEvent>;
}

export function createContext(deps: ImageServiceDeps): Omit<ImageContext, 'collect'> {
  const limits = { ...DEFAULT_LIMITS, ...deps.limits };
  return {
    ...deps,
    limits,
    hostPlatform: deps.hostPlatform ?? hostPlatform(),
    referrers: deps.referrers ?? false,
    records: new ImageRecords(deps.state, deps.clock),
    documents: createDocuments(deps.content, limits),
    locks: new KeyedLock(),
    downloadSlots: new Limiter(limits.maxConcurrentDownloads),
    pendingLayers: new PendingLayers(),
    labels: new LeastRecent(2048),
    summaries: new LeastRecent(8192),
    ownLeases: new Set(),
    downloads: new SharedWork(),
    unpacks: new SharedWork(),
  };
}
