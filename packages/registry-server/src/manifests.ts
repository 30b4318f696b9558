import { isKind, messageOf } from '@berth/base';
import type { Exchange, Route } from '@berth/http';
import {
  decodeManifest,
  digestAlgorithm,
  digestOf,
  isDigest,
  isForeignLayerType,
  MAX_MANIFEST_SIZE,
  type Manifest,
  MEDIA_TYPES,
  referrerOf,
} from '@berth/oci';
import { isCurrent } from './conditional.ts';
import { fault } from './faults.ts';
import { digestOfText, referenceOf, repositoryOf } from './names.ts';
import type { RegistryStorage, StoredManifest } from './storage.ts';

const decode = (bytes: Uint8Array, contentType: string | undefined): Manifest => {
  try {
    return decodeManifest(bytes, contentType?.split(';')[0]?.trim());
  } catch (error) {
    if (isKind(error, 'tooLarge')) throw error;
    throw fault('MANIFEST_INVALID', messageOf(error), error);
  }
};

/** Routes for manifests and what refers to them. */
export function manifestRoutes(storage: RegistryStorage): readonly Route[] {
  const checkParts = async (repository: string, manifest: Manifest): Promise<void> => {
    if (manifest.kind === 'index') {
      for (const { digest } of manifest.index.manifests)
        if (!(await storage.hasManifest(repository, digest)))
          throw fault('MANIFEST_BLOB_UNKNOWN', `manifest ${digest} unknown to registry`);
      return;
    }
    for (const { digest, mediaType, urls } of [manifest.image.config, ...manifest.image.layers]) {
      if (isForeignLayerType(mediaType) && urls !== undefined) continue;
      if ((await storage.blobSize(repository, digest)) === undefined)
        throw fault('MANIFEST_BLOB_UNKNOWN', `blob ${digest} unknown to registry`);
    }
  };

  const get = async ({ params, method, reply, headers: requestHeaders }: Exchange): Promise<void> => {
    const found = await storage.manifest(repositoryOf(params), referenceOf(params));
    if (found === undefined) throw fault('MANIFEST_UNKNOWN', 'manifest unknown');
    const headers = {
      'Content-Type': found.mediaType,
      'Content-Length': found.bytes.byteLength,
      'Docker-Content-Digest': found.digest,
      ETag: `"${found.digest}"`,
    };
    if (isCurrent(requestHeaders, found.digest)) return reply.empty(304, { ETag: headers.ETag });
    await (method === 'HEAD' ? reply.empty(200, headers) : reply.send(200, found.bytes, headers));
  };

  const put = async ({ params, headers, body, reply }: Exchange): Promise<void> => {
    const [repository, reference] = [repositoryOf(params), referenceOf(params)];
    const bytes = await body.bytes({ limit: MAX_MANIFEST_SIZE });
    const manifest = decode(bytes, headers['content-type']);
    const byDigest = isDigest(reference) ? reference : undefined;
    const digest = digestOf(bytes, byDigest === undefined ? 'sha256' : digestAlgorithm(byDigest));
    if (byDigest !== undefined && byDigest !== digest)
      throw fault('DIGEST_INVALID', 'provided digest did not match uploaded content');
    const stored: StoredManifest = { mediaType: manifest.mediaType, digest, bytes };
    const referrer = referrerOf({ ...stored, size: bytes.byteLength }, manifest);
    await storage.putManifest(repository, stored, {
      check: () => checkParts(repository, manifest),
      ...(byDigest === undefined ? { tag: reference } : {}),
      ...(referrer ? { referrer: { subject: referrer.subject, entry: referrer.descriptor } } : {}),
    });
    await reply.empty(201, {
      Location: `/v2/${repository}/manifests/${digest}`,
      'Docker-Content-Digest': digest,
      ...(referrer ? { 'OCI-Subject': referrer.subject } : {}),
    });
  };

  const remove = async ({ params, reply }: Exchange): Promise<void> => {
    if (!(await storage.removeManifest(repositoryOf(params), referenceOf(params))))
      throw fault('MANIFEST_UNKNOWN', 'manifest unknown');
    await reply.empty(202);
  };

  const referrers = async ({ params, query, reply }: Exchange): Promise<void> => {
    const all = await storage.referrers(repositoryOf(params), digestOfText(params['digest']));
    const type = query.get('artifactType');
    const manifests = type === undefined ? all : all.filter(({ artifactType }) => artifactType === type);
    const index = { schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests };
    const filtered = type === undefined ? {} : { 'OCI-Filters-Applied': 'artifactType' };
    await reply.json(200, index, { 'Content-Type': MEDIA_TYPES.ociIndex, ...filtered });
  };

  const pattern = '/v2/{name:.*}/manifests/{reference}';
  return [
    { method: 'GET', pattern, handler: get },
    { method: 'PUT', pattern, handler: put },
    { method: 'DELETE', pattern, handler: remove },
    { method: 'GET', pattern: '/v2/{name:.*}/referrers/{digest}', handler: referrers },
  ];
}
