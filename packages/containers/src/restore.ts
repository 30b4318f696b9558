import { readdir, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isKind } from '@berth/base';
import { thawCgroup, unmount } from '@berth/linux';
import type { Container } from './container.ts';
import type { ContainerDeps } from './deps.ts';
import { handleExit, watchExit } from './exit.ts';
import { resumeHealth } from './health.ts';
import { resumeForwarding } from './log-forwarding.ts';
import { compressLeftLogs, rotateLogs } from './log-settings.ts';
import { rootfsPath } from './paths.ts';
import { reconcileNetworks } from './reconcile-networks.ts';
import { removeContainer } from './remove.ts';
import { releaseHostResources } from './resources.ts';
import { startsWithDaemon } from './restart-policy.ts';
import { restartAfterBackoff } from './restart-schedule.ts';
import { specInputFor } from './spec.ts';
import { startContainer } from './start.ts';
import { cgroupPathOf } from './stats.ts';

/**
 * Daemon start: makes what the records say and what the kernel holds agree. Containers whose task lives are taken over;
 * those that ended meanwhile get their true exit code and time; half-finished removals are finished; leftovers of
 * containers nobody knows are removed. Returns once states are true; restart policies act in the background.
 */
export async function restore(deps: ContainerDeps): Promise<void> {
  const alive = await reconnectAll(deps);
  await deps.networks.restore(new Set(alive.map((c) => c.id)));
  for (const container of alive) await adopt(deps, container);
  await sweepMounts(deps);
  for (const container of deps.store.list()) {
    const { making = false, removeVolumes = false } = container.state;
    if (making || container.is('removing'))
      await removeContainer(deps, container, { removeVolumes: making || removeVolumes });
  }
  await sweepDirectories(deps);
  await discardHalfFilled(deps);
  await deps.volumes.unmountUnused();
  for (const container of deps.store.list()) await resumeForwarding(deps, container);
  for (const container of deps.store.list()) if (!container.isRunning) compressLeftLogs(deps, container);
  for (const container of deps.store.list()) if (!container.isRunning) await revive(deps, container);
}

/** Finds every container's task. Containers that ended are settled here; the ones still running are returned. */
async function reconnectAll(deps: ContainerDeps): Promise<readonly Container[]> {
  const alive: Container[] = [];
  const known = new Set<string>();
  for (const container of deps.store.list()) {
    known.add(container.id);
    if (await reconnect(deps, container)) alive.push(container);
  }
  for (const id of await deps.monitor.list()) {
    if (known.has(id)) continue;
    deps.logger.warn('ending a task without a record', { container: id });
    await endOrphan(deps, id);
  }
  return alive;
}

async function reconnect(deps: ContainerDeps, container: Container): Promise<boolean> {
  const task = await deps.monitor.reconnect(container.id);
  const expected = container.isRunning;
  if (!task) {
    if (expected) await settleLost(deps, container);
    return false;
  }
  const status = task.exitStatus();
  if (status === undefined && expected) {
    container.task = task;
    return true;
  }
  if (status === undefined) {
    // Launched, but the daemon died before it was recorded as running: nobody was told that it runs.
    await task.signal(9).catch(() => undefined);
    await task.wait({ signal: AbortSignal.timeout(10_000) });
  }
  const ended = task.exitStatus();
  if (expected && ended) {
    container.task = task;
    container.keepOnExit = true;
    await handleExit(deps, container, task, ended);
    container.keepOnExit = false;
  } else await task.release();
  return false;
}

/** It ran, and nothing is left of it: the host went down, or somebody removed its run directory. */
async function settleLost(deps: ContainerDeps, container: Container): Promise<void> {
  await releaseHostResources(deps, container);
  deps.store.setState(container, { status: 'exited', pid: 0, exitCode: 255, finishedAt: deps.clock.now() });
}

async function endOrphan(deps: ContainerDeps, id: string): Promise<void> {
  try {
    const task = await deps.monitor.reconnect(id);
    if (!task) return;
    if (task.exitStatus() === undefined) {
      await task.signal(9).catch(() => undefined);
      await task.wait({ signal: AbortSignal.timeout(10_000) });
    }
    await task.release();
  } catch (error) {
    deps.logger.warn('could not end an orphaned task', { container: id, error });
  }
}

