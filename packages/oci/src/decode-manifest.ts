import { invalid, wrap } from '@berth/base';
import type { Descriptor } from './descriptor.ts';
import { asArray, asDescriptor, asString, asStringMap, type JsonObject, optional, parseJsonObject } from './json.ts';
import type { Manifest } from './manifest.ts';
import { isImageManifestType, isIndexType, isSchema1Type, MEDIA_TYPES } from './media-types.ts';

/** Largest manifest read, bytes; registries use the same bound. */
export const MAX_MANIFEST_SIZE = 4 * 1024 * 1024;
const MAX_LAYERS = 4096;
const MAX_INDEX_ENTRIES = 4096;

const descriptors = (value: unknown, where: string, limit: number): readonly Descriptor[] =>
  asArray(value, where, limit).map((item, index) => asDescriptor(item, `${where}[${index}]`));

const refuseSchema1 = (from: JsonObject, mediaType: string | undefined): void => {
  if (from['schemaVersion'] === 1 || (mediaType !== undefined && isSchema1Type(mediaType)))
    throw invalid(
      'the image has a docker image manifest version 2, schema 1, which is no longer supported: push it again with a current builder to get schema 2 or OCI',
    );
  // some builders leave the version out, or at 0; a media type says as much
  const version = from['schemaVersion'] ?? 0;
  if (version !== 2 && !(version === 0 && mediaType))
    throw invalid(`unsupported manifest schemaVersion ${String(version).slice(0, 40)}`);
};

const common = (from: JsonObject) => ({
  schemaVersion: 2 as const,
  ...optional(from, 'mediaType', asString, 'manifest'),
  ...optional(from, 'artifactType', asString, 'manifest'),
  ...optional(from, 'subject', asDescriptor, 'manifest'),
  ...optional(from, 'annotations', asStringMap, 'manifest'),
});

const asImage = (from: JsonObject, mediaType: string): Manifest => ({
  kind: 'image',
  mediaType,
  image: {
    ...common(from),
    config: asDescriptor(from['config'], 'manifest.config'),
    layers: from['layers'] === null ? [] : descriptors(from['layers'] ?? [], 'manifest.layers', MAX_LAYERS),
  },
});

const asIndex = (from: JsonObject, mediaType: string): Manifest => ({
  kind: 'index',
  mediaType,
  index: {
    ...common(from),
    manifests:
      from['manifests'] === null ? [] : descriptors(from['manifests'], 'manifest.manifests', MAX_INDEX_ENTRIES),
  },
});

const decode = (bytes: Uint8Array, expectedType: string | undefined): Manifest => {
  const from = parseJsonObject(bytes, MAX_MANIFEST_SIZE);
  const stated = from['mediaType'] === undefined ? undefined : asString(from['mediaType'], 'manifest.mediaType');
  refuseSchema1(from, stated ?? expectedType);
  const known = expectedType !== undefined && (isIndexType(expectedType) || isImageManifestType(expectedType));
  if (known && stated !== undefined && stated !== '' && stated !== expectedType)
    throw invalid(`manifest says it is ${stated.slice(0, 200)} but was announced as ${expectedType}`);
  const mediaType = stated || (known ? expectedType : undefined);
  const hasManifests = 'manifests' in from;
  const hasImage = 'config' in from || 'layers' in from;
  if (hasManifests && hasImage) throw invalid('manifest is both an image and an index');
  if (mediaType === undefined)
    return hasManifests ? asIndex(from, MEDIA_TYPES.ociIndex) : asImage(from, MEDIA_TYPES.ociManifest);
  if (isIndexType(mediaType)) return asIndex(from, mediaType);
  if (isImageManifestType(mediaType)) return asImage(from, mediaType);
  throw invalid(`unsupported manifest media type ${mediaType.slice(0, 200)}`);
};

/**
 * Decodes an image manifest or index, OCI or docker schema 2, from hostile bytes. `expectedType` is the media type it
 * was announced with. Throws `tooLarge` (over 4 MiB, too deep, too many entries) or `invalid` (syntax, digests, sizes,
 * an image and an index at once, schema 1).
 */
export function decodeManifest(bytes: Uint8Array, expectedType?: string): Manifest {
  try {
    return decode(bytes, expectedType);
  } catch (error) {
    throw wrap('invalid manifest', error);
  }
}
