import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { copyFileSync, mkdirSync, readdirSync, rmdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createApplyPool } from '@berth/archive';
import { createSystemClock, silentLogger } from '@berth/base';
import {
  type BuildEvent,
  type BuildInput,
  type BuildService,
  createBuildService,
  renderClassic,
  renderClassicError,
} from '@berth/builder';
import { openContentStore } from '@berth/content';
import { createImageService, createLayerTools, type OwnedImageService } from '@berth/images';
import { mountAll, unmount } from '@berth/linux';
import { createNetworkService } from '@berth/networks';
import type { ImageConfigDocument } from '@berth/oci';
import { createRegistryClient } from '@berth/registry-client';
import { createCliRuntime, detectHostFacts, selectRuntime } from '@berth/runtime';
import { createOverlaySnapshotter, type StoredSnapshotter } from '@berth/snapshots';
import { openLeases, openState, type State } from '@berth/state';

const BASE = process.env['BERTH_TEST_TMP'] ?? '/dev/shm';

/** What one build said and made. */
export interface Built {
  readonly imageId: string;
  /** The stream's text, as `docker build` prints it. */
  readonly text: string;
  readonly events: readonly BuildEvent[];
  readonly config: ImageConfigDocument;
}

/** A builder as the daemon has it, over a data root and networks of its own, with a `busybox` image. */
export interface BuilderRig extends AsyncDisposable {
  readonly root: string;
  readonly state: State;
  readonly images: OwnedImageService;
  readonly snapshotter: StoredSnapshotter;
  readonly builds: BuildService;
  /** Writes files (path to content) into a new context directory. */
  context(files: Readonly<Record<string, string>>): string;
  build(directory: string, input?: Partial<BuildInput>, signal?: AbortSignal): Promise<Built>;
  /** Reads from the image's file system with a shell on the host, its root as working directory. */
  inspect(imageId: string, script: string): Promise<string>;
}

