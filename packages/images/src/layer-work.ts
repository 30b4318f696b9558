import { type CallOptions, dataLoss, internal, isKind, notFound, randomId, throwIfAborted } from '@berth/base';
import type { FollowedFile } from '@berth/content';
import type { Mount } from '@berth/linux';
import type { Descriptor, Digest, Fetcher } from '@berth/oci';
import type { ImageContext } from './context.ts';
import type { LayerTarget } from './deps.ts';
import { fetchBlob } from './fetch-blob.ts';
import { openLease, snapshotRef } from './lease.ts';
import { LayerProgress, type Progress } from './progress.ts';
import { withTree } from './with-tree.ts';

/** Keys of the active snapshots that layers are unpacked into. */
export const UNPACK_PREFIX = 'unpack-';

/** One layer of an image: what to fetch and which snapshot comes of it. */
export interface LayerPlan {
  readonly blob: Descriptor;
  readonly diffId: Digest;
  readonly chainId: Digest;
}

/** The layers of one image, lowest first, and where those that are not stored come from. */
export interface LayerWork {
  readonly plans: readonly LayerPlan[];
  readonly source?: Fetcher;
}

export interface LayerOptions extends CallOptions {
  readonly onEvent?: Progress | undefined;
}

export function planLayers(image: {
  readonly layers: readonly Descriptor[];
  readonly diffIds: readonly Digest[];
  readonly chainIds: readonly Digest[];
}): readonly LayerPlan[] {
  return image.layers.flatMap((blob, at) => {
    const diffId = image.diffIds[at];
    const chainId = image.chainIds[at];
    return diffId && chainId ? [{ blob, diffId, chainId }] : [];
  });
}

/**
 * Makes sure every layer is stored and unpacked, in parallel as far as fetching slots and the snapshot driver allow.
 * The first failure ends the others. Throws `dataLoss` when a layer is not what the configuration says.
 */
export async function ensureLayers(context: ImageContext, work: LayerWork, options: LayerOptions = {}): Promise<void> {
  await allOrNone(work.plans, options, (_plan, at, signal) => ensureLayer(context, work, at, { ...options, signal }));
}

/** Runs `task` for all items at once; when one fails the others are aborted and waited for. */
export async function allOrNone<T>(
  items: readonly T[],
  options: CallOptions,
  task: (item: T, at: number, signal: AbortSignal) => Promise<unknown>,
): Promise<void> {
  throwIfAborted(options.signal);
  const abort = new AbortController();
  const onAbort = (): void => abort.abort(options.signal?.reason);
  options.signal?.addEventListener('abort', onAbort, { once: true });
  let failure: { readonly error: unknown } | undefined;
  try {
    await Promise.all(
      items.map(async (item, at) => {
        try {
          await task(item, at, abort.signal);
        } catch (error) {
          failure ??= { error };
          abort.abort(error);
        }
      }),
    );
  } finally {
    options.signal?.removeEventListener('abort', onAbort);
  }
  throwIfAborted(options.signal);
  if (failure) throw failure.error;
}

/** Work on the same chain ID is shared between images; a layer's work keeps its parents' alive. */
async function ensureLayer(context: ImageContext, work: LayerWork, at: number, options: LayerOptions): Promise<void> {
  const plan = work.plans[at];
  if (!plan) return;
  const progress = new LayerProgress(plan.blob, options.onEvent);
  const unpacked = isUnpacked(context, plan.chainId);
  if (unpacked && context.content.stat(plan.blob.digest)) return progress.phase('exists');
  if (unpacked) {
    if (work.source) await fetchBlob(context, work.source, plan.blob, options);
    return progress.phase('complete');
  }
  await context.unpacks.join(plan.chainId, options, async (signal, emit) => {
    await makeSnapshot(context, work, at, { signal, onEvent: emit });
    return plan.chainId;
  });
}

export const isUnpacked = (context: ImageContext, chainId: Digest): boolean =>
  context.snapshotter.stat(chainId)?.kind === 'committed';

async function makeSnapshot(context: ImageContext, work: LayerWork, at: number, options: LayerOptions): Promise<void> {
  const plan = work.plans[at];
  if (!plan || isUnpacked(context, plan.chainId)) return;
  if (context.snapshotter.capabilities.rebase) await makeAlone(context, work, at, plan, options);
  else await makeOnParent(context, work, at, plan, options);
  void measure(context, plan.chainId);
  const progress = new LayerProgress(plan.blob, options.onEvent);
  progress.bytes('extracting', plan.blob.size);
  progress.phase('complete');
}

