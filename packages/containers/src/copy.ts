import { fstatSync, lstatSync, readlinkSync, type Stats, statSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { basename, dirname, posix } from 'node:path';
import { packDirectory, unpackInto } from '@berth/archive';
import { type CallOptions, conflict, forbidden, invalid, notFound } from '@berth/base';
import { bindMount, withMounts } from '@berth/linux';
import type { ByteStream } from '@berth/oci';
import type { Container } from './container.ts';
import type { ContainerDeps } from './deps.ts';
import { emitContainer } from './events.ts';
import { makeDirectoryInRoot, withPathInRoot } from './root-path.ts';
import { liveRoot } from './spec.ts';

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
  return await withView(deps, container, async (root) => await statIn(root, path, nameOrId));
}

/** A tar of the file or directory at `path`, named by its base name; a trailing `/.` gives the directory's content. */
export async function copyOut(
  deps: ContainerDeps,
  nameOrId: string,
  path: string,
  send: (stat: PathStat, archive: ByteStream) => Promise<void>,
): Promise<void> {
  const container = deps.store.get(nameOrId);
  await withView(deps, container, async (root) => {
    const stat = await statIn(root, path, nameOrId);
    const { parent, name, contentOnly } = splitPath(path);
    const done = await withPathInRoot(root, contentOnly ? posix.join(parent, name) : parent, async (directory) => {
      const archive = contentOnly
        ? packDirectory(directory, { paths: ['.'] })
        : packDirectory(directory, { paths: [name === '' ? '.' : name] });
      await send(stat, archive);
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
  assertWritable(container, path);
  await withView(deps, container, async (root) => {
    const done = await withPathInRoot(root, path, async (directory, fd) => {
      if (!fstatSync(fd).isDirectory()) throw invalid('extraction point is not a directory');
      await unpackInto(directory, archive, {
        noOverwriteDirNonDir: options.noOverwriteDirNonDir ?? false,
        ...(options.signal ? { signal: options.signal } : {}),
      });
      return true;
    });
    if (!done) throw missing(path, nameOrId);
  });
  emitContainer(deps, container, 'extract-to-dir', { path });
}

/** The container's file tree with its volumes: a running one's own view, else its layer mounted for the call. */
async function withView<T>(deps: ContainerDeps, container: Container, work: (root: string) => Promise<T>): Promise<T> {
  if (container.isRunning) return await work(liveRoot(deps, container));
  await mkdir(deps.paths.mounts, { recursive: true });
  return await withMounts(await deps.snapshotter.mounts(container.id), deps.paths.mounts, async (root) => {
    await using volumes = new AsyncDisposableStack();
    for (const point of container.record.mounts) {
      if (point.type === 'tmpfs' || point.type === 'image') continue;
      const consumer = `${container.id}-copy`;
      const source = point.type === 'volume' ? await deps.volumes.mount(point.name ?? '', consumer) : point.source;
      if (point.type === 'volume') volumes.defer(() => deps.volumes.unmount(point.name ?? '', consumer));
      if (!statSync(source, { throwIfNoEntry: false })?.isDirectory()) continue;
      makeDirectoryInRoot(root, point.destination);
      await withPathInRoot(root, point.destination, async (target) =>
        bindMount(source, target, { readOnly: !point.rw }),
      );
    }
    return await work(root);
  });
}

function assertWritable(container: Container, path: string): void {
  const inside = container.record.mounts
    .filter((m) => path === m.destination || posix.normalize(path).startsWith(`${m.destination}/`))
    .at(-1);
  if (inside && !inside.rw) throw forbidden('mounted volume is marked read-only');
  if (!inside && container.record.host.readonlyRootfs) throw forbidden('container rootfs is marked read-only');
}

function splitPath(path: string): { readonly parent: string; readonly name: string; readonly contentOnly: boolean } {
  const contentOnly = path.endsWith('/.') || path === '.';
  const clean = posix.normalize(`/${path}`).replace(/(.)\/$/, '$1');
  return { parent: dirname(clean), name: clean === '/' ? '' : basename(clean), contentOnly };
}

async function statIn(root: string, path: string, nameOrId: string): Promise<PathStat> {
  const { parent, name } = splitPath(path);
  const stat = await withPathInRoot(root, parent, async (directory): Promise<PathStat | undefined> => {
    const at = name === '' ? directory : `${directory}/${name}`;
    const found = name === '' ? statSync(at) : lstatSync(at, { throwIfNoEntry: false });
    if (!found) return undefined;
    if (path.endsWith('/') && found.isFile()) throw conflict(`not a directory: ${path}`);
    return {
      name: name === '' ? '/' : name,
      size: found.size,
      mode: goFileMode(found),
      mtime: found.mtime,
      linkTarget: found.isSymbolicLink() ? posix.resolve(parent, readlinkSync(at)) : '',
    };
  });
  if (!stat) throw missing(path, nameOrId);
  return stat;
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
