import { type CallOptions, EngineError, isKind, type Logger, sleep, unavailable, wrap } from '@berth/base';
import { type ByteStream, type Descriptor, verifyStream } from '@berth/oci';
import { backoffMs, isPassing } from './retry.ts';
import type { Session } from './session.ts';
import { discard, expectStatus, headerOf, readText, type TransportResponse } from './transport.ts';

/** What an upload works with. */
export interface UploadContext {
  readonly session: Session;
  /** Repository path. */
  readonly path: string;
  readonly scopes: readonly string[];
  /** Bytes per PATCH; undefined sends the whole blob in one PUT. */
  readonly chunkBytes: number | undefined;
  readonly logger: Logger;
  /** Whether the registry has the blob: asked when the answer to the last request got lost. */
  readonly exists: (descriptor: Descriptor, options: CallOptions) => Promise<boolean>;
}

/** The bytes to upload. */
export interface UploadBody {
  readonly open: (offset: number) => Promise<ByteStream>;
  /** False when `open` can be called once only, with 0. */
  readonly again: boolean;
}

/** An upload under way at the registry. */
interface Upload {
  readonly location: URL;
  /** Bytes the registry has. */
  readonly offset: number;
  /** Smallest PATCH the registry takes. */
  readonly minChunk: number;
}

/** Most times one blob's upload is picked up again, however much progress each makes. */
const MAX_RESUMES = 100;
const MAX_CHUNK = 512 * 1024 * 1024;

const locationOf = (context: UploadContext, response: TransportResponse, previous?: URL): URL => {
  const location = headerOf(response, 'location');
  const base = previous ?? context.session.urlOf(`/v2/${context.path}/blobs/uploads/`);
  const url = location === undefined ? null : URL.parse(location, base);
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '')
    throw unavailable('the registry gave no address to upload to');
  if (base.protocol === 'https:' && url.protocol === 'http:' && context.session.endpoint.verify)
    throw unavailable('the registry wants the upload sent without encryption');
  return url;
};

const withDigest = (url: URL, descriptor: Descriptor): URL => {
  const target = new URL(url);
  target.searchParams.set('digest', descriptor.digest);
  return target;
};

const minChunkOf = (response: TransportResponse): number => {
  const given = Number(headerOf(response, 'oci-chunk-min-length') ?? 0);
  return Number.isSafeInteger(given) && given > 0 && given <= MAX_CHUNK ? given : 0;
};

const begin = async (context: UploadContext, options: CallOptions): Promise<Upload> => {
  const { session, path, scopes } = context;
  const response = await session.send({
    ...options,
    method: 'POST',
    target: `/v2/${path}/blobs/uploads/`,
    scopes,
    body: new Uint8Array(),
  });
  await expectStatus(response, 202);
  await discard(response);
  return { location: locationOf(context, response), offset: 0, minChunk: minChunkOf(response) };
};

/** What the registry confirms to have; undefined when it does not know the upload (any more). */
const status = async (
  context: UploadContext,
  upload: Upload,
  size: number,
  options: CallOptions,
): Promise<Upload | undefined> => {
  const { location, minChunk } = upload;
  const response = await context.session.send({ ...options, method: 'GET', target: location, scopes: context.scopes });
  await discard(response);
  const range = /^(?:bytes[ =])?0-(-?\d+)$/.exec(headerOf(response, 'range') ?? '');
  if (response.statusCode < 200 || response.statusCode > 299 || range === null) return undefined;
  const offset = Number(range[1]) + 1;
  // "0-0" is what an empty upload looks like, and one byte as well: only a registry that has more can be believed.
  if (offset <= 1 || offset > size) return undefined;
  const next = headerOf(response, 'location') === undefined ? location : locationOf(context, response, location);
  return { location: next, offset, minChunk };
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
    await discard(response);
  } catch {
    // Nothing of ours is lost.
  }
}