/** Unpacks into a directory of the layer's own, whatever the layers below are at; names the parent at the end. */
async function makeAlone(
  context: ImageContext,
  work: LayerWork,
  at: number,
  plan: LayerPlan,
  options: LayerOptions,
): Promise<void> {
  const unpack = (): Promise<void> =>
    withActive(context, undefined, async (key) => {
      await applyLayer(context, work, plan, { directory: ownDirectory(context, key), mode: 'overlay' }, options);
      await ensureLayer(context, work, at - 1, { signal: options.signal });
      const parent = work.plans[at - 1]?.chainId;
      await context.snapshotter.commit(plan.chainId, key, parent === undefined ? {} : { parent });
    });
  try {
    await unpack();
  } catch (error) {
    // The right bytes are stored by now: into a directory that has seen no others.
    if (error instanceof WrongBytes) return await unpack();
    // A layer may hard-link to a file that only a layer below has: that needs those below first.
    if (at === 0 || !isKind(error, 'invalid') || !context.content.stat(plan.blob.digest)) throw error;
    await makeOnParent(context, work, at, plan, options);
  }
}

async function makeOnParent(
  context: ImageContext,
  work: LayerWork,
  at: number,
  plan: LayerPlan,
  options: LayerOptions,
): Promise<void> {
  if (work.source) await fetchBlob(context, work.source, plan.blob, options);
  await ensureLayer(context, work, at - 1, { signal: options.signal });
  await withActive(context, work.plans[at - 1]?.chainId, async (key, mounts) => {
    const own = context.snapshotter.diffPath(key);
    const apply = (target: LayerTarget): Promise<void> => applyLayer(context, work, plan, target, options);
    if (own === undefined) await withTree(context, mounts, (directory) => apply({ directory, mode: 'merge' }));
    else await apply({ directory: own, mode: 'overlay', lowerPaths: context.snapshotter.lowerPaths(key) });
    await context.snapshotter.commit(plan.chainId, key);
  });
}

/** An active snapshot that is gone afterwards unless `work` committed it. */
async function withActive(
  context: ImageContext,
  parent: Digest | undefined,
  work: (key: string, mounts: readonly Mount[]) => Promise<void>,
): Promise<void> {
  const key = UNPACK_PREFIX + randomId();
  using _lease = openLease(context, 'unpack', [snapshotRef(key)]);
  const mounts = await context.snapshotter.prepare(key, parent);
  try {
    await work(key, mounts);
  } finally {
    if (context.snapshotter.stat(key)) await context.snapshotter.remove(key);
  }
}

function ownDirectory(context: ImageContext, key: string): string {
  const directory = context.snapshotter.diffPath(key);
  if (directory === undefined) throw internal(`snapshot ${key} has no directory of its own`);
  return directory;
}

/** Has the snapshot measured while nobody waits, so that the first listing need not. */
async function measure(context: ImageContext, chainId: Digest): Promise<void> {
  try {
    await context.snapshotter.usage(chainId);
  } catch {
    // Removed meanwhile; whoever lists it next measures it.
  }
}

/** Unpacks while downloading when the blob starts to come in now; from the store otherwise. */
async function applyLayer(
  context: ImageContext,
  work: LayerWork,
  plan: LayerPlan,
  target: LayerTarget,
  options: LayerOptions,
): Promise<void> {
  const { blob } = plan;
  const progress = new LayerProgress(blob, options.onEvent);
  if (work.source && !context.content.stat(blob.digest)) {
    const applied = await applyWhileFetching(context, work.source, blob, target, progress, options);
    if (applied) return checkDiffId(plan, applied);
  }
  if (!context.content.stat(blob.digest))
    throw notFound(`layer ${blob.digest} is not in the store; pull the image again`);
  progress.bytes('extracting', 0);
  const { diffId } = await context.layerTools.apply({ path: context.content.path(blob.digest) }, target, {
    signal: options.signal,
  });
  checkDiffId(plan, diffId);
}

/** What was unpacked while it came in turned out to be wrong; what is stored now came from elsewhere. */
class WrongBytes extends Error {}

async function applyWhileFetching(
  context: ImageContext,
  source: Fetcher,
  blob: Descriptor,
  target: LayerTarget,
  progress: LayerProgress,
  options: LayerOptions,
): Promise<Digest | undefined> {
  let following: { readonly file: FollowedFile; readonly applying: Promise<{ readonly diffId: Digest }> } | undefined;
  let gone = false;
  const follow = (file: FollowedFile): void => {
    // The download may start after this caller was aborted, on behalf of another.
    if (gone) {
      file[Symbol.dispose]();
      return;
    }
    const applying = context.layerTools.apply(file, target, { signal: options.signal });
    // Seen below; until then a failure must not look unhandled.
    applying.catch(() => undefined);
    following = { file, applying };
  };
  try {
    await fetchBlob(context, source, blob, { ...options, follow });
    if (following === undefined) return undefined;
    if (following.file.growth.givenUp) throw new WrongBytes();
    progress.bytes('extracting', 0);
    return (await following.applying).diffId;
  } catch (error) {
    following?.file.growth.giveUp();
    // The directory is about to be removed: nobody may write to it any more.
    await following?.applying.catch(() => undefined);
    throw error;
  } finally {
    gone = true;
    following?.file[Symbol.dispose]();
  }
}

function checkDiffId(plan: LayerPlan, actual: Digest): void {
  if (actual !== plan.diffId)
    throw dataLoss(`layer ${plan.blob.digest} unpacks to ${actual}, but the image's configuration says ${plan.diffId}`);
}
