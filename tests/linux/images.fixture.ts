import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { type ApplyPool, createApplyPool } from '@berth/archive';
import { createSystemClock, silentLogger } from '@berth/base';
import { checkContent, type OpenedContentStore, openContentStore } from '@berth/content';
import { createImageService, createLayerTools, type OwnedImageService } from '@berth/images';
import { createRegistryClient, type RegistryClientOptions } from '@berth/registry-client';
import { type RunningRegistry, startRegistry } from '@berth/registry-server';
import {
  checkSnapshots,
  createOverlaySnapshotter,
  createVfsSnapshotter,
  type StoredSnapshotter,
} from '@berth/snapshots';
import { openLeases, openState, type State } from '@berth/state';

const BASE = process.env['BERTH_TEST_TMP'] ?? '/dev/shm';

export const temporary = (name: string): Promise<string> => mkdtemp(join(BASE, `berth-test-${name}-`));

/** An image store as the daemon has it, over a data root of its own. */
export interface ImageStore extends AsyncDisposable {
  readonly root: string;
  readonly content: OpenedContentStore;
  readonly snapshotter: StoredSnapshotter;
  readonly images: OwnedImageService;
  readonly pool: ApplyPool;
  readonly state: State;
}

export async function openImageStore(
  root: string,
  driver: 'overlay' | 'vfs' = 'overlay',
  registries: RegistryClientOptions = {},
): Promise<ImageStore> {
  const state = openState(join(root, 'berth.db'));
  const content = await openContentStore({ root: join(root, 'content'), state });
  const make = driver === 'overlay' ? createOverlaySnapshotter : createVfsSnapshotter;
  const snapshotter = make({ root: join(root, 'snapshots', driver), state });
  const pool = createApplyPool({ idleMs: 100 });
  const client = createRegistryClient({ limits: { backoffMs: 5, attempts: 1 }, ...registries });
  const mountRoot = join(root, 'mounts');
  await mkdir(mountRoot, { recursive: true });
  const images = createImageService({
    state,
    content,
    snapshotter,
    leases: openLeases(state),
    registry: client,
    layerTools: createLayerTools(pool),
    emit: () => undefined,
    inUse: () => [],
    clock: createSystemClock(),
    logger: silentLogger,
    mountRoot,
  });
  await images.recover();
  return {
    root,
    content,
    snapshotter,
    images,
    pool,
    state,
    async [Symbol.asyncDispose]() {
      images[Symbol.dispose]();
      await client[Symbol.asyncDispose]();
      await pool[Symbol.asyncDispose]();
      await content[Symbol.asyncDispose]();
      state[Symbol.dispose]();
    },
  };
}

/** Everything an fsck of these stores would say. */
export async function findings(store: ImageStore): Promise<readonly unknown[]> {
  return [
    ...(await checkContent(store.content, store.state)),
    ...(await store.images.check()),
    ...(await checkSnapshots(store.snapshotter)),
  ];
}

/** A registry behind a wire that counts bytes and can be cut. */
export interface CountedRegistry extends AsyncDisposable {
  readonly host: string;
  readonly registry: RunningRegistry;
  /** Bytes sent to clients so far. */
  sent: number;
  /** Connections are cut once this many bytes have been sent in all. */
  cutAfter: number;
}

export async function startCountedRegistry(root: string): Promise<CountedRegistry> {
  const registry = await startRegistry({ root });
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(registry.port, '127.0.0.1');
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
      socket.on('error', () => undefined);
    }
    client.pipe(upstream);
    upstream.on('data', (chunk: Buffer) => {
      const part = chunk.subarray(0, Math.max(0, counted.cutAfter - counted.sent));
      counted.sent += part.length;
      if (!client.write(part)) {
        upstream.pause();
        client.once('drain', () => upstream.resume());
      }
      if (part.length < chunk.length) {
        client.end();
        upstream.destroy();
      }
    });
    upstream.on('close', () => client.end());
    client.on('close', () => upstream.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const counted: CountedRegistry = {
    host: `127.0.0.1:${port}`,
    registry,
    sent: 0,
    cutAfter: Number.POSITIVE_INFINITY,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      await registry.close();
      await rm(root, { recursive: true, force: true });
    },
  };
  return counted;
}
