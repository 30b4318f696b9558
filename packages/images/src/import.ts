import { invalid } from '@berth/base';
import type { ByteStream } from '@berth/oci';
import { chainIds, familiarString, parseReference, withDefaultTag } from '@berth/oci';
import { refuseAmbiguous } from './assign-name.ts';
import type { ImageContext } from './context.ts';
import { create } from './create.ts';
import { emitImage } from './events.ts';
import type { ImageHandle, ImportOptions } from './image-service.ts';
import { openLease } from './lease.ts';
import { unpack } from './unpack.ts';
import { storeEmptyLayer, storeLayer } from './write-layer.ts';

/** A root file system, compressed or not, becomes an image of one layer, unpacked at once so that a bad archive is refused. */
export async function importImage(
  context: ImageContext,
  archive: ByteStream,
  options: ImportOptions,
): Promise<ImageHandle> {
  const names = options.reference ? [newName(options.reference)] : [];
  using lease = openLease(context, 'import');
  const plain = context.layerTools.decompress(archive, options);
  const layer = (await storeLayer(context, lease, plain, options)) ?? (await storeEmptyLayer(context, lease, options));
  const platform = options.platform ?? context.hostPlatform;
  const created = context.clock.now().toISOString();
  const chain = chainIds([layer.diffId]);
  lease.add(chain.map((key) => ({ kind: 'snapshot', key })));
  await unpack(
    context,
    { layers: [layer.descriptor], diffIds: [layer.diffId], chainIds: chain, platform: { ...platform, os: 'linux' } },
    { signal: options.signal },
  );
  const image = await create(
    context,
    {
      config: {
        created,
        architecture: platform.architecture,
        os: platform.os,
        ...(platform.variant ? { variant: platform.variant } : {}),
        config: options.config ?? {},
        rootfs: { type: 'layers', diff_ids: [layer.diffId] },
        history: [{ created, comment: options.message ?? '' }],
      },
      layers: [layer.descriptor],
      names,
    },
    { ...options, announce: false },
  );
  emitImage(context, 'import', image.id);
  return image;
}

function newName(text: string): string {
  const reference = parseReference(text);
  refuseAmbiguous(reference);
  if (reference.digest !== undefined) throw invalid('cannot import digest reference');
  return familiarString(withDefaultTag(reference));
}
