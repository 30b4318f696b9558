import { createHash } from 'node:crypto';
import { readSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { createSystemClock, type EngineEvent, silentLogger } from '@berth/base';
import { contentDiskReport, type FollowedFile, type OpenedContentStore, openContentStore } from '@berth/content';
import {
  type ByteStream,
  createMemoryTarget,
  type Descriptor,
  type Digest,
  digestOf,
  MEDIA_TYPES,
  type MemoryTarget,
  type Platform,
  streamOf,
} from '@berth/oci';
import { createVfsSnapshotter, type StoredSnapshotter, snapshotDiskReport } from '@berth/snapshots';
import { type Leases, openLeases, openState, type State } from '@berth/state';
import { createImageService, type OwnedImageService } from './create-image-service.ts';
import type { ImageServiceDeps, ImageUser, LayerTools } from './deps.ts';
import { writeTar } from './tar-write.ts';

/** A whole image store in a temporary directory, with a registry in memory and layers that are only hashed. For tests. */
export interface TestStore extends AsyncDisposable {
  readonly root: string;
  readonly state: State;
  readonly content: OpenedContentStore;
  readonly snapshotter: StoredSnapshotter;
  readonly leases: Leases;
  readonly images: OwnedImageService;
  readonly users: Map<string, ImageUser[]>;
  readonly events: Pick<EngineEvent, 'type' | 'action' | 'actor'>[];
  readonly registry: MemoryRegistry;
}

export async function openTestStore(
  options: { readonly registry?: MemoryRegistry; readonly deps?: Partial<ImageServiceDeps> } = {},
): Promise<TestStore> {
  const root = await mkdtemp(join(process.env['BERTH_TEST_TMP'] ?? '/dev/shm', 'berth-test-images-'));
  const state = openState(join(root, 'berth.db'));
  const content = await openContentStore({ root: join(root, 'content'), state });
  const snapshotter = createVfsSnapshotter({ root: join(root, 'snapshots'), state });
  const leases = openLeases(state);
  const registry = options.registry ?? createMemoryRegistry();
  const users = new Map<string, ImageUser[]>();
  const events: TestStore['events'] = [];
  const mountRoot = join(root, 'mnt');
  await mkdir(mountRoot);
  const images = createImageService({
    state,
    content,
    snapshotter,
    leases,
    registry,
    layerTools: fakeLayerTools,
    emit: (type, action, id, attributes = {}) => events.push({ type, action, actor: { id, attributes } }),
    inUse: (id) => users.get(id) ?? [],
    clock: createSystemClock(),
    logger: silentLogger,
    mountRoot,
    hostPlatform: { os: 'linux', architecture: 'amd64' },
    ...options.deps,
  });
  return {
    root,
    state,
    content,
    snapshotter,
    leases,
    images,
    users,
    events,
    registry,
    async [Symbol.asyncDispose]() {
      images[Symbol.dispose]();
      await content[Symbol.asyncDispose]();
      state[Symbol.dispose]();
      await rm(root, { recursive: true });
    },
  };
}

/** Leaves one file per layer, so that a test can see which layers a snapshot was made of. */
export const fakeLayerTools: LayerTools = {
  async apply(source, { directory }) {
    const bytes = unpacked('path' in source ? await readFile(source.path) : await followed(source));
    const diffId = digestOf(bytes);
    await writeFile(join(directory, diffId.slice(7, 19)), diffId);
    return { diffId };
  },
  mayDiffer: () => false,
  async write() {
    return undefined;
  },
  async *decompress(source) {
    yield unpacked(await bytesOf(source));
  },
};

const followed = async ({ fd, growth }: FollowedFile): Promise<Uint8Array> => {
  for (let seen = Atomics.load(growth.cell, 0); !growth.ended; seen = Atomics.load(growth.cell, 0))
    await Atomics.waitAsync(growth.cell, 0, seen).value;
  if (growth.givenUp) throw new Error('given up');
  const bytes = Buffer.alloc(growth.length);
  readSync(fd, bytes, 0, bytes.length, 0);
  return bytes;
};

const unpacked = (bytes: Uint8Array): Uint8Array =>
  bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes;

export async function bytesOf(source: ByteStream): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Repositories in memory that count what is fetched and can be made to misbehave. */
export interface MemoryRegistry {
  repository(reference: { readonly domain: string; readonly path: string }): MemoryTarget;
  /** Digests in the order they were fetched. */
  readonly fetched: Digest[];
  /** Called around every fetch; may replace the body. */
  tamper: ((blob: Descriptor, body: ByteStream, range: { start: number } | undefined) => ByteStream) | undefined;
}

export function createMemoryRegistry(): MemoryRegistry {
  const repositories = new Map<string, MemoryTarget>();
  const registry: MemoryRegistry = {
    fetched: [],
    tamper: undefined,
    repository({ domain, path }) {
      const name = `${domain}/${path}`;
      const known = repositories.get(name);
      if (known) return known;
      const memory = createMemoryTarget();
      const target: MemoryTarget = {
        ...memory,
        async fetch(blob, options) {
          registry.fetched.push(blob.digest);
          const body = await memory.fetch(blob, options);
          return registry.tamper?.(blob, body, options?.range) ?? body;
        },
      };
      repositories.set(name, target);
      return target;
    },
  };
  return registry;
}

export interface TestImage {
  readonly manifest: Descriptor;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly diffIds: readonly Digest[];
}

export interface ImageRecipe {
  /** Contents of the one file of each layer. */
  readonly layers: readonly string[];
  readonly platform?: Platform;
  readonly config?: object;
  readonly created?: string;
  /** Changes the documents before they are stored. */
  readonly spoil?: (documents: { config: Record<string, unknown>; manifest: Record<string, unknown> }) => void;
}

export async function layerTar(text: string): Promise<Uint8Array> {
  const bytes = Buffer.from(text);
  const path = `file-${createHash('sha256').update(text).digest('hex').slice(0, 8)}`;
  return await bytesOf(writeTar([{ path, size: bytes.byteLength, body: async () => streamOf(bytes) }]));
}

/** Puts an image of gzip layers into a target. */
export async function putImage(target: MemoryTarget, recipe: ImageRecipe, tag?: string): Promise<TestImage> {
  const tars = await Promise.all(recipe.layers.map(layerTar));
  const diffIds = tars.map((tar) => digestOf(tar));
  const layers: Descriptor[] = [];
  for (const tar of tars) layers.push(await putBlob(target, gzipSync(tar), MEDIA_TYPES.ociLayerGzip));
  const config: Record<string, unknown> = {
    created: recipe.created ?? '2024-01-02T03:04:05Z',
    ...(recipe.platform ?? { os: 'linux', architecture: 'amd64' }),
    config: recipe.config ?? {},
    rootfs: { type: 'layers', diff_ids: diffIds },
    history: recipe.layers.map((text) => ({ created_by: `add ${text}` })),
  };
  const manifest: Record<string, unknown> = { schemaVersion: 2, mediaType: MEDIA_TYPES.ociManifest, layers };
  recipe.spoil?.({ config, manifest });
  const configDescriptor = await putJson(target, config, MEDIA_TYPES.ociConfig);
  const descriptor = await putJson(target, { config: configDescriptor, ...manifest }, MEDIA_TYPES.ociManifest);
  if (tag !== undefined) await target.tag(descriptor, tag);
  return { manifest: descriptor, config: configDescriptor, layers, diffIds };
}

export async function putIndex(
  target: MemoryTarget,
  manifests: readonly Descriptor[],
  tag?: string,
): Promise<Descriptor> {
  const index = { schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests };
  const descriptor = await putJson(target, index, MEDIA_TYPES.ociIndex);
  if (tag !== undefined) await target.tag(descriptor, tag);
  return descriptor;
}

export const putJson = (target: MemoryTarget, value: unknown, mediaType: string): Promise<Descriptor> =>
  putBlob(target, Buffer.from(JSON.stringify(value)), mediaType);

export async function putBlob(target: MemoryTarget, bytes: Uint8Array, mediaType: string): Promise<Descriptor> {
  const descriptor = { mediaType, digest: digestOf(bytes), size: bytes.byteLength };
  await target.push(descriptor, streamOf(bytes));
  return descriptor;
}

/** Digests of all blobs in the store. */
export const storedDigests = (store: TestStore): readonly Digest[] =>
  [...store.content.list()].map(({ digest }) => digest).sort();

/** Bytes in allocated blocks of all blobs and snapshots. */
export const heldBy = async ({ content, snapshotter }: TestStore): Promise<number> =>
  contentDiskReport(content).total + (await snapshotDiskReport(snapshotter)).total;
