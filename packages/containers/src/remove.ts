import { rm } from 'node:fs/promises';
import { type CallOptions, conflict, isKind } from '@berth/base';
import { cancelPending } from './attach.ts';
import type { Container } from './container.ts';
import type { ContainerDeps } from './deps.ts';
import { emitContainer } from './events.ts';
import { removeImageMounts } from './image-mounts.ts';
import { endForwarding } from './log-forwarding.ts';
import { containerDirectory } from './paths.ts';
import { cancelRestart } from './restart-policy.ts';
import { sendSignal } from './stop.ts';

const SIGKILL = 9;

export interface RemoveContainerOptions extends CallOptions {
  readonly force?: boolean;
  /** Also remove anonymous volumes. */
  readonly removeVolumes?: boolean;
}

export async function remove(
  deps: ContainerDeps,
  nameOrId: string,
  options: RemoveContainerOptions = {},
): Promise<void> {
  const container = deps.store.get(nameOrId);
  if (container.is('removing')) throw conflict(`removal of container ${nameOrId} is already in progress`);
  if (container.isRunning || container.is('restarting')) {
    if (!options.force) {
      const advice = container.is('paused')
        ? 'unpause and then stop the container before removal or force remove'
        : 'stop the container before removal or force remove';
      throw conflict(`cannot remove container "/${container.name}": container is ${container.state.status}: ${advice}`);
    }
    await killForRemoval(deps, container);
  }
  using _held = await deps.lock.acquire(container.id);
  if (deps.store.find(container.id) !== container) return;
  await removeContainer(deps, container, options);
}

async function killForRemoval(deps: ContainerDeps, container: Container): Promise<void> {
  if (cancelRestart(deps, container)) return;
  deps.store.setState(container, { stoppedByUser: true });
  const exited = container.exitWaiters.add();
  try {
    await sendSignal(deps, container, SIGKILL);
    await exited.promise;
  } finally {
    exited.cancel();
  }
}

/** Removes a container that does not run: record last, so that a crash in between is picked up by the next start. */
export async function removeContainer(
  deps: ContainerDeps,
  container: Container,
  options: { readonly removeVolumes?: boolean },
): Promise<void> {
  const { removeVolumes = false } = options;
  deps.store.setState(container, { status: 'removing', removeVolumes });
  for (const id of container.execIds) deps.execs.delete(id);
  await endForwarding(deps, container);
  await deps.networks.closeSandbox(container.id);
  await deps.snapshotter.remove(container.id).catch((error: unknown) => {
    if (!isKind(error, 'notFound')) throw error;
  });
  await removeImageMounts(deps, container);
  await releaseVolumes(deps, container, removeVolumes);
  await deps.rotator.forget(container.record.logPath);
  await rm(containerDirectory(deps, container.id), { recursive: true, force: true });
  deps.store.delete(container);
  cancelPending(container);
  container.removeWaiters.notify({ exitCode: container.state.exitCode });
  container.tellEnded({ exitCode: container.state.exitCode });
  emitContainer(deps, container, 'destroy');
}

async function releaseVolumes(deps: ContainerDeps, container: Container, removeAnonymous: boolean): Promise<void> {
  for (const { type, name } of container.record.mounts) {
    if (type !== 'volume' || name === undefined) continue;
    deps.volumes.unreference(name, container.id);
    if (!removeAnonymous) continue;
    try {
      if (deps.volumes.get(name).anonymous && deps.volumes.users(name).length === 0) await deps.volumes.remove(name);
    } catch (error) {
      if (!isKind(error, 'notFound', 'conflict')) throw error;
    }
  }
}
