import { mkdir, rmdir } from 'node:fs/promises';
import { internal, invalid, isKind } from '@berth/base';
import { isMountPoint, mountAll, unmount } from '@berth/linux';
import type { SpecInput } from '@berth/runtime';
import type { Container } from './container.ts';
import type { ContainerDeps } from './deps.ts';

/*
 * `--ipc`: a `private` container's /dev/shm is its own and nobody else's, `none` has none, `host` sees the host's. A
 * `shareable` one's is mounted on the host, since a mount can not be bound out of another mount namespace: that is
 * what `container:<id>` gets.
 */

const shmPath = (deps: ContainerDeps, id: string): string => `${deps.paths.shared}/${id}-shm`;

/** Mounts what a shareable container will have as /dev/shm. */
export async function mountSharedMemory(deps: ContainerDeps, container: Container): Promise<void> {
  const { ipcMode, shmSize } = container.record.host;
  if (ipcMode !== 'shareable') return;
  const target = shmPath(deps, container.id);
  await mkdir(target, { recursive: true, mode: 0o700 });
  if (isMountPoint(target)) return;
  const options = ['nosuid', 'noexec', 'nodev', 'mode=1777', `size=${shmSize || deps.defaults.shmSize}`];
  mountAll([{ type: 'tmpfs', source: 'shm', options }], target);
}

/** Those that share it keep it; the host does not. */
export async function unmountSharedMemory(deps: ContainerDeps, container: Container): Promise<void> {
  if (container.record.host.ipcMode !== 'shareable') return;
  const target = shmPath(deps, container.id);
  await unmount(target, { detach: true });
  await rmdir(target).catch((error: unknown) => {
    if (!isKind(error, 'notFound')) throw error;
  });
}

/** The running container whose IPC namespace and shared memory `mode` (`container:x`) names. */
export function ipcDonor(deps: ContainerDeps, mode: string): Container {
  const donor = deps.store.get(mode.slice('container:'.length));
  if (!donor.isRunning) throw internal(`failed to join IPC namespace: container ${donor.id} is not running`);
  const { ipcMode = '' } = donor.record.host;
  if (ipcMode !== 'shareable' && ipcMode !== 'host')
    throw invalid(
      `failed to join IPC namespace: container ${donor.id}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)`,
    );
  return donor;
}

/** What /dev/shm of a container is made of. */
export function sharedMemoryOf(deps: ContainerDeps, container: Container): Pick<SpecInput, 'shm'> {
  const { ipcMode = '', shmSize } = container.record.host;
  if (ipcMode === 'none') return { shm: 'none' };
  if (ipcMode === 'host') return { shm: { path: '/dev/shm' } };
  if (ipcMode === 'shareable') return { shm: { path: shmPath(deps, container.id) } };
  if (!ipcMode.startsWith('container:')) return { shm: { size: shmSize || deps.defaults.shmSize } };
  const donor = ipcDonor(deps, ipcMode);
  return { shm: { path: donor.record.host.ipcMode === 'host' ? '/dev/shm' : shmPath(deps, donor.id) } };
}
