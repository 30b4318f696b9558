import { closeSync, fstatSync, openSync, type Stats, statSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { basename, dirname, posix } from 'node:path';
import { packDirectory, unpackInto } from '@berth/archive';
import { type CallOptions, forbidden, invalid, isKind, notFound, randomId } from '@berth/base';
import { bindMount, type Mount, O, RESOLVE, tryOpenBeneath, withMounts } from '@berth/linux';
import type { ByteStream } from '@berth/oci';
import { resolveUser } from '@berth/runtime';
import type { Container } from './container.ts';
import type { ContainerDeps } from './deps.ts';
import { emitContainer } from './events.ts';
import { rootfsPath } from './paths.ts';
import { withinVolume } from './resources.ts';
import { makeDirectoryInRoot, makeFileInRoot, resolveInRoot, withPathInRoot } from './root-path.ts';
import type { MountPoint } from './types.ts';

/** `X-Docker-Container-Path-Stat`. */
export interface PathStat {
  readonly name: string;
  readonly size: number;
  /** Go's os.FileMode bits. */
  readonly mode: number;
  readonly mtime: Date;
  readonly linkTarget: string;
}

export async function statPath(deps: ContainerDeps, nameOrId: string, path: string): Promise<PathStat> {
  const container = deps.store.get(nameOrId);
  return await withView(deps, container, async (root) => lookAt(root, path, nameOrId).stat);
}

/**
 * A tar of the file or directory at `path`, named by its last element: `/a/b` and `/a/b/` give `b`, `/a/b/.` gives `.`.
 * A link that is the last element is packed itself unless a slash follows.
 */
export async function copyOut(
  deps: ContainerDeps,
  nameOrId: string,
  path: string,
  send: (stat: PathStat, archive: ByteStream) => Promise<void>,
): Promise<void> {
  const container = deps.store.get(nameOrId);
  await withView(deps, container, async (root) => {
    const { stat, place, isDirectory } = lookAt(root, path, nameOrId);
    const [from, member] = isDirectory ? [place, '.'] : [dirname(place), basename(place)];
    const below = stat.name === '/' ? '' : stat.name;
    const done = await withPathInRoot(root, from, async (directory) => {
      const rename = (name: string): string => (name === '.' ? stat.name : `${below}/${name}`);
      await send(stat, packDirectory(directory, { paths: [member], ...(isDirectory ? { rename } : {}) }));
      return true;
    });
    if (!done) throw missing(path, nameOrId);
  });
  emitContainer(deps, container, 'archive-path', { path });
}

export interface CopyInOptions extends CallOptions {
  readonly noOverwriteDirNonDir?: boolean;
  readonly copyUidGid?: boolean;
}

/** Unpacks a tar into the directory at `path`. */
export async function copyIn(
  deps: ContainerDeps,
  nameOrId: string,
  path: string,
  archive: ByteStream,
  options: CopyInOptions = {},
): Promise<void> {
  const container = deps.store.get(nameOrId);
  const { user } = container.record.settings;
  await withView(deps, container, async (root) => {
    const place = resolveInRoot(root, path);
    const done = await withPathInRoot(root, place, async (directory, fd) => {
      if (!fstatSync(fd).isDirectory()) throw invalid('extraction point is not a directory');
      assertWritable(container, place);
      const owner = options.copyUidGid && user !== '' ? await resolveUser(root, user, []) : undefined;
      await unpackInto(directory, archive, {
        noOverwriteDirNonDir: options.noOverwriteDirNonDir ?? false,
        ...(owner ? { owner: { uid: owner.uid, gid: owner.gid } } : {}),
        ...(options.signal ? { signal: options.signal } : {}),
      });
      return true;
    });
    if (!done) throw missing(path, nameOrId);
  });
  emitContainer(deps, container, 'extract-to-dir', { path });
}

/**
 * The container's file tree with its volumes and binds, whether it runs or not. What it mounted itself, and what the
 * kernel makes up for it (`/proc`, `/dev`, tmpfs), is not part of it.
 */
async function withView<T>(deps: ContainerDeps, container: Container, work: (root: string) => Promise<T>): Promise<T> {
  await mkdir(deps.paths.mounts, { recursive: true });
  const mounts: readonly Mount[] = container.isRunning
    ? [{ type: 'bind', source: rootfsPath(deps, container.id), options: ['bind'] }]
    : await deps.snapshotter.mounts(container.id);
  return await withMounts(mounts, deps.paths.mounts, async (root) => {
    await using volumes = new AsyncDisposableStack();
    for (const point of container.record.mounts) await addToView(deps, container, point, root, volumes);
    return await work(root);
  });
}

async function addToView(
  deps: ContainerDeps,
  container: Container,
  point: MountPoint,
  root: string,
  volumes: AsyncDisposableStack,
): Promise<void> {
  if (point.type === 'tmpfs' || point.type === 'image') return;
  let { source } = point;
  if (point.type === 'volume') {
    const consumer = `${container.id}-copy-${randomId().slice(0, 12)}`;
    const path = await deps.volumes.mount(point.name ?? '', consumer);
    volumes.defer(() => deps.volumes.unmount(point.name ?? '', consumer));
    source = point.subpath === undefined ? path : await withinVolume(path, point.subpath);
  }
  const stat = statSync(source, { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (stat.isDirectory()) makeDirectoryInRoot(root, point.destination);
  else makeFileInRoot(root, point.destination);
  const isReadOnly = !point.rw && stat.isDirectory();
  await withPathInRoot(root, point.destination, async (_directory, fd) => {
    const target = `/proc/self/fd/${fd}`;
    if (!isReadOnly) bindMount(source, target);
    // A mount on a descriptor can not be changed by way of that; one made from a read-only one is read-only.
    else
      await withMounts([{ type: 'bind', source, options: ['bind', 'ro'] }], deps.paths.mounts, async (staged) =>
        bindMount(staged, target),
      );
  });
}

function assertWritable(container: Container, path: string): void {
  const inside = container.record.mounts
    .filter((m) => path === m.destination || posix.normalize(path).startsWith(`${m.destination}/`))
    .at(-1);
  if (inside && !inside.rw) throw forbidden('mounted volume is marked read-only');
  if (!inside && container.record.host.readonlyRootfs) throw forbidden('container rootfs is marked read-only');
}

interface Found {
  readonly stat: PathStat;
  /** Where it is: the links of what leads to it followed, its own only where a slash follows. */
  readonly place: string;
  readonly isDirectory: boolean;
}

/** What is at a path as clients write it; `/.` and a trailing slash mean the directory that it must be. */
function lookAt(root: string, path: string, nameOrId: string): Found {
  const clean = posix.normalize(`/${path}`).replace(/(.)\/$/, '$1');
  const isContent = posix.basename(path) === '.';
  const follows = isContent || path.endsWith('/') || clean === '/';
  const place = follows ? resolveInRoot(root, clean) : posix.join(resolveInRoot(root, dirname(clean)), basename(clean));
  const found = statBeneath(root, place);
  if (found === undefined) throw missing(path, nameOrId);
  if (follows && !found.isDirectory()) throw invalid(`not a directory: ${path}`);
  return {
    place,
    isDirectory: found.isDirectory(),
    stat: {
      name: isContent ? '.' : basename(clean) || '/',
      size: found.size,
      mode: goFileMode(found),
      mtime: found.mtime,
      linkTarget: found.isSymbolicLink() ? targetOf(root, place) : '',
    },
  };
}

/** Of the file itself, be it a link; its directory holds none. */
function statBeneath(root: string, place: string): Stats | undefined {
  const rootFd = openSync(root, O.path | O.directory);
  try {
    const fd = tryOpenBeneath(rootFd, place, O.path | O.nofollow, RESOLVE.inRoot);
    if (fd < 0) return undefined;
    try {
      return fstatSync(fd);
    } finally {
      closeSync(fd);
    }
  } finally {
    closeSync(rootFd);
  }
}

/** Where a link leads in the end; one that leads in a circle, to what it says. */
function targetOf(root: string, place: string): string {
  try {
    return resolveInRoot(root, place);
  } catch (error) {
    if (!isKind(error, 'invalid')) throw error;
    return place;
  }
}

const missing = (path: string, nameOrId: string): Error =>
  notFound(`Could not find the file ${path} in container ${nameOrId}`);

/** Go's os.FileMode: permission bits, and its own bits for the type and for setuid, setgid and sticky. */
function goFileMode(stat: Stats): number {
  const flags: readonly (readonly [boolean, number])[] = [
    [stat.isDirectory(), 2 ** 31],
    [stat.isSymbolicLink(), 2 ** 27],
    [stat.isBlockDevice(), 2 ** 26],
    [stat.isFIFO(), 2 ** 25],
    [stat.isSocket(), 2 ** 24],
    [(stat.mode & 0o4000) !== 0, 2 ** 23],
    [(stat.mode & 0o2000) !== 0, 2 ** 22],
    [stat.isCharacterDevice(), 2 ** 26 + 2 ** 21],
    [(stat.mode & 0o1000) !== 0, 2 ** 20],
  ];
  return flags.reduce((mode, [set, bit]) => (set ? mode + bit : mode), stat.mode & 0o777);
}
