import { conflict, type EngineError, shortId } from '@berth/base';
import {
  type Descriptor,
  type Digest,
  familiarString,
  normalizedName,
  parseReference,
  type Reference,
} from '@berth/oci';
import { sweep } from './collectables.ts';
import type { ImageContext } from './context.ts';
import { emitImage } from './events.ts';
import { type FoundImage, findImage } from './find.ts';
import { footprint } from './footprint.ts';
import type { RemovedItem, RemoveOptions } from './image-service.ts';
import { labelsOf } from './labels.ts';
import { blobRef } from './lease.ts';
import { danglingName, isDanglingName, recordNameOf, referencesOf } from './names.ts';

/** What one removal did. */
export interface Removal {
  readonly items: readonly RemovedItem[];
  /** Bytes of the blobs and snapshots that are gone from disk. */
  readonly bytes: number;
}

/**
 * `docker rmi`. A name goes; when it was the image's last one the image goes too, and with it every blob and snapshot
 * that nothing else uses. Throws `notFound`, `invalid` and `conflict` with dockerd's texts.
 */
export async function remove(context: ImageContext, name: string, options: RemoveOptions = {}): Promise<Removal> {
  const items: RemovedItem[] = [];
  for (;;) {
    const { target } = findImage(context, name);
    using _held = await context.locks.acquire(target.digest, options);
    // While this waited the name may have come to mean another image.
    const found = findImage(context, name);
    if (found.target.digest === target.digest)
      return { bytes: await removeFound(context, found, name, options, items), items };
  }
}

async function removeFound(
  context: ImageContext,
  found: FoundImage,
  name: string,
  options: RemoveOptions,
  items: RemovedItem[],
): Promise<number> {
  const { target, record, reference } = found;
  const references = referencesTo(context, target.digest);
  if (!record || !reference) {
    if (isSingleReference(references)) {
      const problem =
        hardConflict(context, target.digest) ?? (options.force ? undefined : stoppedConflict(context, target.digest));
      if (problem) throw problem;
      untagAll(context, target, references, items);
    }
    return await deleteImage(context, target, { ...options, quiet: false }, items);
  }
  if (!options.force && isSingleReference(references)) refuseLastReference(context, target.digest, name);
  untag(context, target, parseReference(record.name), items);
  untagOrphanedDigests(context, target, parseReference(record.name), items);
  if (hasReference(context, target.digest)) return 0;
  return await deleteImage(context, target, { ...options, quiet: true }, items);
}

const namesOf = (context: ImageContext, digest: Digest): readonly string[] =>
  context.records.named(digest)?.names ?? [];

const referencesTo = (context: ImageContext, digest: Digest): readonly Reference[] =>
  referencesOf(namesOf(context, digest), context.records.parse);

const hasReference = (context: ImageContext, digest: Digest): boolean =>
  namesOf(context, digest).some((name) => !isDanglingName(name));

/** One name, or one tag with digest references of the same repository. */
function isSingleReference(references: readonly Reference[]): boolean {
  if (references.length <= 1) return true;
  const tags = references.filter((reference) => reference.digest === undefined);
  const digests = new Set(references.filter((reference) => reference.digest !== undefined).map(normalizedName));
  const [only = references[0], second] = tags;
  return second === undefined && only !== undefined && digests.size === 1 && digests.has(normalizedName(only));
}

function refuseLastReference(context: ImageContext, id: Digest, name: string): void {
  const [user] = context.inUse(id);
  if (!user) return;
  throw conflict(
    `conflict: unable to remove repository reference ${JSON.stringify(name)} (must force) - container ${shortId(user.id)} is using its referenced image ${shortId(id)}`,
  );
}

function untag(context: ImageContext, target: Descriptor, reference: Reference, items: RemovedItem[]): void {
  context.records.transaction(() => {
    context.records.delete(recordNameOf(reference));
    context.records.keepDangling(target);
  });
  items.push({ untagged: familiarString(reference) });
  emitImage(context, 'untag', target.digest);
}

