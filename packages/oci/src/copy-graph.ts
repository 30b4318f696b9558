import { anySignal, type CallOptions, throwIfAborted } from '@berth/base';
import type { Descriptor } from './descriptor.ts';
import type { Digest } from './digest.ts';
import { isForeignLayerType } from './media-types.ts';
import { type Graph, type ReadGraphOptions, readGraph } from './read-graph.ts';
import { streamOf } from './streams.ts';
import { type ByteStream, type Fetcher, isCrossMounter, isFetcher, isResumablePusher, type Pusher } from './target.ts';

export type CopyPhase = 'waiting' | 'exists' | 'copying' | 'copied' | 'mounted' | 'skipped';

/** Progress of one blob or manifest. `current` and total (`descriptor.size`) are bytes. */
export interface CopyEvent {
  readonly phase: CopyPhase;
  readonly descriptor: Descriptor;
  /** Bytes sent so far, those kept from an interrupted transfer included. */
  readonly current: number;
  /** Repository a `mounted` blob came from. */
  readonly note?: string;
}

export interface CopyOptions extends CallOptions {
  /** Blobs under way at once, default 3. */
  readonly concurrency?: number;
  readonly onProgress?: (event: CopyEvent) => void;
  /** Which entries of an index to follow; default all. */
  readonly platformFilter?: (entry: Descriptor) => boolean;
  /** Ask the destination first and send only what it lacks; default true. */
  readonly skipExisting?: boolean;
  /**
   * A manifest that the destination has is complete there, so nothing below it is looked at. True for registries
   * (they refuse a manifest whose children they lack); default false.
   */
  readonly trustExistingManifests?: boolean;
  /** Repository on the destination's registry that may have this blob, for a cross-repository mount. */
  readonly mount?: (descriptor: Descriptor) => string | undefined;
  readonly includeReferrers?: boolean;
  /** Layers that must not be redistributed: left out (default) or copied like any other. */
  readonly foreignLayers?: 'skip' | 'copy';
}

interface Job {
  readonly from: Fetcher;
  readonly to: Pusher;
  readonly options: CopyOptions;
  readonly signal: AbortSignal;
}

const report = (job: Job, phase: CopyPhase, descriptor: Descriptor, current: number, note?: string): void =>
  job.options.onProgress?.({ phase, descriptor, current, ...(note === undefined ? {} : { note }) });

async function* counted(job: Job, descriptor: Descriptor, offset: number, body: ByteStream): ByteStream {
  let current = offset;
  for await (const chunk of body) {
    throwIfAborted(job.signal);
    current += chunk.byteLength;
    yield chunk;
    report(job, 'copying', descriptor, current);
  }
}

const send = async (job: Job, descriptor: Descriptor): Promise<void> => {
  const { from, to, signal } = job;
  const open = async (offset: number): Promise<ByteStream> => {
    report(job, 'copying', descriptor, offset);
    if (offset === descriptor.size && offset > 0) return streamOf(new Uint8Array());
    const range = offset > 0 ? { range: { start: offset } } : {};
    return counted(job, descriptor, offset, await from.fetch(descriptor, { ...range, signal }));
  };
  if (isResumablePusher(to)) await to.pushFrom(descriptor, open, { signal });
  else await to.push(descriptor, await open(0), { signal });
};

const tryMount = async (job: Job, descriptor: Descriptor): Promise<string | undefined> => {
  const source = job.options.mount?.(descriptor);
  if (source === undefined || !isCrossMounter(job.to)) return undefined;
  return (await job.to.mount(descriptor, source, { signal: job.signal })) ? source : undefined;
};

const isPresent = async (job: Job, descriptor: Descriptor): Promise<boolean> =>
  job.options.skipExisting !== false && (await job.to.exists(descriptor, { signal: job.signal }));

const copyBlob = async (job: Job, descriptor: Descriptor): Promise<void> => {
  throwIfAborted(job.signal);
  const { foreignLayers = 'skip' } = job.options;
  if (foreignLayers === 'skip' && isForeignLayerType(descriptor.mediaType) && descriptor.urls?.length)
    return report(job, 'skipped', descriptor, 0);
  if (await isPresent(job, descriptor)) return report(job, 'exists', descriptor, descriptor.size);
  const source = await tryMount(job, descriptor);
  if (source !== undefined) return report(job, 'mounted', descriptor, descriptor.size, source);
  await send(job, descriptor);
  report(job, 'copied', descriptor, descriptor.size);
};

const copyManifest = async (job: Job, descriptor: Descriptor, bytes: Uint8Array): Promise<void> => {
  throwIfAborted(job.signal);
  if (await isPresent(job, descriptor)) return report(job, 'exists', descriptor, descriptor.size);
  await job.to.push(descriptor, streamOf(bytes), { signal: job.signal });
  report(job, 'copied', descriptor, descriptor.size);
};

/** Runs `work` on every item, some at a time; at the first failure starts no more, waits for the rest, throws it. */
const forEachLimited = async <T>(
  items: readonly T[],
  limit: number,
  stop: AbortController,
  work: (item: T) => Promise<void>,
): Promise<void> => {
  const queue = items.values();
  const failures: unknown[] = [];
  const worker = async (): Promise<void> => {
    for (const item of queue) {
      if (failures.length > 0) return;
      try {
        await work(item);
      } catch (error) {
        failures.push(error);
        stop.abort(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, limit) }, worker));
  if (failures.length > 0) throw failures[0];
};

/** Reads from the destination what it has already, so that nothing known is fetched twice. */
const nearest = (from: Fetcher, to: Pusher): Fetcher => {
  if (!isFetcher(to)) return from;
  const near = to;
  const fetch: Fetcher['fetch'] = async (descriptor, options) =>
    (await to.exists(descriptor, options)) ? near.fetch(descriptor, options) : from.fetch(descriptor, options);
  const referrers = 'referrers' in from ? { referrers: (from.referrers as () => unknown).bind(from) } : {};
  return { fetch, ...referrers };
};

const graphOptions = (to: Pusher, options: CopyOptions): ReadGraphOptions => ({
  ...options,
  ...(options.trustExistingManifests === true && options.skipExisting !== false
    ? { prune: (manifest: Descriptor) => to.exists(manifest, options) }
    : {}),
});

/**
 * Copies `root` and everything it refers to: blobs first, some at a time, then manifests, children before parents, so
 * that the destination never holds a manifest whose parts are missing. Each digest is copied once. Returns the graph
 * that was copied. Throws the first failure after all transfers have stopped.
 */
export async function copyGraph(
  from: Fetcher,
  to: Pusher,
  root: Descriptor,
  options: CopyOptions = {},
): Promise<Graph> {
  throwIfAborted(options.signal);
  const source = options.skipExisting === false || options.trustExistingManifests ? from : nearest(from, to);
  const graph = await readGraph(source, root, graphOptions(to, options));
  const stop = new AbortController();
  const job: Job = { from, to, options, signal: anySignal(options.signal, stop.signal) };
  for (const blob of graph.blobs) report(job, 'waiting', blob, 0);
  await forEachLimited(graph.blobs, options.concurrency ?? 3, stop, (blob) => copyBlob(job, blob));
  for (const { descriptor, bytes } of graph.manifests) await copyManifest(job, descriptor, bytes);
  return graph;
}

/** Digests of everything in a graph. */
export function graphDigests(graph: Graph): readonly Digest[] {
  return [...graph.manifests.map(({ descriptor }) => descriptor.digest), ...graph.blobs.map(({ digest }) => digest)];
}
