import { type CallOptions, EngineError, isKind, unavailable, wrap } from '@berth/base';
import { type ByteStream, type Descriptor, verifyStream } from '@berth/oci';
import type { Session } from './session.ts';
import { expectStatus, headerOf, readText, type TransportResponse } from './transport.ts';

/** What an upload works with. */
export interface UploadContext {
  readonly session: Session;
  /** Repository path. */
  readonly path: string;
  readonly scopes: readonly string[];
  /** Bytes per PATCH; undefined sends the whole blob in one PUT. */
  readonly chunkBytes: number | undefined;
}

const locationOf = (context: UploadContext, response: TransportResponse, previous?: URL): URL => {
  const location = headerOf(response, 'location');
  const base = previous ?? new URL(`${context.session.endpoint.base}/v2/${context.path}/blobs/uploads/`);
  const url = location === undefined ? null : URL.parse(location, base);
  if (url === null || !/^https?:$/.test(url.protocol)) throw unavailable('the registry gave no address to upload to');
  return url;
};

const withDigest = (url: URL, descriptor: Descriptor): URL => {
  const target = new URL(url);
  target.searchParams.set('digest', descriptor.digest);
  return target;
};

const begin = async (context: UploadContext, options: CallOptions): Promise<URL> => {
  const { session, path, scopes } = context;
  const response = await session.send({
    ...options,
    method: 'POST',
    target: `/v2/${path}/blobs/uploads/`,
    scopes,
    body: new Uint8Array(),
  });
  await expectStatus(response, 202);
  await response.body.dump();
  return locationOf(context, response);
};

/** Gives an upload up; failures do not matter, the registry forgets it in time. */
export async function cancelUpload(context: UploadContext, location: URL): Promise<void> {
  try {
    const response = await context.session.send({
      method: 'DELETE',
      target: location,
      scopes: context.scopes,
      signal: AbortSignal.timeout(5000),
    });
    await response.body.dump();
  } catch {
    // Nothing of ours is lost.
  }
}

const finish = async (
  context: UploadContext,
  location: URL,
  descriptor: Descriptor,
  body: ByteStream,
  size: number,
  options: CallOptions,
): Promise<void> => {
  const response = await context.session.send({
    ...options,
    method: 'PUT',
    target: withDigest(location, descriptor),
    scopes: context.scopes,
    headers: { 'content-type': 'application/octet-stream', 'content-length': String(size) },
    body: size === 0 ? new Uint8Array() : body,
  });
  await expectStatus(response, 201, 204);
  await response.body.dump();
};

async function* regroup(body: ByteStream, size: number): ByteStream {
  let held: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    held.push(chunk);
    bytes += chunk.byteLength;
    if (bytes < size) continue;
    yield Buffer.concat(held, bytes);
    held = [];
    bytes = 0;
  }
  if (bytes > 0) yield Buffer.concat(held, bytes);
}

const sendChunks = async (
  context: UploadContext,
  begun: URL,
  body: ByteStream,
  chunkBytes: number,
  options: CallOptions,
): Promise<URL> => {
  let location = begun;
  let at = 0;
  for await (const chunk of regroup(body, chunkBytes)) {
    const response = await context.session.send({
      ...options,
      method: 'PATCH',
      target: location,
      scopes: context.scopes,
      headers: {
        'content-type': 'application/octet-stream',
        'content-length': String(chunk.byteLength),
        'content-range': `${at}-${at + chunk.byteLength - 1}`,
      },
      body: chunk,
    });
    await expectStatus(response, 202);
    await response.body.dump();
    location = locationOf(context, response, location);
    at += chunk.byteLength;
  }
  return location;
};

/** The error that broke the source is worth more than what the connection made of it. */
async function* remember(body: ByteStream, failure: { error?: unknown }): ByteStream {
  try {
    yield* body;
  } catch (error) {
    failure.error = error;
    throw error;
  }
}

async function* nothing(): ByteStream {}

/** Uploads a blob; whatever goes wrong, the upload is cancelled and the registry keeps nothing. */
export async function uploadBlob(
  context: UploadContext,
  descriptor: Descriptor,
  body: ByteStream,
  options: CallOptions,
): Promise<void> {
  const location = await begin(context, options);
  const source: { error?: unknown } = {};
  const verified = remember(verifyStream(body, descriptor, options), source);
  try {
    if (context.chunkBytes === undefined && descriptor.size > 0)
      await finish(context, location, descriptor, verified, descriptor.size, options);
    else {
      const last = await sendChunks(context, location, verified, context.chunkBytes ?? 1, options);
      await finish(context, last, descriptor, nothing(), 0, options);
    }
  } catch (error) {
    await cancelUpload(context, location);
    if (source.error !== undefined)
      throw source.error instanceof EngineError ? source.error : wrap('reading the blob failed', source.error);
    throw error;
  }
}

/** Asks for a blob of another repository; true when it is there now. */
export async function mountBlob(
  context: UploadContext,
  descriptor: Descriptor,
  from: string,
  options: CallOptions,
): Promise<boolean> {
  const { session, path } = context;
  const query = new URLSearchParams({ mount: descriptor.digest, from });
  const request = {
    ...options,
    method: 'POST',
    target: `/v2/${path}/blobs/uploads/?${query}`,
    body: new Uint8Array(),
  } as const;
  const response = await session.send({ ...request, scopes: [...context.scopes, `repository:${from}:pull`] });
  if (response.statusCode === 401 || response.statusCode === 403) {
    await readText(response);
    return false;
  }
  await expectStatus(response, 201, 202);
  await response.body.dump();
  if (response.statusCode === 201) return true;
  await cancelUpload(context, locationOf(context, response));
  return false;
}

/** True for failures after which the same blob may be sent anew. */
export function mayRetryUpload(error: unknown): boolean {
  return (
    isKind(error, 'unavailable') &&
    error instanceof EngineError &&
    (error.details['transient'] === true || Number(error.details['status'] ?? 0) >= 500)
  );
}
