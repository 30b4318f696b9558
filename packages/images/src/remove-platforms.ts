import { conflict, invalid, notFound, shortId } from '@berth/base';
import { formatPlatform, type Platform } from '@berth/oci';
import { sweep } from './collectables.ts';
import type { ImageContext } from './context.ts';
import { dropManifest } from './drop-manifest.ts';
import { findImage } from './find.ts';
import { footprint } from './footprint.ts';
import type { RemovedItem, RemoveOptions } from './image-service.ts';
import { blobRef } from './lease.ts';
import type { Removal } from './remove.ts';
import { choose, type StoredManifest, storedManifests } from './resolve.ts';

/**
 * Removes what is stored of an image for some platforms; its index stays whole and can be pulled for them again. Throws
 * `notFound`, `invalid` (not a multi-platform image), `conflict` (a container runs it, it is another image too, or
 * nothing of the image would be left).
 */
export async function removePlatforms(
  context: ImageContext,
  name: string,
  options: RemoveOptions = {},
): Promise<Removal> {
  const { target } = findImage(context, name);
  using _held = await context.locks.acquire(target.digest, options);
  const document = await context.documents.manifest(target.digest, options);
  if (document.kind !== 'index') throw invalid(`${name} has no index: a single platform of it cannot be removed`);
  const stored = await storedManifests(context, target, options);
  const going = (options.platforms ?? []).map((platform) => find(context, stored, platform, name));
  for (const { descriptor } of going) refuse(context, name, descriptor.digest, options);
  if (going.length >= stored.length)
    throw conflict(`conflict: ${name} would be left without any platform; remove the image instead`);
  const items: RemovedItem[] = [];
  let bytes = 0;
  for (const { descriptor } of going) {
    const parts = await footprint(context, descriptor.digest);
    if (!context.content.stat(descriptor.digest)) continue;
    if (context.leases.isHeld(blobRef(descriptor.digest)))
      throw conflict(`conflict: unable to delete a platform of ${name} - it is being pulled, pushed, loaded or saved`);
    await dropManifest(context, descriptor.digest);
    context.summaries.delete(target.digest);
    bytes += descriptor.size + (await sweep(context, parts));
    items.push({ deleted: descriptor.digest });
  }
  return { items, bytes };
}

function find(
  context: ImageContext,
  stored: readonly StoredManifest[],
  platform: Platform,
  name: string,
): StoredManifest {
  const found = choose(context, stored, platform);
  if (found) return found;
  throw notFound(`image with reference ${name} does not have the platform ${formatPlatform(platform)} here`);
}

function refuse(
  context: ImageContext,
  name: string,
  manifest: StoredManifest['descriptor']['digest'],
  options: RemoveOptions,
): void {
  if (context.records.withDigest(manifest).length > 0)
    throw conflict(`conflict: manifest ${shortId(manifest)} of ${name} is an image of its own name too`);
  const users = context.inUse(findImage(context, name).target.digest);
  const user = users.find((each) => (each.manifest ?? manifest) === manifest && (each.running || !options.force));
  if (user)
    throw conflict(
      `conflict: unable to delete a platform of ${name} (${user.running ? 'cannot' : 'must'} be forced) - container ${shortId(user.id)} is using the image`,
    );
}
