/** `cp`: which name things get on the other side, in docker's rules, which are those of `cp -a`. */
import { chmodSync, lstatSync, mkdtempSync, readdirSync, realpathSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { packDirectory, unpackInto } from '@berth/archive';
import type { Core } from '@berth/client/light';
import type { PathStat } from '@berth/engine-api';
import type { Context } from './context.ts';
import { ExitError, isKind } from './failure.ts';

export interface Place {
  readonly container: string;
  readonly path: string;
}

export interface CopyOptions {
  readonly follow: boolean;
  /** Keep owners. */
  readonly archive: boolean;
}

const DIRECTORY = 0x80000000;
const SYMLINK = 0x08000000;

const wantsDirectory = (path: string): boolean => /(^|\/)\.?$/.test(path) || path.endsWith('/');
const wantsContent = (path: string): boolean => /(^|\/)\.$/.test(path);

async function statIn(client: Core, { container: id, path }: Place): Promise<PathStat | undefined> {
  try {
    const { headers, body } = await client.open('ContainerArchiveInfo', { params: { id }, query: { path } });
    body.resume();
    const header = headers['x-docker-container-path-stat'];
    return typeof header === 'string' ? (JSON.parse(Buffer.from(header, 'base64').toString()) as PathStat) : undefined;
  } catch (error) {
    if (isKind(error, 'notFound') && !/No such container/i.test(String(error))) return undefined;
    throw error;
  }
}

export async function copyFromContainer(
  context: Context,
  source: Place,
  target: string,
  { follow, archive }: CopyOptions,
): Promise<void> {
  const client = await context.client();
  const path = follow ? await followed(client, source) : source.path;
  if (target === '-') {
    if (context.stdout.isTTY)
      throw new ExitError(1, 'cowardly refusing to write an archive to a terminal: redirect it');
    const body = await client.call('ContainerArchive', { params: { id: source.container }, query: { path } });
    const { pipeline } = await import('node:stream/promises');
    await pipeline(body, context.stdout, { end: false });
    return;
  }
  const there = statLocal(target);
  const into = there?.isDirectory() === true;
  if (!into && there === undefined) {
    if (target.endsWith('/') && !(await isDirectoryIn(client, source, path)))
      throw new ExitError(1, `no such directory: ${target}`);
    if (statLocal(dirname(resolve(target)))?.isDirectory() !== true)
      throw new ExitError(1, `no such directory: ${dirname(target)}`);
  }
  const body = await client.call('ContainerArchive', { params: { id: source.container }, query: { path } });
  const root = into ? resolve(target) : dirname(resolve(target));
  const options = archive ? {} : { owner: { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 } };
  if (into) await unpackInto(root, body, options);
  else await unpackAs(resolve(target), body, options);
}

type UnpackOptions = NonNullable<Parameters<typeof unpackInto>[2]>;

/** Unpacks an archive of one thing under another name: beside its place first, then moved there. */
async function unpackAs(target: string, body: Parameters<typeof unpackInto>[1], options: UnpackOptions): Promise<void> {
  const staging = mkdtempSync(join(dirname(target), '.berth-cp-'));
  try {
    await unpackInto(staging, body, options);
    const [only, ...more] = readdirSync(staging);
    // The content of a directory (`/.`) has no one top; the staging directory itself takes the name.
    if (only === undefined || more.length > 0) {
      chmodSync(staging, 0o755);
      renameSync(staging, target);
    } else renameSync(join(staging, only), target);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

async function isDirectoryIn(client: Core, { container }: Place, path: string): Promise<boolean> {
  const stat = await statIn(client, { container, path });
  return stat !== undefined && (stat.mode & DIRECTORY) !== 0;
}

async function followed(client: Core, source: Place): Promise<string> {
  const stat = await statIn(client, source);
  if (stat === undefined || (stat.mode & SYMLINK) === 0 || stat.linkTarget === '') return source.path;
  return resolve(dirname(resolve('/', source.path)), stat.linkTarget);
}

const statLocal = (path: string) => statSync(path, { throwIfNoEntry: false });

export async function copyToContainer(
  context: Context,
  source: string,
  target: Place,
  { follow, archive }: CopyOptions,
): Promise<void> {
  const client = await context.client();
  const params = { id: target.container };
  const put = (path: string, upload: AsyncIterable<Uint8Array> | NodeJS.ReadStream) =>
    client.call('PutContainerArchive', {
      params,
      query: { path, noOverwriteDirNonDir: true, copyUIDGID: archive },
      upload,
    });
  const there = await statIn(client, target);
  const isDirectory = there !== undefined && (there.mode & DIRECTORY) !== 0;
  if (source === '-') {
    if (!isDirectory) throw new ExitError(1, `destination "${target.container}:${target.path}" must be a directory`);
    await put(target.path, context.stdin);
    return;
  }
  const local = follow ? realpathSync(source) : resolve(source);
  const stat = lstatSync(local, { throwIfNoEntry: false });
  if (stat === undefined) throw new ExitError(1, `lstat ${local}: no such file or directory`);
  if (there === undefined && wantsDirectory(target.path) && !stat.isDirectory()) {
    throw new ExitError(1, `no such directory: ${target.container}:${target.path}`);
  }
  const content = stat.isDirectory() && (wantsContent(source) || there === undefined);
  // A link at the destination is followed, so that its target is overwritten and not the link.
  const finish =
    there !== undefined && there.linkTarget !== '' && (there.mode & SYMLINK) !== 0
      ? resolve(dirname(target.path), there.linkTarget)
      : target.path;
  const base = basename(resolve(source));
  if (isDirectory) {
    const name = content ? '.' : base;
    await put(finish, pack(local, name, stat.isDirectory()));
    return;
  }
  if (there !== undefined && stat.isDirectory()) throw new ExitError(1, 'cannot copy directory');
  const bare = finish.replace(/\/+$/, '') || '/';
  await put(dirname(bare), pack(local, basename(bare), stat.isDirectory()));
}

/** Packs one local path under another name. */
function pack(path: string, name: string, isDirectory: boolean): AsyncIterable<Uint8Array> {
  if (isDirectory) {
    return packDirectory(path, {
      rename: (member) => (name === '.' ? member : member === '.' ? name : join(name, member)),
    });
  }
  return packDirectory(dirname(path), { paths: [basename(path)], rename: () => name });
}
