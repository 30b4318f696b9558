import { type CallOptions, dataLoss, isKind, KeyedLock, type Logger, wrap } from '@berth/base';
import {
  type ByteStream,
  type CrossMounter,
  createDigester,
  type Deleter,
  type Descriptor,
  type Digest,
  decodeManifest,
  digestAlgorithm,
  isDigest,
  isForeignLayerType,
  isManifestType,
  MAX_MANIFEST_SIZE,
  type Reference,
  type ReferrerLister,
  type ResumablePusher,
  readAll,
  streamOf,
  type Target,
  verifyBytes,
} from '@berth/oci';
import { type BlobSource, blobStream } from './blob-stream.ts';
import { isBusy, isUnreachable, wasAnswered } from './failures.ts';
import { type FetchedManifest, getManifest, headManifest, putManifest } from './manifests.ts';
import type { TransferLimits } from './options.ts';
import { pages } from './pages.ts';
import { inParallel, type OpenPart, type ParallelRanges } from './parallel-ranges.ts';
import { addReferrer, referrerEntry, referrersTag } from './referrers-tag.ts';
import { isPassing } from './retry.ts';
import type { Session } from './session.ts';
import { discard, expectStatus, type TransportResponse } from './transport.ts';
import { mountBlob, type UploadContext, uploadBlob } from './upload.ts';
import { explainPull } from './wording.ts';

/**
 * One repository on a registry. References are tags or digests. Errors are worded as dockerd words them; credentials
 * appear in none.
 */
export interface Repository extends Target, CrossMounter, ReferrerLister, Deleter, ResumablePusher {
  readonly reference: Reference;
  tags(options?: CallOptions): Promise<readonly string[]>;
}

export interface RepositoryContext {
  readonly reference: Reference;
  /** In the order to try them. */
  readonly sessions: readonly Session[];
  readonly limits: TransferLimits;
  readonly logger: Logger;
  readonly chunkBytes: number | undefined;
  /** Mirrors that sent wrong bytes: `<base> <digest>`. */
  readonly distrusted: Set<string>;
  readonly parallel: ParallelRanges;
}

interface WatchedSource extends BlobSource {
  /** Whose bytes are in the stream so far. */
  readonly contributors: ReadonlySet<Session>;
}

/** The stream as it is; wrong bytes end with what `wrong` gives. */
async function* judged(stream: ByteStream, { digest }: Descriptor, wrong: () => Error): ByteStream {
  const digester = createDigester(digestAlgorithm(digest));
  for await (const chunk of stream) {
    digester.update(chunk);
    yield chunk;
  }
  if (digester.digest() !== digest) throw wrong();
}

const MAX_DISTRUSTED = 10_000;
const MAX_TAGS = 100_000;
const MAX_URLS = 4;
const KEPT_MANIFESTS = 8;

const rangeHeader = (start: number, end: number | undefined): Record<string, string> =>
  start === 0 && end === undefined ? {} : { range: `bytes=${start}-${end === undefined ? '' : end - 1}` };

