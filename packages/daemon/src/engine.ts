import { join } from 'node:path';
import { createApplyPool } from '@berth/archive';
import { type Clock, conflict, createSystemClock, internal, isKind, type Logger, messageOf } from '@berth/base';
import { createBuildService } from '@berth/builder';
import { type ContainerService, createContainerService } from '@berth/containers';
import { openContentStore } from '@berth/content';
import { createEngineServer, type EngineServices } from '@berth/engine-server';
import type { HttpServer } from '@berth/http';
import { createImageService, createLayerTools } from '@berth/images';
import { detectCgroups, removeEmptyCgroup } from '@berth/linux';
import { createNetworkService } from '@berth/networks';
import { createRegistryClient } from '@berth/registry-client';
import { createConmonMonitor, detectHostFacts, ensureApparmorProfile, type OciRuntime } from '@berth/runtime';
import { createOverlaySnapshotter, createVfsSnapshotter } from '@berth/snapshots';
import { lockDataRoot, openLeases, openState } from '@berth/state';
import { createVolumePlugins, createVolumeService } from '@berth/volumes';
import { createCollector } from './collector.ts';
import type { DaemonConfig } from './config.ts';
import { type DiskLedger, diskLedger } from './disk-ledger.ts';
import { createEventLog } from './event-log.ts';
import { fsck } from './fsck.ts';
import { createPaths, type DaemonPaths, findInit, instanceName } from './paths.ts';
import { createRuntimes, findExecutable, type Runtimes } from './runtimes.ts';
import { createSystemService } from './system.ts';
import { VERSION } from './version.ts';
import { createWatermark } from './watermark.ts';

/** A whole engine: what serves, and how to stop it. */
export interface Engine {
  readonly server: HttpServer;
  readonly services: EngineServices;
  /** Stops serving, stops the containers (unless `live-restore`), gives back what the instance made. Idempotent. */
  stop(): Promise<void>;
}

