import { type CallOptions, invalid } from '@berth/base';
import type { Digest } from '@berth/oci';
import type { ImageContext } from './context.ts';
import type { ResolvedImage } from './image-service.ts';
import { ensureLayers, isUnpacked, planLayers } from './layer-work.ts';
import { blobRef, openLease, snapshotRef } from './lease.ts';
import type { Progress } from './progress.ts';

export interface UnpackOptions extends CallOptions {
  readonly onProgress?: Progress | undefined;
}

/** Throws `invalid` for an image of another operating system, `notFound` for layers that are not stored. */
export async function unpack(
  context: ImageContext,
  image: Pick<ResolvedImage, 'layers' | 'diffIds' | 'chainIds' | 'platform'> & { readonly id?: Digest },
  options: UnpackOptions = {},
): Promise<Digest | undefined> {
  // whoever asks for an image's tree is about to run or to build upon it
  if (image.id !== undefined) context.records.use(image.id);
  const top = image.chainIds.at(-1);
  if (top === undefined || isUnpacked(context, top)) return top;
  if (!canUnpack(image)) throw invalid(`an image for ${image.platform.os} cannot be unpacked on this host`);
  using _lease = openLease(context, 'unpack', [
    ...image.layers.map((layer) => blobRef(layer.digest)),
    ...image.chainIds.map(snapshotRef),
  ]);
  await ensureLayers(context, { plans: planLayers(image) }, { signal: options.signal, onEvent: options.onProgress });
  return top;
}

export const canUnpack = (image: Pick<ResolvedImage, 'platform'>): boolean => image.platform.os === 'linux';
