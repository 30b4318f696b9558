import { type CallOptions, dataLoss, invalid, isKind, tooLarge } from '@berth/base';
import {
  type Descriptor,
  decodeManifest,
  digestAlgorithm,
  digestOf,
  isDigest,
  isSchema1Type,
  MANIFEST_MEDIA_TYPES,
  MAX_MANIFEST_SIZE,
  readAll,
} from '@berth/oci';
import { connectionFailure } from './failures.ts';
import { paced } from './paced.ts';
import { retried } from './retry.ts';
import type { Session } from './session.ts';
import { discard, expectStatus, headerOf, type TransportResponse } from './transport.ts';

export interface FetchedManifest {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

const ACCEPT = [...MANIFEST_MEDIA_TYPES, 'application/vnd.docker.distribution.manifest.v1+prettyjws;q=0.1'].join(', ');

const mediaTypeOf = (response: TransportResponse): string =>
  (headerOf(response, 'content-type') ?? '').split(';')[0]?.trim().toLowerCase() ?? '';

const refuseSchema1 = (mediaType: string): void => {
  if (isSchema1Type(mediaType)) decodeManifest(Buffer.from('{"schemaVersion":1}'), mediaType);
};

const readManifest = async (
  session: Session,
  target: string,
  reference: string,
  scopes: readonly string[],
  options: CallOptions,
): Promise<{ readonly response: TransportResponse; readonly bytes: Uint8Array }> => {
  const response = await session.send({ ...options, method: 'GET', target, scopes, headers: { accept: ACCEPT } });
  await expectStatus(response, 200);
  try {
    const bytes = await readAll(paced(response.body, session.limits), MAX_MANIFEST_SIZE, options);
    return { response, bytes };
  } catch (error) {
    response.body.on('error', () => undefined).destroy();
    if (isKind(error, 'tooLarge')) throw tooLarge(`manifest ${reference} has more than ${MAX_MANIFEST_SIZE} bytes`);
    throw connectionFailure('GET', session.urlOf(target), error, options.signal);
  }
};

/** `GET` of a manifest by tag or digest; bytes are checked against the digest asked for and the one announced. */
export async function getManifest(
  session: Session,
  path: string,
  reference: string,
  scopes: readonly string[],
  options: CallOptions,
): Promise<FetchedManifest> {
  const { response, bytes } = await retried(session.limits, options, () =>
    readManifest(session, `/v2/${path}/manifests/${reference}`, reference, scopes, options),
  );
  const announced = headerOf(response, 'docker-content-digest');
  const expected = isDigest(reference) ? reference : isDigest(announced) ? announced : undefined;
  const digest = digestOf(bytes, expected === undefined ? 'sha256' : digestAlgorithm(expected));
  if (expected !== undefined && digest !== expected)
    throw dataLoss(`manifest verification failed for digest ${expected}: content has ${digest}`);
  const mediaType = mediaTypeOf(response);
  refuseSchema1(mediaType);
  const known = MANIFEST_MEDIA_TYPES.includes(mediaType) ? mediaType : decodeManifest(bytes).mediaType;
  return { descriptor: { mediaType: known, digest, size: bytes.byteLength }, bytes };
}

/** `HEAD` of a manifest; undefined when the answer lacks what a descriptor needs. Throws as `GET` does. */
export async function headManifest(
  session: Session,
  path: string,
  reference: string,
  scopes: readonly string[],
  options: CallOptions,
): Promise<Descriptor | undefined> {
  const target = `/v2/${path}/manifests/${reference}`;
  const response = await session.send({ ...options, method: 'HEAD', target, scopes, headers: { accept: ACCEPT } });
  await discard(response);
  if (response.statusCode === 405) return undefined;
  await expectStatus(response, 200);
  const mediaType = mediaTypeOf(response);
  refuseSchema1(mediaType);
  const digest = headerOf(response, 'docker-content-digest');
  const size = Number(headerOf(response, 'content-length') ?? Number.NaN);
  if (isDigest(reference) && isDigest(digest) && digest !== reference)
    throw dataLoss(`registry answered with ${digest} when asked for ${reference}`);
  if (!isDigest(digest) || !Number.isSafeInteger(size) || size <= 0 || !MANIFEST_MEDIA_TYPES.includes(mediaType))
    return undefined;
  if (size > MAX_MANIFEST_SIZE)
    throw tooLarge(`manifest ${reference} has ${size} bytes, at most ${MAX_MANIFEST_SIZE} are read`);
  return { mediaType, digest, size };
}

/** `PUT` of a manifest by tag or digest. True when the registry itself keeps track of the manifest's `subject`. */
export async function putManifest(
  session: Session,
  path: string,
  reference: string,
  manifest: FetchedManifest,
  scopes: readonly string[],
  options: CallOptions,
): Promise<boolean> {
  const { descriptor, bytes } = manifest;
  const response = await session.send({
    ...options,
    method: 'PUT',
    target: `/v2/${path}/manifests/${reference}`,
    scopes,
    headers: { 'content-type': descriptor.mediaType },
    body: bytes,
  });
  await expectStatus(response, 201, 200, 202);
  await discard(response);
  const stored = headerOf(response, 'docker-content-digest');
  if (stored !== undefined && stored !== descriptor.digest)
    throw invalid(`registry stored the manifest as ${stored.slice(0, 200)} instead of ${descriptor.digest}`);
  return headerOf(response, 'oci-subject') !== undefined;
}