/** The composition root: constructs every service, recovers what a former run left, and returns ready to listen. */
export async function startEngine(config: DaemonConfig, logger: Logger): Promise<Engine> {
  await using undo = new AsyncDisposableStack();
  const clock = createSystemClock();
  const paths = createPaths(config);
  undo.use(lockDataRoot(paths.dataRoot));
  undo.use(lockExecRoot(paths.execRoot));
  const state = undo.use(openState(paths.database));
  const events = createEventLog({ state, clock, logger });
  const { emit } = events;
  const leases = openLeases(state, { clock });
  const content = undo.use(await openContentStore({ root: paths.content, state, clock, logger }));
  const snapshotter = openSnapshotter(config, paths, { state, clock, logger });
  await snapshotter.cleanup();
  const registry = undo.use(
    createRegistryClient({
      insecureRegistries: config.insecureRegistries,
      mirrors: config.registryMirrors,
      registries: config.registries,
      proxies: config.proxies,
      certificateDirectories: ['/etc/berth/certs.d', '/etc/docker/certs.d'],
      userAgent: `berth/${VERSION.version}`,
      logger,
    }),
  );
  const layerTools = createLayerTools(undo.use(createApplyPool()));
  const runtimes = await createRuntimes(config, paths.execRoot, logger);
  const host = detectHostFacts();
  // Its loss is told again by every container that would run under it.
  await ensureApparmorProfile({ host }).catch((error: unknown) => logger.error(messageOf(error), { error }));
  const cgroups = detectCgroups();
  const cgroupParent = config.cgroupParent ?? ownCgroup(paths);
  // One that was asked for by name may be somebody else's too.
  if (config.cgroupParent === undefined) undo.defer(() => removeEmptyCgroup(cgroups, `/${cgroupParent}`));
  // Images must know which of them are in use, containers are made from images: each reaches the other through here.
  const late: { containers?: ContainerService } = {};
  const collector = undo.use(
    createCollector({ leases, state, logger }, () => [...images.collectables, builds.collectable]),
  );
  const { collect } = collector;
  const images = createImageService({
    state,
    content,
    snapshotter,
    layerTools,
    emit,
    leases,
    clock,
    logger,
    collect,
    registry,
    inUse: (id) =>
      late.containers?.usingImage(id).map((c) => ({
        id: c.id,
        running: c.isRunning,
        name: c.record.settings.image,
        manifest: c.record.image.manifestDigest,
      })) ?? [],
    mountRoot: paths.mounts,
    referrers: config.referrers,
    limits: {
      maxConcurrentDownloads: config.maxConcurrentDownloads,
      maxConcurrentUploads: config.maxConcurrentUploads,
    },
  });
  undo.use(images);
  await images.recover();
  const networks = createNetworkService({
    state,
    logger,
    emit,
    execRoot: paths.execRoot,
    instance: instanceName(paths),
    bridge: bridgeOptions(config, paths),
    defaultOptions: config.networkOptions,
    dns: { servers: config.dns, search: config.dnsSearch, options: config.dnsOptions },
  });
  const { volumePluginDirectory: pluginDirectory } = config;
  const plugins = createVolumePlugins({
    ...(pluginDirectory ? { directories: { sockets: pluginDirectory, specs: [pluginDirectory] } } : {}),
    logger,
  });
  const volumes = createVolumeService({ state, root: paths.volumes, plugins, emit });
  await volumes.recover();
  const monitor = undo.use(
    createConmonMonitor({ execRoot: paths.execRoot, logger, conmonPath: findExecutable('conmon') ?? 'conmon' }),
  );
  const containers = createContainerService({
    state,
    images,
    snapshotter,
    networks,
    volumes,
    monitor,
    runtimes,
    host,
    cgroups,
    emit,
    clock,
    logger,
    paths: {
      roots: { data: config.dataRoot, exec: config.execRoot },
      containers: paths.containers,
      mounts: paths.rootfs,
      shared: paths.shared,
      init: findInit(config.initPath),
    },
    defaults: {
      logDriver: config.logDriver,
      logOptions: config.logOptions,
      logHost: { journaldSocket: config.journaldSocket },
      cgroupParent,
      init: config.init,
      shmSize: config.shmSize,
      ipcMode: config.ipcMode,
      cgroupnsMode: config.cgroupnsMode,
      ulimits: config.defaultUlimits,
    },
  });
  late.containers = containers;
  const builds = createBuildService({
    state,
    content,
    images,
    snapshotter,
    networks,
    host,
    clock,
    leases,
    logger,
    runtime: defaultRuntime(runtimes),
    decompress: (source, options) => layerTools.decompress(source, options),
    workRoot: paths.scratch,
    cgroupParent: `/${cgroupParent}`,
    collect,
  });
  await builds.recover();
  await using started = new AsyncDisposableStack();
  started.defer(() => abandon(containers, networks));
  await containers.restore();
  collector.schedule();
  // A container may have been the last to hold the layers of an image that was removed by force.
  undo.use(
    events.subscribe(({ type, action }) => type === 'container' && action === 'destroy' && collector.schedule()),
  );
  const watermark = undo.use(
    createWatermark({ settings: config.imageGc, dataRoot: paths.dataRoot, images, clock, logger }),
  );
  const ledger = (): Promise<DiskLedger> =>
    diskLedger({
      paths,
      content,
      snapshotter,
      isContainer: (key) => containers.list().some(({ id }) => id === key),
      volumeBytes: async () => {
        let bytes = 0;
        for (const { name } of volumes.list()) bytes += await volumes.usage(name);
        return bytes;
      },
    });
  const system = createSystemService({
    config,
    paths,
    host,
    runtimes,
    registry,
    logger,
    instanceId: state.instanceId,
    volumeDrivers: () => [...new Set([...volumes.drivers(), ...plugins.found()])].toSorted(),
    fsck: (options) => fsck({ paths, state, content, snapshotter, images, containers, volumes }, options),
    gc: (options) => watermark.run(options),
    // All that is neither a container's nor a volume's, so that the totals of `system df` add up to the disk's.
    layersSize: async () => {
      const { content: blobs, layers, other } = await ledger();
      return blobs + layers + other;
    },
  });
  const services: EngineServices = { images, containers, networks, volumes, builds, events, system, clock, logger };
  const server = createEngineServer(services);
  started.move();
  const resources = undo.move();
  return { server, services, stop: once(() => stopEngine({ server, services, config, resources, clock })) };
}