/** The last tag of a repository takes the repository's digest references with it, stored or only known from a registry. */
function untagOrphanedDigests(
  context: ImageContext,
  target: Descriptor,
  removed: Reference,
  items: RemovedItem[],
): void {
  if (removed.tag === undefined) return;
  const repository = normalizedName(removed);
  const rest = referencesOf(
    namesOf(context, target.digest).filter(
      (name) => name.startsWith(`${repository}:`) || name.startsWith(`${repository}@`),
    ),
  );
  if (rest.some((reference) => reference.digest === undefined)) return;
  for (const reference of rest) untag(context, target, reference, items);
  const seen = context.records.hasSource(target.digest, removed.domain, removed.path);
  if (rest.length === 0 && seen)
    items.push({ untagged: familiarString({ domain: removed.domain, path: removed.path, digest: target.digest }) });
}

function untagAll(
  context: ImageContext,
  target: Descriptor,
  references: readonly Reference[],
  items: RemovedItem[],
): void {
  for (const reference of references.filter((each) => each.digest === undefined)) {
    untag(context, target, reference, items);
    untagOrphanedDigests(context, target, reference, items);
  }
  for (const reference of referencesTo(context, target.digest)) untag(context, target, reference, items);
}

interface DeleteOptions extends RemoveOptions {
  /** Leave the image, now dangling, without an error when it is in use. */
  readonly quiet: boolean;
}

async function deleteImage(
  context: ImageContext,
  target: Descriptor,
  options: DeleteOptions,
  items: RemovedItem[],
): Promise<number> {
  const problem =
    hardConflict(context, target.digest) ??
    (options.force
      ? undefined
      : (referencedConflict(context, target.digest) ?? stoppedConflict(context, target.digest)));
  if (problem) {
    if (options.quiet) return 0;
    throw problem;
  }
  untagAll(context, target, referencesTo(context, target.digest), items);
  const { parent } = context.records.facts(target.digest);
  labelsOf(context, target.digest); // kept in memory for the event that follows the removal
  let bytes = await forget(context, target);
  items.push({ deleted: target.digest });
  emitImage(context, 'delete', target.digest);
  if (parent !== undefined && !options.noPrune) bytes += await pruneParent(context, parent, items);
  return bytes;
}

/** Takes the image's records away, then whatever of its objects nothing else holds. */
async function forget(context: ImageContext, target: Descriptor): Promise<number> {
  // Measures snapshots that were not measured yet, so that what is freed can be told exactly.
  await footprint(context, target.digest);
  context.records.transaction(() => {
    context.records.delete(danglingName(target.digest));
    context.records.deleteFacts(target.digest);
    context.summaries.delete(target.digest);
  });
  return await sweep(context, [blobRef(target.digest)]);
}

/** A parent goes with its last child when it has no name and nothing uses it. */
async function pruneParent(context: ImageContext, parent: Digest, items: RemovedItem[]): Promise<number> {
  using _held = await context.locks.acquire(parent);
  const [record] = context.records.withDigest(parent);
  if (!record || hasReference(context, parent)) return 0;
  if ([...context.records.parents().values()].includes(parent)) return 0;
  return await deleteImage(context, record.target, { quiet: true }, items);
}

const hardConflict = (context: ImageContext, id: Digest): EngineError | undefined => {
  const user = context.inUse(id).find(({ running }) => running);
  return user && unableToDelete(id, 'cannot be forced', `image is being used by running container ${shortId(user.id)}`);
};

const stoppedConflict = (context: ImageContext, id: Digest): EngineError | undefined => {
  const user = context.inUse(id).find(({ running }) => !running);
  return user && unableToDelete(id, 'must be forced', `image is being used by stopped container ${shortId(user.id)}`);
};

const referencedConflict = (context: ImageContext, id: Digest): EngineError | undefined =>
  hasReference(context, id)
    ? unableToDelete(id, 'must be forced', 'image is referenced in multiple repositories')
    : undefined;

const unableToDelete = (id: Digest, how: string, why: string): EngineError =>
  conflict(`conflict: unable to delete ${shortId(id)} (${how}) - ${why}`);
