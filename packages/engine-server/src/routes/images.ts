import { invalid, isKind, wrap } from '@berth/base';
import { applyChanges } from '@berth/builder';
import {
  atLeast,
  ContainerConfig,
  decodeRegistryAuth,
  type Filters,
  type RegistryAuth,
  type ImageInspect as WireInspect,
  type ImageManifestSummary as WireManifest,
  type ImageSummary as WireSummary,
} from '@berth/engine-api';
import type { Exchange } from '@berth/http';
import type { ImageRunConfig, ImageSummary, RegistryCredential, RemovedItem, TransferEvent } from '@berth/images';
import { type Descriptor, normalizePlatform, type Platform, parsePlatform, parseReference } from '@berth/oci';
import { labelMatches } from '../filters.ts';
import { ProgressStream, renderTransfer } from '../progress.ts';
import { inspectedAt, listedAt } from '../render/image-versions.ts';
import { renderImageInspect, renderManifest } from '../render/images.ts';
import { type ApiContext, handle, type RouteFactory } from '../route.ts';
import { matchHit } from '../search-filters.ts';
import type { EngineServices } from '../services.ts';
import { parseTimeQuery } from '../time.ts';

const JSON_TYPE = { 'Content-Type': 'application/json' };

export function credentialOf(auth: RegistryAuth | undefined): RegistryCredential | undefined {
  if (!auth) return undefined;
  const [user, password] = auth.auth ? Buffer.from(auth.auth, 'base64').toString('utf8').split(/:(.*)/s) : [];
  const username = auth.username ?? user;
  const secret = auth.password ?? password;
  return {
    ...(username ? { username } : {}),
    ...(secret ? { password: secret } : {}),
    ...(auth.identitytoken ? { identityToken: auth.identitytoken } : {}),
    ...(auth.registrytoken ? { registryToken: auth.registrytoken } : {}),
  };
}

export function headerCredential(exchange: Exchange<ApiContext>): { readonly credential?: RegistryCredential } {
  const header = exchange.headers['x-registry-auth'];
  const credential = credentialOf(decodeRegistryAuth(Array.isArray(header) ? header[0] : header));
  return credential ? { credential } : {};
}

/** Platform of a query: an OCI object, or text. */
const platformOption = (platform: unknown): { readonly platform?: Platform } =>
  platform ? { platform: platform as Platform } : {};

/** Platforms of a query, known from API 1.48 on; several are more than dockerd takes before 1.52. */
const platformList = (texts: readonly string[] = [], version: string): { readonly platforms?: readonly Platform[] } => {
  if (!atLeast(version, '1.48')) return {};
  const given = texts.filter((text) => text !== '');
  return given.length === 0 ? {} : { platforms: given.map(platformOf) };
};