const finish = async (
  context: UploadContext,
  upload: Upload,
  descriptor: Descriptor,
  body: ByteStream,
  options: CallOptions,
): Promise<void> => {
  const { offset, location } = upload;
  const left = descriptor.size - offset;
  const response = await context.session.send({
    ...options,
    method: 'PUT',
    target: withDigest(location, descriptor),
    scopes: context.scopes,
    headers: {
      'content-type': 'application/octet-stream',
      'content-length': String(left),
      ...(offset > 0 && left > 0 ? { 'content-range': `${offset}-${descriptor.size - 1}` } : {}),
    },
    body: left === 0 ? new Uint8Array() : body,
  });
  await expectStatus(response, 201, 204);
  await discard(response);
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
  begun: Upload,
  body: ByteStream,
  chunkBytes: number,
  options: CallOptions,
): Promise<Upload> => {
  let { location, offset } = begun;
  for await (const chunk of regroup(body, Math.max(chunkBytes, begun.minChunk))) {
    const response = await context.session.send({
      ...options,
      method: 'PATCH',
      target: location,
      scopes: context.scopes,
      headers: {
        'content-type': 'application/octet-stream',
        'content-length': String(chunk.byteLength),
        'content-range': `${offset}-${offset + chunk.byteLength - 1}`,
      },
      body: chunk,
    });
    await expectStatus(response, 202);
    await discard(response);
    location = locationOf(context, response, location);
    offset += chunk.byteLength;
  }
  return { ...begun, location, offset };
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

const sendRest = async (
  context: UploadContext,
  upload: Upload,
  descriptor: Descriptor,
  body: UploadBody,
  options: CallOptions,
): Promise<void> => {
  const source: { error?: unknown } = {};
  try {
    if (upload.offset === descriptor.size && upload.offset > 0)
      return await finish(context, upload, descriptor, nothing(), options);
    const opened = await body.open(upload.offset);
    // Of a part only the registry can say whether it fits: it checks the digest of the whole.
    const checked = upload.offset === 0 ? verifyStream(opened, descriptor, options) : opened;
    const bytes = remember(checked, source);
    if (context.chunkBytes === undefined && descriptor.size > 0)
      return await finish(context, upload, descriptor, bytes, options);
    const sent = await sendChunks(context, upload, bytes, context.chunkBytes ?? 1, options);
    await finish(context, sent, descriptor, nothing(), options);
  } catch (error) {
    if (source.error === undefined) throw error;
    const known = source.error instanceof EngineError ? source.error : wrap('reading the blob failed', source.error);
    throw new EngineError(known.kind, known.message, { cause: source.error, details: { source: true } });
  }
};

const mayGoOn = (error: unknown): boolean => {
  if (!(error instanceof EngineError) || error.details['source'] === true) return false;
  const answered = Number(error.details['status'] ?? 0);
  // 416: the registry has another number of bytes than we think; 404: it has forgotten the upload.
  return isPassing(error) || answered >= 500 || answered === 416 || answered === 404;
};

/**
 * Uploads a blob. A connection that breaks and credentials that expire are survived: the upload goes on from the byte
 * the registry confirms. When it fails for good it is cancelled, and the registry keeps nothing.
 */
export async function uploadBlob(
  context: UploadContext,
  descriptor: Descriptor,
  body: UploadBody,
  options: CallOptions,
): Promise<void> {
  const { limits } = context.session;
  let upload = await begin(context, options);
  let fruitless = 0;
  let resumed = false;
  for (let tries = 0; ; tries++) {
    try {
      return await sendRest(context, upload, descriptor, body, options);
    } catch (error) {
      try {
        // A digest that is wrong after the upload was pieced together may be the registry's mistake: once more, whole.
        const pieced: boolean = resumed && isKind(error, 'dataLoss') && fruitless === 0;
        const goOn = body.again && tries < MAX_RESUMES && fruitless < limits.attempts && (mayGoOn(error) || pieced);
        if (!goOn) throw error;
        context.logger.debug('upload broke, continuing', { digest: descriptor.digest, at: upload.offset, error });
        await sleep(backoffMs(fruitless, limits), options);
        const state: Upload | undefined = pieced ? undefined : await status(context, upload, descriptor.size, options);
        fruitless = state !== undefined && state.offset > upload.offset ? 0 : fruitless + 1;
        resumed ||= state !== undefined;
        if (state === undefined && (await context.exists(descriptor, options))) return;
        if (state === undefined) await cancelUpload(context, upload.location);
        upload = state ?? (await begin(context, options));
      } catch (final) {
        await cancelUpload(context, upload.location);
        throw final;
      }
    }
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
  await discard(response);
  if (response.statusCode === 201) return true;
  await cancelUpload(context, locationOf(context, response));
  return false;
}
