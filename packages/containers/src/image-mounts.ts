import { mkdir, rmdir } from 'node:fs/promises';
import { type CallOptions, invalid, isKind } from '@berth/base';
import { mountAll, unmount } from '@berth/linux';
import type { Container } from './container.ts';
import type { ContainerDeps } from './deps.ts';
import type { PlannedMount } from './mount-points.ts';
import type { MountPoint } from './types.ts';

/** Snapshots that a container keeps of other images. Their keys begin with its ID. */
export const imageMountKey = (id: string, index: number): string => `${id}-image-${index}`;

/** Finds and unpacks the images that are to be mounted, and keeps a view of each until the container is removed. */
export async function prepareImageMounts(
  deps: ContainerDeps,
  id: string,
  mounts: readonly PlannedMount[],
  undo: AsyncDisposableStack,
  options: CallOptions,
): Promise<readonly PlannedMount[]> {
  const prepared: PlannedMount[] = [];
  for (const [index, mount] of mounts.entries()) {
    if (mount.type !== 'image') {
      prepared.push(mount);
      continue;
    }
    const image = await deps.images.resolve(mount.name ?? '', options);
    const parent = await deps.images.unpack(image, options);
    if (parent === undefined) throw invalid(`image ${mount.name} has no files that could be mounted`);
    const snapshot = imageMountKey(id, index);
    await deps.snapshotter.view(snapshot, parent);
    undo.defer(() => deps.snapshotter.remove(snapshot));
    prepared.push({ ...mount, image: { id: image.id, manifestDigest: image.manifest.digest, snapshot } });
  }
  return prepared;
}

export async function removeImageMounts(deps: ContainerDeps, container: Container): Promise<void> {
  for (const { image } of container.record.mounts)
    if (image !== undefined)
      await deps.snapshotter.remove(image.snapshot).catch((error: unknown) => {
        if (!isKind(error, 'notFound')) throw error;
      });
}

/** Where an image, or a directory, is mounted on the host while its container starts; the container has a mount of its own after that. */
const stagePath = (deps: ContainerDeps, snapshot: string): string => `${deps.paths.shared}/${snapshot}`;

export async function stageImageMount(deps: ContainerDeps, point: MountPoint): Promise<string> {
  const { snapshot = '' } = point.image ?? {};
  const target = stagePath(deps, snapshot);
  await mkdir(target, { recursive: true, mode: 0o711 });
  mountAll(await deps.snapshotter.mounts(snapshot), target);
  return target;
}

const bindStageKey = ({ id, record }: Container, point: MountPoint): string =>
  `${id}-bind-${record.mounts.indexOf(point)}`;

/** A directory without what is mounted below it: crun takes everything below along, whatever it is told. */
export async function stageBind(
  deps: ContainerDeps,
  container: Container,
  point: MountPoint,
  source: string,
): Promise<string> {
  const target = stagePath(deps, bindStageKey(container, point));
  await mkdir(target, { recursive: true, mode: 0o711 });
  const options = ['bind', ...(/private$/.test(point.propagation) ? ['private'] : [])];
  mountAll([{ type: 'bind', source, options }], target);
  return target;
}

/** Takes the stages down again, whether the container came to be or not. */
export async function unstageMounts(deps: ContainerDeps, container: Container): Promise<void> {
  for (const point of container.record.mounts) {
    const key = point.nonRecursive ? bindStageKey(container, point) : point.image?.snapshot;
    if (key === undefined) continue;
    const target = stagePath(deps, key);
    await unmount(target, { detach: true, recursive: true });
    await rmdir(target).catch((error: unknown) => {
      if (!isKind(error, 'notFound')) throw error;
    });
  }
}
