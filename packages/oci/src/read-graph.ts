import { type CallOptions, invalid, tooLarge } from '@berth/base';
import { decodeManifest, MAX_MANIFEST_SIZE } from './decode-manifest.ts';
import type { Descriptor } from './descriptor.ts';
import { type Digest, verifyBytes } from './digest.ts';
import { childrenOf, type Manifest } from './manifest.ts';
import { isManifestType, isSchema1Type } from './media-types.ts';
import { readAll } from './streams.ts';
import { type Fetcher, isReferrerLister } from './target.ts';

const MAX_DEPTH = 8;
const MAX_NODES = 20_000;
const MAX_BYTES = 64 * 1024 * 1024;

/** A manifest of the graph, verified against its digest. */
export interface GraphNode {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
  readonly manifest: Manifest;
}

/** Everything a descriptor refers to, each digest once. */
export interface Graph {
  /** Children before parents. */
  readonly manifests: readonly GraphNode[];
  /** Configurations and layers, in the order in which manifests name them. */
  readonly blobs: readonly Descriptor[];
}

export interface ReadGraphOptions extends CallOptions {
  /** Which entries of an index to follow; default all. */
  readonly platformFilter?: (entry: Descriptor) => boolean;
  /** True for a manifest whose subtree need not be read (it is complete at the destination). */
  readonly prune?: (manifest: Descriptor) => Promise<boolean>;
  /** Also follow manifests whose `subject` is in the graph, where the source lists them. */
  readonly includeReferrers?: boolean;
}

interface Walk {
  readonly from: Fetcher;
  readonly options: ReadGraphOptions;
  readonly manifests: Map<Digest, GraphNode>;
  readonly blobs: Map<Digest, Descriptor>;
  readonly seen: Set<Digest>;
  bytes: number;
}

/** Fetches one manifest, bounded and verified. Throws `tooLarge`, `dataLoss`, `invalid` and what the source throws. */
export async function readManifest(
  from: Fetcher,
  descriptor: Descriptor,
  options: CallOptions = {},
): Promise<GraphNode> {
  if (descriptor.size > MAX_MANIFEST_SIZE)
    throw tooLarge(`manifest ${descriptor.digest} has ${descriptor.size} bytes, at most ${MAX_MANIFEST_SIZE} are read`);
  const bytes = await readAll(await from.fetch(descriptor, options), MAX_MANIFEST_SIZE, options);
  verifyBytes(bytes, descriptor);
  return { descriptor, bytes, manifest: decodeManifest(bytes, descriptor.mediaType) };
}

const childrenToFollow = (node: GraphNode, options: ReadGraphOptions): readonly Descriptor[] => {
  const children = childrenOf(node.manifest);
  const { platformFilter } = options;
  return node.manifest.kind === 'index' && platformFilter !== undefined ? children.filter(platformFilter) : children;
};

const addBlob = (walk: Walk, descriptor: Descriptor): void => {
  const known = walk.blobs.get(descriptor.digest);
  if (known !== undefined && known.size !== descriptor.size)
    throw invalid(`${descriptor.digest} is named with ${known.size} and with ${descriptor.size} bytes`);
  if (known === undefined) walk.blobs.set(descriptor.digest, descriptor);
};

const visit = async (walk: Walk, descriptor: Descriptor, ancestors: readonly Digest[]): Promise<void> => {
  if (ancestors.includes(descriptor.digest)) throw invalid(`manifest ${descriptor.digest} refers to itself`);
  if (ancestors.length >= MAX_DEPTH) throw tooLarge(`manifests nested deeper than ${MAX_DEPTH} levels`);
  if (walk.seen.has(descriptor.digest)) return;
  walk.seen.add(descriptor.digest);
  if (walk.seen.size + walk.blobs.size > MAX_NODES) throw tooLarge(`image refers to more than ${MAX_NODES} objects`);
  if (await walk.options.prune?.(descriptor)) return;
  const node = await readManifest(walk.from, descriptor, walk.options);
  walk.bytes += node.bytes.byteLength;
  if (walk.bytes > MAX_BYTES) throw tooLarge(`image has more than ${MAX_BYTES} bytes of manifests`);
  const path = [...ancestors, descriptor.digest];
  for (const child of childrenToFollow(node, walk.options)) {
    if (node.manifest.kind === 'index' && (isManifestType(child.mediaType) || isSchema1Type(child.mediaType)))
      await visit(walk, child, path);
    else addBlob(walk, child);
  }
  walk.manifests.set(descriptor.digest, node);
  await visitReferrers(walk, descriptor, path);
};

const visitReferrers = async (walk: Walk, subject: Descriptor, path: readonly Digest[]): Promise<void> => {
  if (walk.options.includeReferrers !== true || !isReferrerLister(walk.from)) return;
  for (const referrer of await walk.from.referrers(subject, walk.options)) await visit(walk, referrer, path);
};

/**
 * Reads all manifests below `root` (which may itself be a plain blob). Depth, number and bytes are bounded; circular
 * references are refused with `invalid`.
 */
export async function readGraph(from: Fetcher, root: Descriptor, options: ReadGraphOptions = {}): Promise<Graph> {
  const walk: Walk = { from, options, manifests: new Map(), blobs: new Map(), seen: new Set(), bytes: 0 };
  if (isManifestType(root.mediaType) || isSchema1Type(root.mediaType)) await visit(walk, root, []);
  else addBlob(walk, root);
  return { manifests: [...walk.manifests.values()], blobs: [...walk.blobs.values()] };
}