export async function builderRig(): Promise<BuilderRig> {
  const root = await mkdtemp(join(BASE, 'berth-test-builder-'));
  const state = openState(join(root, 'berth.db'));
  const content = await openContentStore({ root: join(root, 'content'), state });
  const snapshotter = createOverlaySnapshotter({ root: join(root, 'snapshots'), state });
  const pool = createApplyPool({ idleMs: 100 });
  const registry = createRegistryClient({ limits: { backoffMs: 5, attempts: 1 } });
  const mountRoot = join(root, 'mounts');
  mkdirSync(mountRoot);
  const layerTools = createLayerTools(pool);
  const clock = createSystemClock();
  const leases = openLeases(state);
  const images = createImageService({
    state,
    content,
    snapshotter,
    leases,
    registry,
    layerTools,
    emit: () => undefined,
    inUse: () => [],
    clock,
    logger: silentLogger,
    mountRoot,
  });
  await images.recover();
  const instance = `t${randomBytes(4).toString('hex')}`;
  const networks = createNetworkService({
    state,
    execRoot: join(root, 'exec'),
    instance,
    logger: silentLogger,
    emit: () => undefined,
    ready: { connected: 1, plain: 0 },
    bridge: { name: `bt${randomBytes(4).toString('hex')}`, defaultAddressPools: [{ base: '10.214.0.0/16', size: 24 }] },
  });
  const cgroup = `berth-test-${instance}`;
  await networks.restore(new Set());
  const { runtime } = await selectRuntime(
    ['crun', 'runc'].map((name) =>
      createCliRuntime({ name, path: `/usr/bin/${name}`, root: join(root, 'exec', name) }),
    ),
  );
  const builds = createBuildService({
    state,
    leases,
    content,
    snapshotter,
    images,
    runtime,
    networks,
    host: detectHostFacts(),
    decompress: layerTools.decompress,
    clock,
    logger: silentLogger,
    workRoot: join(root, 'builds'),
    cgroupParent: `/${cgroup}`,
  });
  await images.import(tarOf(busyboxRoot(join(root, 'busybox'))), { reference: 'busybox', config: { Cmd: ['sh'] } });

  let contexts = 0;
  const rig: BuilderRig = {
    root,
    state,
    images,
    snapshotter,
    builds,
    context(files) {
      const directory = join(root, `context-${contexts++}`);
      for (const [path, text] of Object.entries(files)) {
        mkdirSync(join(directory, path, '..'), { recursive: true });
        writeFileSync(join(directory, path), text);
      }
      return directory;
    },
    async build(directory, input = {}, signal) {
      const events: BuildEvent[] = [];
      try {
        const { imageId } = await builds.build(
          { context: { kind: 'tar', stream: tarOf(directory) }, ...input },
          { signal, onEvent: (event) => void events.push(event) },
        );
        const { config } = await images.resolve(imageId);
        return { imageId, events, text: textOf(events), config };
      } catch (error) {
        const { error: last } = renderClassicError(error);
        Object.assign(error as object, { text: `${textOf(events)}${String(last)}` });
        throw error;
      }
    },
    async inspect(imageId, script) {
      const image = await images.resolve(imageId);
      const top = await images.unpack(image);
      const at = join(root, `look-${randomBytes(4).toString('hex')}`);
      mkdirSync(at);
      const mounts = top === undefined ? [] : await snapshotter.view(at, top);
      mountAll(mounts, at);
      try {
        return execFileSync('sh', ['-c', script], { cwd: at, encoding: 'utf8' }).trim();
      } finally {
        await unmount(at);
        if (top !== undefined) await snapshotter.remove(at);
      }
    },
    async [Symbol.asyncDispose]() {
      const left = [
        ...readdirSync(join(root, 'builds')),
        ...[...snapshotter.list()].filter((item) => item.kind !== 'committed').map((item) => item.key),
        ...state.all<{ id: string }>("SELECT id FROM leases WHERE purpose = 'build'").map((row) => row.id),
      ];
      removeCgroups(cgroup);
      await networks.shutdown({ keep: false });
      images[Symbol.dispose]();
      await registry[Symbol.asyncDispose]();
      await pool[Symbol.asyncDispose]();
      await content[Symbol.asyncDispose]();
      state[Symbol.dispose]();
      await rm(root, { recursive: true, force: true });
      if (left.length > 0) throw new Error(`left behind: ${left.join(', ')}`);
    },
  };
  return rig;
}

function textOf(events: readonly BuildEvent[]): string {
  return events
    .flatMap((event) => renderClassic(event))
    .map((message) => message['stream'] ?? '')
    .join('');
}

export async function* tarOf(directory: string): AsyncGenerator<Uint8Array> {
  const child = spawn('tar', ['--numeric-owner', '-C', directory, '-c', '.'], { stdio: ['ignore', 'pipe', 'inherit'] });
  yield* child.stdout;
}

function busyboxRoot(at: string): string {
  for (const name of ['bin', 'etc', 'tmp', 'root']) mkdirSync(join(at, name), { recursive: true });
  copyFileSync('/bin/busybox', join(at, 'bin/busybox'));
  for (const applet of execFileSync('/bin/busybox', ['--list'], { encoding: 'utf8' }).trim().split('\n'))
    if (applet !== 'busybox') symlinkSync('busybox', join(at, 'bin', applet));
  writeFileSync(join(at, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001:app:/home/app:/bin/sh\n');
  writeFileSync(join(at, 'etc/group'), 'root:x:0:\napps:x:1001:\nextra:x:1002:app\n');
  return at;
}

/** The steps' cgroups go with them; their parent is the daemon's, here ours, to remove: in every hierarchy there is. */
function removeCgroups(name: string): void {
  for (const at of ['', ...readdirSync('/sys/fs/cgroup')]) {
    try {
      rmdirSync(join('/sys/fs/cgroup', at, name));
    } catch {
      // not a hierarchy, or none of ours in it
    }
  }
}