/** Two daemons over one execution root would end each other's containers. */
function lockExecRoot(execRoot: string): Disposable {
  try {
    return lockDataRoot(execRoot);
  } catch (error) {
    if (!isKind(error, 'conflict')) throw error;
    throw conflict(
      `the execution root ${execRoot} is in use by another berthd; stop that one or choose another --exec-root`,
      { cause: error },
    );
  }
}

interface Stopping {
  readonly server: HttpServer;
  readonly services: EngineServices;
  readonly config: DaemonConfig;
  readonly resources: AsyncDisposableStack;
  readonly clock: Clock;
}

async function stopEngine({ server, services, config, resources }: Stopping): Promise<void> {
  await services.containers.shutdown({ keep: config.liveRestore, timeoutSeconds: config.shutdownTimeout });
  await server.close({ deadlineMs: 1000 });
  await services.networks.shutdown({ keep: config.liveRestore });
  await resources.disposeAsync();
}

/** The way out of a start that failed: nothing that runs is stopped, and only what runs keeps its networks. */
async function abandon(containers: ContainerService, networks: EngineServices['networks']): Promise<void> {
  try {
    await containers.shutdown({ keep: true, timeoutSeconds: 0 });
  } finally {
    await networks.shutdown({ keep: containers.list().some(({ isRunning }) => isRunning) });
  }
}

function once(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  return () => {
    running ??= work();
    return running;
  };
}

function openSnapshotter(
  config: DaemonConfig,
  paths: DaemonPaths,
  options: Pick<Parameters<typeof createOverlaySnapshotter>[0], 'state' | 'clock' | 'logger'>,
): ReturnType<typeof createOverlaySnapshotter> {
  if (config.storageDriver === 'vfs') return createVfsSnapshotter({ ...options, root: join(paths.snapshots, 'vfs') });
  return createOverlaySnapshotter({ ...options, root: join(paths.snapshots, 'overlay') });
}

function bridgeOptions(
  config: DaemonConfig,
  paths: DaemonPaths,
): NonNullable<Parameters<typeof createNetworkService>[0]['bridge']> {
  const instance = instanceName(paths);
  const own = instance === 'berth' ? 'berth0' : `berth-${instance}`;
  const name = config.bridge === 'none' ? undefined : (config.bridge ?? own);
  return {
    ...(name === undefined ? {} : { name }),
    ...(config.bridge !== undefined && config.bridge !== 'none' ? { external: true } : {}),
    ...(config.bip === undefined ? {} : { bip: config.bip }),
    ...(config.fixedCidr === undefined ? {} : { fixedCidr: config.fixedCidr }),
    ...(config.defaultGateway === undefined ? {} : { defaultGateway: config.defaultGateway }),
    ipv6: config.ipv6,
    ...(config.bip6 === undefined ? {} : { bip6: config.bip6 }),
    ...(config.fixedCidrV6 === undefined ? {} : { fixedCidrV6: config.fixedCidrV6 }),
    ...(config.defaultGatewayV6 === undefined ? {} : { defaultGatewayV6: config.defaultGatewayV6 }),
    ...(config.hostIp === undefined ? {} : { hostIp: config.hostIp }),
    ...(config.mtu ? { mtu: config.mtu } : {}),
    icc: config.icc,
    ipMasq: config.ipMasq,
    ...(config.addressPools.length > 0 ? { defaultAddressPools: config.addressPools } : {}),
  };
}

/** Two daemons on one host have groups of their own, as they have bridges of their own. */
function ownCgroup(paths: DaemonPaths): string {
  const instance = instanceName(paths);
  return instance === 'berth' ? 'berth' : `berth-${instance}`;
}

function defaultRuntime(runtimes: Runtimes): OciRuntime {
  const runtime = runtimes.get(runtimes.defaultName);
  if (!runtime) throw internal(`runtime ${runtimes.defaultName} vanished`);
  return runtime;
}