async function adopt(deps: ContainerDeps, container: Container): Promise<void> {
  const { task } = container;
  if (!task) return;
  // The daemon died while a commit or a copy held its processes still; nobody asked for that to last.
  if (container.is('running') && thawCgroup(deps.cgroups, cgroupPathOf(deps, container)))
    deps.logger.info('a container left frozen runs on', { container: container.id });
  try {
    await remountVolumes(deps, container);
    await reconcileNetworks(deps, container);
    const sandbox = deps.networks.sandbox(container.id);
    if (sandbox)
      container.specInput = await specInputFor(
        deps,
        container,
        {
          rootfs: rootfsPath(deps, container.id),
          sandbox,
          endpoints: deps.networks.endpointsOf(container.id),
          mounts: [],
        },
        { joins: false },
      );
  } catch (error) {
    deps.logger.warn('a running container could not be taken over in full', { container: container.id, error });
  }
  container.health = resumeHealth(deps, container);
  container.logRotation = rotateLogs(deps, container, task);
  watchExit(deps, container, task);
}

/** Volume use is counted in the daemon's memory: count it again. */
async function remountVolumes(deps: ContainerDeps, container: Container): Promise<void> {
  for (const { type, name } of container.record.mounts)
    if (type === 'volume' && name !== undefined) {
      await deps.volumes.mount(name, container.id);
      container.mountedVolumes.add(name);
    }
}

/** Volumes into which the last daemon was copying an image's files. */
async function discardHalfFilled({ volumes, store, logger }: ContainerDeps): Promise<void> {
  try {
    const names = await volumes.discardHalfFilled((id) => store.find(id)?.isRunning ?? false);
    if (names.length > 0) logger.info('volumes that were half filled will be filled again', { volumes: names });
  } catch (error) {
    logger.warn('a half-filled volume could not be emptied', { error });
  }
}

async function revive(deps: ContainerDeps, container: Container): Promise<void> {
  if (container.record.host.autoRemove && !container.is('created')) {
    await removeContainer(deps, container, { removeVolumes: true });
    return;
  }
  if (container.is('restarting')) {
    restartAfterBackoff(deps, container);
    return;
  }
  if (!container.is('exited') || !startsWithDaemon(container)) return;
  deps.background.run(`start ${container.id}`, async () => {
    using _held = await deps.lock.acquire(container.id);
    if (container.is('exited')) await startContainer(deps, container);
  });
}

/** What is mounted for containers that do not run. */
async function sweepMounts(deps: ContainerDeps): Promise<void> {
  for (const name of await entriesOf(deps.paths.mounts))
    if (!deps.store.find(name)?.isRunning) await sweepMount(deps, join(deps.paths.mounts, name));
  for (const name of await entriesOf(deps.paths.shared)) {
    const inUse = name.endsWith('-shm') && deps.store.find(name.slice(0, 64))?.isRunning;
    if (!inUse) await sweepMount(deps, join(deps.paths.shared, name));
  }
}

async function sweepMount(deps: ContainerDeps, path: string): Promise<void> {
  try {
    await unmount(path, { detach: true, recursive: true });
    // Not recursive: were something still mounted, its content must not be deleted.
    await rmdir(path);
  } catch (error) {
    // Somebody else's mount namespace may hold it: no reason not to serve.
    deps.logger.warn('a mount of the last run stays', { path, error });
  }
}

/** Directories of containers whose record is gone or was never written, and their snapshots. */
async function sweepDirectories(deps: ContainerDeps): Promise<void> {
  for (const name of await entriesOf(deps.paths.containers)) {
    if (deps.store.find(name)) continue;
    await rm(join(deps.paths.containers, name), { recursive: true, force: true });
  }
  for (const { key, kind } of [...deps.snapshotter.list()]) {
    if (kind === 'committed' || !isOurs(key) || deps.store.find(key.slice(0, 64))) continue;
    await deps.snapshotter.remove(key).catch((error: unknown) => deps.logger.warn('stale snapshot', { key, error }));
  }
}

/** Keys of containers' snapshots, and of init layers that were being made. */
const isOurs = (key: string): boolean => /^[0-9a-f]{64}(-image-\d+)?$/.test(key) || key.startsWith('init-');

async function entriesOf(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (isKind(error, 'notFound')) return [];
    throw error;
  }
}
