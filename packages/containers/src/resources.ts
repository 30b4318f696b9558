import { mkdir, readlink, realpath, rmdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { invalid, isKind, wrap } from '@berth/base';
import { type MountInfo, mountAll, mountContaining, unmount } from '@berth/linux';
import type { EndpointRecord, Sandbox } from '@berth/networks';
import type { SpecMount, Task } from '@berth/runtime';
import type { Container } from './container.ts';
import type { ContainerDeps } from './deps.ts';
import { stageBind, stageImageMount, unstageMounts } from './image-mounts.ts';
import { isNear } from './mount-points.ts';
import { openNetwork } from './network.ts';
import { rootfsPath } from './paths.ts';
import { makeDirectoryInRoot, makeFileInRoot, withPathInRoot } from './root-path.ts';
import { mountSharedMemory, unmountSharedMemory } from './shared-memory.ts';
import type { MountPoint } from './types.ts';

/** What a run of a container holds on the host. */
export interface RunResources {
  readonly rootfs: string;
  readonly sandbox: Sandbox;
  readonly endpoints: readonly EndpointRecord[];
  readonly mounts: readonly SpecMount[];
}

/** Mounts the root file system and volumes and connects the networks; all or nothing. */
export async function acquireResources(deps: ContainerDeps, container: Container): Promise<RunResources> {
  await using undo = new AsyncDisposableStack();
  // Registered first: whatever the parallel branches got before one of them failed is given back.
  undo.defer(() => releaseHostResources(deps, container));
  const results = await Promise.allSettled([
    mountRootfs(deps, container),
    openNetwork(deps, container),
    mountSharedMemory(deps, container),
  ]);
  const failed = results.find((r) => r.status === 'rejected');
  if (failed) throw failed.reason;
  const [rootfs, network] = results as [
    PromiseFulfilledResult<string>,
    PromiseFulfilledResult<Awaited<ReturnType<typeof openNetwork>>>,
    PromiseFulfilledResult<void>,
  ];
  const mounts = await mountVolumes(deps, container, rootfs.value);
  undo.move();
  return { rootfs: rootfs.value, ...network.value, mounts };
}

async function mountRootfs(deps: ContainerDeps, container: Container): Promise<string> {
  const target = rootfsPath(deps, container.id);
  await mkdir(target, { recursive: true, mode: 0o711 });
  mountAll(await deps.snapshotter.mounts(container.id), target);
  return target;
}

async function mountVolumes(deps: ContainerDeps, container: Container, rootfs: string): Promise<readonly SpecMount[]> {
  const mounts: SpecMount[] = [];
  for (const point of container.record.mounts) mounts.push(await mountPoint(deps, container, point, rootfs));
  return mounts;
}

async function mountPoint(
  deps: ContainerDeps,
  container: Container,
  point: MountPoint,
  rootfs: string,
): Promise<SpecMount> {
  if (point.type === 'image') return await imageMount(deps, point, rootfs);
  if (point.type === 'tmpfs') {
    makeDirectoryInRoot(rootfs, point.destination);
    return { type: 'tmpfs', destination: point.destination, options: point.options ?? [] };
  }
  const source = point.type === 'volume' ? await volumeSource(deps, container, point) : await bindSource(point);
  const { isDirectory } = await kindOfSource(source);
  const mount = mountContaining(await realpath(source));
  const propagation = point.type === 'bind' ? propagationOf(deps, point, mount) : point.propagation;
  if (isDirectory) makeDirectoryInRoot(rootfs, point.destination);
  else makeFileInRoot(rootfs, point.destination);
  const flags = mount?.options.filter((option) => GUARDS.has(option)) ?? [];
  return {
    type: 'bind',
    source: point.nonRecursive && isDirectory ? await stageBind(deps, container, point, source) : source,
    ...(flags.length > 0 ? { flags } : {}),
    destination: point.destination,
    readonly: !point.rw,
    // Nothing is mounted below a file, and crun opens what it makes so as a directory, with all that is below.
    ...(point.type === 'bind' && isDirectory && !point.rw && !point.nonRecursive && point.recursiveReadonly !== 'never'
      ? { recursiveReadonly: true }
      : {}),
    ...(point.nonRecursive ? { nonRecursive: true } : {}),
    ...(propagation ? { propagation: propagation as NonNullable<(SpecMount & { type: 'bind' })['propagation']> } : {}),
  };
}

/** An image's files, always read-only. A link in it is followed inside it only. */
async function imageMount(deps: ContainerDeps, point: MountPoint, rootfs: string): Promise<SpecMount> {
  const staged = await stageImageMount(deps, point);
  const source = point.subpath === undefined ? staged : await withinVolume(staged, point.subpath);
  const { isDirectory } = await kindOfSource(source);
  if (isDirectory) makeDirectoryInRoot(rootfs, point.destination);
  else makeFileInRoot(rootfs, point.destination);
  return { type: 'bind', source, destination: point.destination, readonly: true, propagation: 'rprivate' };
}

async function kindOfSource(source: string): Promise<{ readonly isDirectory: boolean }> {
  return { isDirectory: (await stat(source)).isDirectory() };
}

async function volumeSource(deps: ContainerDeps, container: Container, point: MountPoint): Promise<string> {
  const { name = '', driver = 'local' } = point;
  const path = await deps.volumes.mount(name, container.id);
  if (!container.mountedVolumes.has(name)) {
    container.mountedVolumes.add(name);
    deps.emit('volume', 'mount', name, {
      container: container.id,
      destination: point.destination,
      driver,
      propagation: point.propagation,
      'read/write': String(point.rw),
    });
  }
  return point.subpath === undefined ? path : withinVolume(path, point.subpath);
}

/**
 * A link in the subpath's way must not lead outside. A container that has the volume may put another one there at any
 * moment: whatever it does then ends inside.
 */
export async function withinVolume(volume: string, subpath: string): Promise<string> {
  const [base, real] = await Promise.all([volume, join(volume, subpath)].map((path) => realpath(path).catch(() => '')));
  if (base && real && real !== base && !real.startsWith(`${base}/`))
    throw invalid(`path concatenation escapes the base directory, base: ${volume}, subpath: ${subpath}`);
  const found = await withPathInRoot(volume, subpath, (_opened, fd) => readlink(`/proc/self/fd/${fd}`));
  if (found === undefined) throw invalid(`cannot access path ${join(volume, subpath)}: no such file or directory`);
  return found;
}

/** A mount can pass on, or receive, only what its source does. */
function propagationOf(deps: ContainerDeps, { source, propagation }: MountPoint, mount: MountInfo | undefined): string {
  const shares = /^r?shared$/.test(propagation);
  if (!shares && !/^r?slave$/.test(propagation)) return propagation;
  const is = (kind: string): boolean => mount?.propagation.some((word) => word.startsWith(`${kind}:`)) ?? false;
  if (is('shared') || (!shares && is('master'))) return propagation;
  const { data, exec } = deps.paths.roots;
  if (propagation === 'rslave' && (isNear(source, data) || isNear(source, exec))) return 'rprivate';
  const wanted = shares ? 'shared mount' : 'shared or slave mount';
  throw invalid(`path ${source} is mounted on ${mount?.mountPoint} but it is not a ${wanted}`);
}

const GUARDS = new Set(['nosuid', 'nodev', 'noexec']);

async function bindSource(point: MountPoint): Promise<string> {
  try {
    await stat(point.source);
  } catch (error) {
    if (!isKind(error, 'notFound')) throw wrap(`bind source path ${point.source}`, error, 'invalid');
    if (!point.createMountpoint)
      throw invalid(`invalid mount config for type "bind": bind source path does not exist: ${point.source}`);
    await mkdir(point.source, { recursive: true });
  }
  return point.source;
}

/** Gives back all a run held, after its task has exited. */
export async function releaseResources(deps: ContainerDeps, container: Container, task: Task): Promise<void> {
  for (const process of container.execProcesses.values())
    await Promise.resolve(process[Symbol.asyncDispose]()).catch(() => undefined);
  await Promise.all([
    task
      .release()
      .catch((error: unknown) => deps.logger.warn('release of task failed', { container: container.id, error })),
    releaseHostResources(deps, container),
  ]);
}

export async function releaseHostResources(deps: ContainerDeps, container: Container): Promise<void> {
  const problems = await Promise.allSettled([
    unmountRootfs(deps, container.id),
    deps.networks.closeSandbox(container.id),
    unmountVolumes(deps, container),
    unmountSharedMemory(deps, container),
    unstageMounts(deps, container),
  ]);
  for (const problem of problems)
    if (problem.status === 'rejected')
      deps.logger.warn('giving back resources failed', { container: container.id, error: problem.reason });
}

export async function unmountRootfs(deps: ContainerDeps, id: string): Promise<void> {
  const target = rootfsPath(deps, id);
  await unmount(target, { detach: true, recursive: true });
  await rmdir(target).catch((error: unknown) => {
    if (!isKind(error, 'notFound')) throw error;
  });
}

async function unmountVolumes(deps: ContainerDeps, container: Container): Promise<void> {
  for (const { type, name, driver = 'local' } of container.record.mounts) {
    if (type !== 'volume' || name === undefined) continue;
    await deps.volumes.unmount(name, container.id);
    if (container.mountedVolumes.delete(name))
      deps.emit('volume', 'unmount', name, { container: container.id, driver });
  }
}
