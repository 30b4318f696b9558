import { type CallOptions, invalid, notFound, throwIfAborted } from '@berth/base';
import { type Descriptor, digestOf, type ImageConfigDocument, MEDIA_TYPES } from '@berth/oci';
import { assignName } from './assign-name.ts';
import type { ImageContext } from './context.ts';
import { checkedDiffIds } from './documents.ts';
import { emitImage } from './events.ts';
import { bare } from './footprint.ts';
import type { CreateImage, ImageHandle } from './image-service.ts';
import { blobRef, openLease } from './lease.ts';
import { recordName } from './names.ts';

const DOCKER_LAYERS: Readonly<Record<string, string>> = {
  [MEDIA_TYPES.ociLayer]: MEDIA_TYPES.dockerLayer,
  [MEDIA_TYPES.ociLayerGzip]: MEDIA_TYPES.dockerLayerGzip,
  [MEDIA_TYPES.ociLayerZstd]: MEDIA_TYPES.dockerLayerZstd,
};
const OCI_LAYERS: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(DOCKER_LAYERS).map(([oci, docker]) => [docker, oci]),
);

/** Throws `notFound` (a layer is not stored), `dataLoss` (layers and diff IDs differ in number), `invalid` (a name). */
export async function create(
  context: ImageContext,
  input: CreateImage,
  { announce = true, ...options }: CallOptions & { /** Whether to emit `create`. */ readonly announce?: boolean } = {},
): Promise<ImageHandle> {
  throwIfAborted(options.signal);
  const names = (input.names ?? []).map(recordName);
  checkedDiffIds(input.config, input.layers);
  const docker = input.format === 'docker';
  const layers = input.layers.map((layer) => layerOf(layer, docker));
  const config = encode(input.config, docker ? MEDIA_TYPES.dockerConfig : MEDIA_TYPES.ociConfig);
  const manifestType = docker ? MEDIA_TYPES.dockerManifest : MEDIA_TYPES.ociManifest;
  const manifest = encode(
    { schemaVersion: 2, mediaType: manifestType, config: config.descriptor, layers },
    manifestType,
  );

  using _lease = openLease(
    context,
    'create',
    [config.descriptor, manifest.descriptor, ...layers].map((blob) => blobRef(blob.digest)),
  );
  for (const layer of layers)
    if (context.content.stat(layer.digest)?.size !== layer.size)
      throw notFound(`layer ${layer.digest} of the new image is not in the store`);
  await context.content.write(config.descriptor.mediaType, config.bytes, options);
  await context.content.write(manifestType, manifest.bytes, options);
  const target = manifest.descriptor;
  using _held = await context.locks.acquire(target.digest, options);
  context.records.transaction(() => {
    if (input.parent && input.parent !== target.digest)
      context.records.setFacts(target.digest, { parent: input.parent });
    context.records.keepDangling(target);
  });
  if (announce) emitImage(context, 'create', target.digest);
  for (const name of names) assignName(context, name, target);
  for (const layer of layers) context.pendingLayers.release(layer.digest);
  return { id: target.digest, target };
}

function layerOf(layer: Descriptor, docker: boolean): Descriptor {
  const mediaType = (docker ? DOCKER_LAYERS : OCI_LAYERS)[layer.mediaType] ?? layer.mediaType;
  return bare({ ...layer, mediaType });
}

function encode(
  document: ImageConfigDocument | object,
  mediaType: string,
): { readonly descriptor: Descriptor; readonly bytes: Uint8Array } {
  const bytes = new TextEncoder().encode(JSON.stringify(document));
  if (bytes.byteLength > 4 * 1024 * 1024)
    throw invalid('the image has more metadata than a registry would take (4 MiB)');
  return { descriptor: { mediaType, digest: digestOf(bytes), size: bytes.byteLength }, bytes };
}