export function createRepository(context: RepositoryContext): Repository {
  const { reference: repository, limits, logger } = context;
  const { path, domain } = repository;
  const pull = [`repository:${path}:pull`];
  const push = [`repository:${path}:pull,push`];
  const sent = new Map<Digest, FetchedManifest>();
  let chosen: Session | undefined;
  const skipped = new Set<Session>();
  const referrerLock = new KeyedLock();

  /** Tries endpoints in order: mirrors may fail in any way, the registry's own only by not being there. */
  const trySessions = async <T>(mirrors: boolean, work: (session: Session) => Promise<T>): Promise<T> => {
    const candidates = context.sessions.filter(
      (session) => (mirrors || !session.endpoint.mirror) && !skipped.has(session),
    );
    const order =
      chosen !== undefined && candidates.includes(chosen) && !chosen.endpoint.mirror ? [chosen] : candidates;
    for (const [index, session] of order.entries()) {
      const last = index === order.length - 1;
      try {
        const result = await work(session);
        if (!session.endpoint.mirror) chosen = session;
        return result;
      } catch (error) {
        const next = session.endpoint.mirror ? !isKind(error, 'cancelled') : isUnreachable(error);
        if (last || !next) {
          if (!session.endpoint.mirror && wasAnswered(error)) chosen = session;
          throw error;
        }
        if (isUnreachable(error) || isPassing(error) || isBusy(error)) skipped.add(session);
        logger.debug('endpoint failed, trying the next', { endpoint: session.endpoint.base, error });
      }
    }
    throw wrap('no endpoint to try', new Error(domain), 'unavailable');
  };

  const uploadContext = (session: Session): UploadContext => ({
    session,
    path,
    scopes: push,
    chunkBytes: context.chunkBytes,
    logger,
    exists: (descriptor, options) => existsAt(session, descriptor, options),
  });
  const remember = (manifest: FetchedManifest): void => {
    sent.set(manifest.descriptor.digest, manifest);
    const [oldest] = sent.keys();
    if (sent.size > KEPT_MANIFESTS && oldest !== undefined) sent.delete(oldest);
  };

  const openBlob =
    (session: Session, descriptor: Descriptor, end: number | undefined, options: CallOptions) =>
    async (start: number): Promise<TransportResponse> => {
      const response = await session.send({
        signal: options.signal,
        method: 'GET',
        target: `/v2/${path}/blobs/${descriptor.digest}`,
        scopes: pull,
        headers: { 'accept-encoding': 'identity', ...rangeHeader(start, end) },
      });
      await expectStatus(response, 200, 206);
      return response;
    };

  /** A layer that the registry does not have, from where its manifest says that it is. */
  const openElsewhere = async (
    descriptor: Descriptor,
    start: number,
    end: number | undefined,
    options: CallOptions,
    absent: unknown,
  ): Promise<TransportResponse> => {
    const session = chosen ?? context.sessions.at(-1);
    for (const text of (descriptor.urls ?? []).slice(0, MAX_URLS)) {
      const url = URL.parse(text);
      if (session === undefined || url === null || !/^https?:$/.test(url.protocol) || url.username !== '') continue;
      const headers = { 'accept-encoding': 'identity', ...rangeHeader(start, end) };
      try {
        const response = await session.send({
          signal: options.signal,
          method: 'GET',
          target: url,
          scopes: [],
          headers,
        });
        await expectStatus(response, 200, 206);
        return response;
      } catch (error) {
        if (isKind(error, 'cancelled', 'deadline')) throw error;
        logger.warn('a layer cannot be had from where its manifest says', { digest: descriptor.digest, error });
      }
    }
    throw absent;
  };

  const fetchManifest = async (descriptor: Descriptor, options: CallOptions): Promise<FetchedManifest> => {
    const known = sent.get(descriptor.digest);
    if (known !== undefined) return known;
    try {
      return await trySessions(true, (session) => getManifest(session, path, descriptor.digest, pull, options));
    } catch (error) {
      throw explainPull(error, repository, descriptor.digest);
    }
  };

  const listReferrer = async (session: Session, manifest: FetchedManifest, options: CallOptions): Promise<void> => {
    const entry = referrerEntry(manifest);
    if (entry === undefined) return;
    using _held = await referrerLock.acquire(entry.subject, options);
    const tag = referrersTag(entry.subject);
    const index = addReferrer(await getIndex(session, tag, options), entry.descriptor);
    if (index !== undefined) await putManifest(session, path, tag, index, push, options);
  };

  const pushManifest = async (manifest: FetchedManifest, name: string, options: CallOptions): Promise<void> => {
    await trySessions(false, async (session) => {
      const tracked = await putManifest(session, path, name, manifest, push, options);
      if (!tracked) await listReferrer(session, manifest, options);
    });
    remember(manifest);
  };

  const pushFrom: ResumablePusher['pushFrom'] = async (descriptor, open, options = {}) => {
    if (isManifestType(descriptor.mediaType)) return self.push(descriptor, await open(0), options);
    const body = { open, again: true };
    await trySessions(false, (session) => uploadBlob(uploadContext(session), descriptor, body, options));
  };

  const existsAt = async (session: Session, descriptor: Descriptor, options: CallOptions): Promise<boolean> => {
    const kind = isManifestType(descriptor.mediaType) ? 'manifests' : 'blobs';
    const response = await session.send({
      signal: options.signal,
      method: 'HEAD',
      target: `/v2/${path}/${kind}/${descriptor.digest}`,
      scopes: push,
      headers: kind === 'manifests' ? { accept: descriptor.mediaType } : {},
    });
    await discard(response);
    if (response.statusCode === 404) return false;
    await expectStatus(response, 200);
    return true;
  };

  /** Opens a blob where it was opened last; a mirror that fails is left for good, also in the middle. */
  const watchMirrors = (stream: ByteStream, descriptor: Descriptor, contributors: ReadonlySet<Session>): ByteStream => {
    const distrust = (): Error => {
      const bases: string[] = [];
      for (const { endpoint } of contributors) {
        if (!endpoint.mirror || context.distrusted.size >= MAX_DISTRUSTED) continue;
        context.distrusted.add(`${endpoint.base} ${descriptor.digest}`);
        bases.push(endpoint.base);
        logger.warn('mirror sent wrong bytes, not asked for them again', {
          mirror: endpoint.base,
          digest: descriptor.digest,
        });
      }
      const text = `the bytes of ${descriptor.digest} that came from ${bases.join(', ') || 'a mirror'} are wrong`;
      return dataLoss(text, { details: { elsewhere: bases.length > 0 } });
    };
    return [...contributors].some(({ endpoint }) => endpoint.mirror) ? judged(stream, descriptor, distrust) : stream;
  };

  const openBlobs = (
    descriptor: Descriptor,
    end: number | undefined,
    options: CallOptions,
    contributors = new Set<Session>(),
  ): WatchedSource => {
    let current: Session | undefined;
    return {
      contributors,
      open: async (start) => {
        if (current !== undefined) return await openBlob(current, descriptor, end, options)(start);
        try {
          return await trySessions(true, async (session) => {
            if (context.distrusted.has(`${session.endpoint.base} ${descriptor.digest}`))
              throw dataLoss(`${session.endpoint.base} sent wrong bytes of ${descriptor.digest} before`);
            const response = await openBlob(session, descriptor, end, options)(start);
            current = session;
            contributors.add(session);
            return response;
          });
        } catch (error) {
          if (!isKind(error, 'notFound') || !isForeignLayerType(descriptor.mediaType)) throw error;
          return await openElsewhere(descriptor, start, end, options, error);
        }
      },
      giveUp: (error) => {
        if (current?.endpoint.mirror !== true) return false;
        logger.warn('mirror failed in the middle of a blob', { mirror: current.endpoint.base, error });
        skipped.add(current);
        current = undefined;
        return true;
      },
    };
  };

  const getIndex = async (session: Session, tag: string, options: CallOptions): Promise<readonly Descriptor[]> => {
    try {
      const manifest = decodeManifest((await getManifest(session, path, tag, pull, options)).bytes);
      return manifest.kind === 'index' ? manifest.index.manifests : [];
    } catch (error) {
      if (isKind(error, 'notFound')) return [];
      throw error;
    }
  };

  const self: Repository = {
    reference: repository,

    async fetch(descriptor, options = {}) {
      const { range, signal } = options;
      if (isManifestType(descriptor.mediaType)) {
        const { bytes } = await fetchManifest(descriptor, { signal });
        return streamOf(bytes.subarray(range?.start ?? 0, range?.end));
      }
      const whole = openBlobs(descriptor, range?.end, { signal });
      const start = range?.start ?? 0;
      const end = Math.min(range?.end ?? descriptor.size, descriptor.size);
      const { parallel } = context;
      if (parallel.connections > 1 && end - start >= parallel.minBytes) {
        const contributors = new Set<Session>();
        const firstEnd = start + parallel.partBytes;
        const source = openBlobs(descriptor, firstEnd, { signal }, contributors);
        const first = await source.open(start);
        // A registry that answers with everything gets to send everything.
        if (first.statusCode !== 206) return blobStream(first, descriptor, whole, { ...options, limits, logger });
        const given: { stream?: ByteStream } = {
          stream: blobStream(first, descriptor, source, { range: { start, end: firstEnd }, limits, logger, signal }),
        };
        const open: OpenPart = async (from, to, call) => {
          const { stream } = given;
          delete given.stream;
          if (stream !== undefined) return stream;
          const part = openBlobs(descriptor, to, call, contributors);
          const response = await part.open(from);
          return blobStream(response, descriptor, part, { range: { start: from, end: to }, limits, logger, ...call });
        };
        const stream = inParallel(start, end, open, parallel, { signal });
        return range === undefined ? watchMirrors(stream, descriptor, contributors) : stream;
      }
      const first = await whole.open(start);
      const stream = blobStream(first, descriptor, whole, { ...options, limits, logger });
      return range === undefined ? watchMirrors(stream, descriptor, whole.contributors) : stream;
    },

    async exists(descriptor, options = {}) {
      return trySessions(false, (session) => existsAt(session, descriptor, options));
    },

    async push(descriptor, body, options = {}) {
      if (!isManifestType(descriptor.mediaType))
        return trySessions(false, (session) =>
          uploadBlob(uploadContext(session), descriptor, { open: async () => body, again: false }, options),
        );
      const bytes = await readAll(body, MAX_MANIFEST_SIZE, options);
      verifyBytes(bytes, descriptor);
      const { mediaType, digest, size } = descriptor;
      await pushManifest({ descriptor: { mediaType, digest, size }, bytes }, digest, options);
    },

    pushFrom,

    async resolve(name, options = {}) {
      try {
        return await trySessions(true, async (session) => {
          const found = await headManifest(session, path, name, pull, options);
          if (found !== undefined) return found;
          const manifest = await getManifest(session, path, name, pull, options);
          remember(manifest);
          return manifest.descriptor;
        });
      } catch (error) {
        throw explainPull(error, repository, name);
      }
    },

    async tag(descriptor, name, options = {}) {
      const manifest = await fetchManifest(descriptor, options);
      if (!isDigest(name)) await pushManifest(manifest, name, options);
    },

    mount: (descriptor, from, options = {}) =>
      trySessions(false, (session) =>
        mountBlob(uploadContext(session), descriptor, from.replace(`${domain}/`, ''), options),
      ),

    async referrers(subject, options = {}) {
      const found: Descriptor[] = [];
      try {
        await trySessions(true, async (session) => {
          for await (const page of pages(session, `/v2/${path}/referrers/${subject.digest}`, pull, options)) {
            const manifest = decodeManifest(Buffer.from(JSON.stringify({ ...page, schemaVersion: 2 })));
            if (manifest.kind === 'index') found.push(...manifest.index.manifests);
          }
        });
        return found;
      } catch (error) {
        if (isKind(error, 'notFound', 'notImplemented'))
          return trySessions(true, (session) => getIndex(session, referrersTag(subject.digest), options));
        throw error;
      }
    },

    async delete(descriptor, options = {}) {
      const kind = isManifestType(descriptor.mediaType) ? 'manifests' : 'blobs';
      sent.delete(descriptor.digest);
      await trySessions(false, async (session) => {
        const target = `/v2/${path}/${kind}/${descriptor.digest}`;
        const scopes = [`repository:${path}:delete,pull,push`];
        const response = await session.send({ signal: options.signal, method: 'DELETE', target, scopes });
        await expectStatus(response, 200, 202, 204);
        await discard(response);
      });
    },

    async tags(options = {}) {
      const names: string[] = [];
      await trySessions(true, async (session) => {
        for await (const page of pages(session, `/v2/${path}/tags/list`, pull, options)) {
          const list: unknown = page['tags'];
          if (Array.isArray(list)) names.push(...list.filter((name): name is string => typeof name === 'string'));
          if (names.length > MAX_TAGS) return;
        }
      });
      return names;
    },
  };
  return self;
}