function platformOf(text: string): Platform {
  if (!text.startsWith('{')) return parsePlatform(text);
  const { os, architecture, variant, 'os.version': version } = jsonObject(text);
  if (!isText(os) || !isText(architecture)) throw invalid('both OS and Architecture must be provided');
  return normalizePlatform({
    os,
    architecture,
    ...(isText(variant) ? { variant } : {}),
    ...(isText(version) ? { 'os.version': version } : {}),
  });
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';

function jsonObject(text: string): Readonly<Record<string, unknown>> {
  try {
    return { ...(JSON.parse(text) as object) };
  } catch (error) {
    throw wrap('failed to parse platform', error, 'invalid');
  }
}

/** Signatures and other referrers travel when asked for, or when the daemon is set up so. */
const referrersOption = (referrers: boolean | undefined): { readonly referrers?: boolean } =>
  referrers === undefined ? {} : { referrers };

export function renderImageSummary(image: ImageSummary): WireSummary {
  return {
    Containers: image.containers,
    Created: Math.floor(image.createdAt.getTime() / 1000),
    Id: image.id,
    Labels: { ...image.labels },
    ParentId: image.parentId,
    Descriptor: { mediaType: image.target.mediaType, digest: image.target.digest, size: image.target.size },
    RepoDigests: [...image.repoDigests],
    RepoTags: [...image.repoTags],
    SharedSize: image.sharedSize,
    Size: image.size,
  };
}

const list = handle('ImageList', async ({ query, services, exchange, version, signal }) => {
  const filters = { ...query.filters, ...(query.filter ? { reference: [query.filter] } : {}) };
  const found = await services.images.list({
    all: query.all ?? false,
    filters,
    sharedSize: atLeast(version, '1.42') && (query['shared-size'] ?? false),
    signal,
  });
  const rendered = await Promise.all(
    found.map(async (image) => ({
      ...listedAt(version, renderImageSummary(image)),
      ...(query.manifests && atLeast(version, '1.47')
        ? { Manifests: await manifestsOf(services, image.id, signal) }
        : {}),
    })),
  );
  await exchange.reply.json(200, rendered);
});

async function manifestsOf(services: EngineServices, name: string, signal: AbortSignal): Promise<WireManifest[]> {
  try {
    return (await services.images.manifests(name, { signal })).map(renderManifest);
  } catch (error) {
    // Removed since it was listed, or nothing that can be read: that must not take the list away.
    if (isKind(error, 'notFound', 'invalid', 'dataLoss', 'tooLarge')) return [];
    throw error;
  }
}

const inspect = handle('ImageInspect', async ({ params, query, services, exchange, version, signal }) => {
  if (query.manifests && query.platform)
    throw invalid('conflicting options: manifests and platform options cannot both be set');
  const image = await services.images.resolve(params.name, { signal, ...platformOption(query.platform) });
  const rendered = await renderImageInspect(services, image);
  const inspected = inspectedAt(version, query.platform ? { ...rendered, ...ofManifest(image.manifest) } : rendered);
  await exchange.reply.json(200, {
    ...inspected,
    ...(readsContainerConfig(version, exchange.headers) ? { Container: '', ContainerConfig: inspected.Config } : {}),
    ...(query.manifests ? { Manifests: await manifestsOf(services, image.id, signal) } : {}),
  });
});

/** With a platform in the request the answer is about that platform's manifest, not about the index. */
const ofManifest = (manifest: Descriptor): { Id: string; Descriptor: NonNullable<WireInspect['Descriptor']> } => ({
  Id: manifest.digest,
  Descriptor: structuredClone(manifest) as unknown as NonNullable<WireInspect['Descriptor']>,
});

/**
 * The field went with API 1.45. Compose v1 takes the daemon's newest version, whichever that is, and fails without the
 * field when it puts a new container in an old one's place.
 */
const readsContainerConfig = (version: string, headers: Exchange['headers']): boolean =>
  !atLeast(version, '1.45') || /^docker-compose\/1\./.test(headers['user-agent'] ?? '');

const history = handle('ImageHistory', async ({ params, query, services, exchange, signal }) => {
  const entries = await services.images.history(params.name, { signal, ...platformOption(query.platform) });
  await exchange.reply.json(
    200,
    entries.map((e) => ({
      Comment: e.comment,
      Created: Math.floor(e.createdAt.getTime() / 1000),
      CreatedBy: e.createdBy,
      Id: e.id,
      Size: e.size,
      Tags: e.tags.length > 0 ? [...e.tags] : null,
    })),
  );
});

/** `repo` and `tag` of a query as one reference; a tag may be a digest. */
export function joinReference(repo: string, tag: string | undefined): string {
  if (!tag) return repo;
  return tag.includes(':') ? `${repo}@${tag}` : `${repo}:${tag}`;
}

const create = handle('ImageCreate', async ({ query, services, exchange, signal }) => {
  const progress = new ProgressStream(() => exchange.reply.stream(200, JSON_TYPE));
  const platform = query.platform ? { platform: parsePlatform(query.platform) } : {};
  try {
    if (query.fromImage) {
      const reference = joinReference(query.fromImage, query.tag);
      const pull = isNameOnly(reference) ? services.images.pullAll : services.images.pull;
      await pull(reference, {
        ...platform,
        ...referrersOption(query.referrers),
        ...headerCredential(exchange),
        signal,
        onProgress: (event) => progress.write(renderTransfer(event, 'pull')),
      });
    } else if (query.fromSrc) {
      const source = query.fromSrc === '-' ? exchange.body.stream() : await download(query.fromSrc, progress, signal);
      const image = await services.images.import(source, {
        ...platform,
        ...(query.repo ? { reference: joinReference(query.repo, query.tag) } : {}),
        message: query.message || `Imported from ${query.fromSrc}`,
        config: applyChanges({}, query.changes ?? []),
        signal,
      });
      progress.write({ status: image.id });
    } else throw invalid('either fromImage or fromSrc is required');
  } catch (error) {
    progress.fail(error);
  }
  await progress.end();
});

/** A reference without tag and digest means every tag. */
function isNameOnly(text: string): boolean {
  const { tag, digest } = parseReference(text);
  return tag === undefined && digest === undefined;
}

/** As dockerd: a source without a scheme is fetched by http. */
async function download(
  source: string,
  progress: ProgressStream,
  signal: AbortSignal,
): Promise<AsyncIterable<Uint8Array>> {
  const url = source.includes('://') ? source : `http://${source}`;
  if (!/^https?:\/\/./.test(url)) throw invalid(`unsupported URL for import: ${source}`);
  progress.write({ status: `Downloading from ${url}` });
  let response: Response;
  try {
    response = await fetch(url, { signal });
  } catch (error) {
    throw wrap(`cannot download ${url}`, error instanceof Error ? (error.cause ?? error) : error, 'unavailable');
  }
  if (response.ok && response.body) return response.body;
  await response.body?.cancel();
  throw invalid(`cannot download ${url}: ${response.status} ${response.statusText}`.trim());
}

const push = handle('ImagePush', async ({ params, query, services, exchange, signal }) => {
  const progress = new ProgressStream(() => exchange.reply.stream(200, JSON_TYPE));
  try {
    const reference = joinReference(params.name, query.tag);
    const options = {
      ...platformOption(query.platform),
      ...referrersOption(query.referrers),
      ...headerCredential(exchange),
      signal,
      onProgress: (event: TransferEvent) => progress.write(renderTransfer(event, 'push')),
    };
    const results = isNameOnly(reference)
      ? await services.images.pushAll(reference, options)
      : [await services.images.push(reference, options)];
    for (const { tag: pushed, digest, size } of results) {
      progress.write({ status: `${pushed}: digest: ${digest} size: ${size}` });
      progress.write({ progressDetail: {}, aux: { Tag: pushed, Digest: digest, Size: size } });
    }
  } catch (error) {
    progress.fail(error);
  }
  await progress.end();
});

const tag = handle('ImageTag', async ({ params, query, services, exchange }) => {
  if (!query.repo) throw invalid('invalid reference format');
  await services.images.tag(params.name, joinReference(query.repo, query.tag));
  await exchange.reply.empty(201);
});

export const renderRemoved = (item: RemovedItem): { Untagged?: string; Deleted?: string } =>
  'untagged' in item ? { Untagged: item.untagged } : { Deleted: item.deleted };

const remove = handle('ImageDelete', async ({ params, query, services, exchange, signal }) => {
  const removed = await services.images.remove(params.name, {
    force: query.force ?? false,
    noPrune: query.noprune ?? false,
    platforms: (query.platforms ?? []).map(platformOf),
    signal,
  });
  await exchange.reply.json(200, removed.map(renderRemoved));
});

const prune = handle('ImagePrune', async ({ query, services, exchange, signal }) => {
  const filters: Filters = query.filters ?? {};
  for (const key of Object.keys(filters))
    if (!['dangling', 'label', 'label!', 'until'].includes(key)) throw invalid(`invalid filter '${key}'`);
  const until = parseTimeQuery(filters['until']?.[0], services.clock.now());
  const { removed, bytes } = await services.images.prune({
    signal,
    dangling: !['false', '0'].includes(filters['dangling']?.[0] ?? 'true'),
    matches: (image) =>
      (filters['label'] ?? []).every((label) => labelMatches(image.labels, label)) &&
      (filters['label!'] ?? []).every((label) => !labelMatches(image.labels, label)) &&
      (until === undefined || BigInt(image.createdAt.getTime()) * 1_000_000n < until),
  });
  await exchange.reply.json(200, {
    ImagesDeleted: removed.length > 0 ? removed.map(renderRemoved) : null,
    SpaceReclaimed: bytes,
  });
});

const TAR = { 'Content-Type': 'application/x-tar' };

const get = handle('ImageGet', async ({ params, query, version, services, exchange, signal }) => {
  await exchange.reply.pipe(
    200,
    await services.images.save([params.name], {
      signal,
      ...platformList(query.platform, version),
      ...referrersOption(query.referrers),
    }),
    TAR,
  );
});

const getAll = handle('ImageGetAll', async ({ query, version, services, exchange, signal }) => {
  await exchange.reply.pipe(
    200,
    await services.images.save(query.names ?? [], {
      signal,
      ...platformList(query.platform, version),
      ...referrersOption(query.referrers),
    }),
    TAR,
  );
});

const load = handle('ImageLoad', async ({ query, version, services, exchange, signal }) => {
  const progress = new ProgressStream(() => exchange.reply.stream(200, JSON_TYPE));
  try {
    const loaded = await services.images.load(exchange.body.stream(), {
      signal,
      ...platformList(query.platform, version),
      ...(query.quiet ? {} : { onProgress: (event) => progress.write(renderTransfer(event, 'pull')) }),
    });
    for (const { id, name } of loaded)
      progress.write({ stream: name === undefined ? `Loaded image ID: ${id}\n` : `Loaded image: ${name}\n` });
  } catch (error) {
    progress.report(error);
  }
  await progress.end();
});

const commit = handle('ImageCommit', async ({ query, body, services, exchange, signal }) => {
  if (!query.container) throw invalid('container is required');
  const config = definedFields(body ?? {});
  const image = await services.containers.commit(query.container, {
    signal,
    pause: query.pause ?? true,
    ...(query.repo ? { reference: joinReference(query.repo, query.tag) } : {}),
    ...(query.author ? { author: query.author } : {}),
    ...(query.comment ? { comment: query.comment } : {}),
    ...(Object.keys(config).length > 0 ? { config } : {}),
    changeConfig: (given) => applyChanges(given, query.changes ?? []),
  });
  await exchange.reply.json(201, { Id: image.id });
});

/** The image-level fields of a container configuration that were really given. */
function definedFields(config: Readonly<Record<string, unknown>>): Partial<ImageRunConfig> {
  const fields = [
    'User',
    'ExposedPorts',
    'Env',
    'Entrypoint',
    'Cmd',
    'Volumes',
    'WorkingDir',
    'Labels',
    'StopSignal',
    'Shell',
    'OnBuild',
    'Healthcheck',
  ];
  const isSet = (value: unknown): boolean =>
    value !== undefined &&
    value !== null &&
    value !== '' &&
    !(typeof value === 'object' && Object.keys(value).length === 0);
  return Object.fromEntries(
    Object.entries(config).filter(
      ([key, value]) => fields.includes(key) && key in ContainerConfig.properties && isSet(value),
    ),
  );
}

const search = handle('ImageSearch', async ({ query, services, exchange, signal }) => {
  const matches = matchHit(query.filters ?? {});
  const hits = await services.system.search(query.term ?? '', {
    signal,
    limit: query.limit,
    headers: metaHeaders(exchange),
    ...optionalCredential(exchange),
  });
  await exchange.reply.json(
    200,
    hits.filter(matches).map(({ name, description, stars, official }) => ({
      star_count: stars,
      is_official: official,
      name,
      is_automated: false,
      description,
    })),
  );
});

/** Anybody may search: credentials that cannot be read count as none, as for dockerd. */
function optionalCredential(exchange: Exchange<ApiContext>): ReturnType<typeof headerCredential> {
  try {
    return headerCredential(exchange);
  } catch (error) {
    if (isKind(error, 'invalid')) return {};
    throw error;
  }
}

/** What a client wants the registry to be told. */
const metaHeaders = ({ headers }: Exchange<ApiContext>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      name.startsWith('x-meta-') && typeof value === 'string' ? [[name, value]] : [],
    ),
  );

const distribution = handle('DistributionInspect', async ({ params, services, exchange, signal }) => {
  const { descriptor, platforms } = await services.system.distribution(params.name, {
    signal,
    ...headerCredential(exchange),
  });
  await exchange.reply.json(200, { Descriptor: descriptor, Platforms: platforms });
});

export const IMAGE_ROUTES: readonly RouteFactory[] = [
  list,
  search,
  getAll,
  load,
  create,
  prune,
  inspect,
  history,
  get,
  push,
  tag,
  remove,
  commit,
  distribution,
];
