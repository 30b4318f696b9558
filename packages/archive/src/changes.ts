import { readlinkSync } from 'node:fs';
import type { CallOptions } from '@berth/base';
import { type EntryStat, FILE_TYPE, getXattr, listXattrs } from '@berth/linux';
import { OPAQUE_MARKER, WHITEOUT_PREFIX } from './member-path.ts';
import type { PackItem } from './pack.ts';
import { isDirectory, packChunks, packItems, sortedNames } from './pack.ts';
import { RootDirectory } from './root-directory.ts';
import type { TarEntry } from './tar-entry.ts';

/** One line of `docker diff`. */
export interface LayerChange {
  /** Added, changed (also a directory something in which changed), deleted. */
  readonly kind: 'A' | 'C' | 'D';
  /** Absolute, as seen in the container. */
  readonly path: string;
  /** A directory that hides all lower layers have in it. */
  readonly opaque?: boolean;
}

const statIn = (root: RootDirectory, parts: readonly string[]): EntryStat | undefined => {
  try {
    return root.stat(parts);
  } catch {
    return undefined;
  }
};

const placeIn = (root: RootDirectory, parts: readonly string[]): string =>
  `/proc/self/fd/${root.directory(parts.slice(0, -1), { create: false })}/${parts.at(-1) ?? '.'}`;

const isWhiteout = ({ mode, device }: EntryStat): boolean =>
  (mode & FILE_TYPE.mask) === FILE_TYPE.character && device.major === 0 && device.minor === 0;

const isOpaque = (root: RootDirectory, parts: readonly string[]): boolean => {
  const value = getXattr(placeIn(root, parts), 'trusted.overlay.opaque');
  return value?.length === 1 && value[0] === 0x79;
};

/** What the lower layers show at a path: undefined when nothing. */
const lowerStat = (lowers: readonly RootDirectory[], parts: readonly string[]): EntryStat | undefined => {
  for (const lower of lowers) {
    const verdict = lookIn(lower, parts);
    if (verdict !== 'below') return verdict;
  }
  return undefined;
};

const lookIn = (lower: RootDirectory, parts: readonly string[]): EntryStat | undefined | 'below' => {
  let covered = false;
  for (let n = 1; n <= parts.length; n++) {
    const prefix = parts.slice(0, n);
    const stat = statIn(lower, prefix);
    if (stat === undefined) return covered ? undefined : 'below';
    if (isWhiteout(stat)) return undefined;
    if (n === parts.length) return stat;
    if (!isDirectory(stat)) return undefined;
    covered ||= isOpaque(lower, prefix);
  }
  return 'below';
};

const sameDescription = (a: EntryStat, b: EntryStat): boolean =>
  a.mode === b.mode &&
  a.uid === b.uid &&
  a.gid === b.gid &&
  a.mtime.seconds === b.mtime.seconds &&
  a.mtime.nanos === b.mtime.nanos;

const sameDirectory = (a: EntryStat, b: EntryStat): boolean =>
  isDirectory(a) && isDirectory(b) && sameDescription(a, b);

class Collected {
  readonly #byPath = new Map<string, LayerChange>();

  add(kind: LayerChange['kind'], parts: readonly string[], opaque = false): void {
    for (let n = 1; n < parts.length; n++) {
      const parent = `/${parts.slice(0, n).join('/')}`;
      if (!this.#byPath.has(parent)) this.#byPath.set(parent, { kind: 'C', path: parent });
    }
    const path = `/${parts.join('/')}`;
    this.#byPath.set(path, opaque ? { kind, path, opaque } : { kind, path });
  }

  sorted(): readonly LayerChange[] {
    const key = (change: LayerChange): string => change.path.replaceAll('/', '\0');
    return [...this.#byPath.values()].sort((a, b) => (key(a) < key(b) ? -1 : 1));
  }
}

const overlayChanges = (upper: RootDirectory, lowers: readonly RootDirectory[]): readonly LayerChange[] => {
  const found = new Collected();
  /** `under`: the lower layers that can show something at the path; none below a directory they do not have. */
  const visit = (parts: readonly string[], under: readonly RootDirectory[]): void => {
    for (const name of sortedNames(upper, parts)) {
      const at = [...parts, name];
      const stat = statIn(upper, at);
      if (stat === undefined) continue;
      if (isWhiteout(stat)) {
        found.add('D', at);
        continue;
      }
      const below = lowerStat(under, at);
      const opaque = isDirectory(stat) && isOpaque(upper, at);
      if (below === undefined) found.add('A', at, opaque);
      else if (opaque || !sameDirectory(stat, below)) found.add('C', at, opaque);
      if (isDirectory(stat)) visit(at, below && isDirectory(below) ? under : []);
    }
  };
  visit([], lowers);
  return found.sorted();
};

const sameXattrs = (a: string, b: string): boolean => {
  const [left, right] = [a, b].map((path) =>
    [...listXattrs(path)].filter((name) => !name.startsWith('trusted.')).sort(),
  );
  if (left?.join('\0') !== right?.join('\0')) return false;
  return (left ?? []).every((name) => getXattr(a, name)?.equals(getXattr(b, name) ?? Buffer.alloc(0)));
};

const sameEntry = (
  upper: RootDirectory,
  lower: RootDirectory,
  at: readonly string[],
  a: EntryStat,
  b: EntryStat,
): boolean => {
  if (!sameDescription(a, b)) return false;
  if (a.device.major !== b.device.major || a.device.minor !== b.device.minor) return false;
  if (!isDirectory(a) && a.size !== b.size) return false;
  const [left, right] = [placeIn(upper, at), placeIn(lower, at)];
  if ((a.mode & FILE_TYPE.mask) === FILE_TYPE.symlink && readlinkSync(left) !== readlinkSync(right)) return false;
  return sameXattrs(left, right);
};

const treeChanges = (upper: RootDirectory, lower: RootDirectory | undefined): readonly LayerChange[] => {
  const found = new Collected();
  const visit = (parts: readonly string[], hasLower: boolean): void => {
    const names = new Set(sortedNames(upper, parts));
    for (const name of names) {
      const at = [...parts, name];
      const stat = statIn(upper, at);
      if (stat === undefined) continue;
      const below = hasLower && lower !== undefined ? statIn(lower, at) : undefined;
      if (below === undefined || lower === undefined) found.add('A', at);
      else if (!sameEntry(upper, lower, at, stat, below)) found.add('C', at);
      if (isDirectory(stat)) visit(at, below !== undefined && isDirectory(below));
    }
    if (!hasLower || lower === undefined) return;
    for (const name of sortedNames(lower, parts)) if (!names.has(name)) found.add('D', [...parts, name]);
  };
  visit([], lower !== undefined);
  return found.sorted();
};

/** What changed: an overlay upper directory against its lower ones (nearest first), or one tree against another. */
export type DiffSource =
  | { readonly type: 'overlay'; readonly upper: string; readonly lowers: readonly string[] }
  | { readonly type: 'trees'; readonly upper: string; readonly lower: string | undefined };

export function listChanges(source: DiffSource): readonly LayerChange[] {
  using upper = new RootDirectory(source.upper);
  using stack = new DisposableStack();
  if (source.type === 'trees') {
    const lower = source.lower === undefined ? undefined : stack.use(new RootDirectory(source.lower));
    return treeChanges(upper, lower);
  }
  return overlayChanges(
    upper,
    source.lowers.map((path) => stack.use(new RootDirectory(path))),
  );
}

/** The changes an overlay upper directory makes, sorted by path. */
export async function changes(upper: string, lowers: readonly string[]): Promise<readonly LayerChange[]> {
  return listChanges({ type: 'overlay', upper, lowers });
}

const marker = (name: string): PackItem => {
  const entry: TarEntry = {
    name,
    type: 'file',
    linkName: '',
    mode: 0,
    uid: 0,
    gid: 0,
    size: 0,
    mtime: { seconds: 0, nanos: 0 },
    major: 0,
    minor: 0,
    xattrs: undefined,
    sparse: undefined,
  };
  return { entry };
};

function* itemsOf(list: readonly LayerChange[]): Generator<PackItem> {
  for (const change of list) {
    const path = change.path.slice(1);
    const slash = path.lastIndexOf('/') + 1;
    if (change.kind === 'D') yield marker(`${path.slice(0, slash)}${WHITEOUT_PREFIX}${path.slice(slash)}`);
    else yield { path, name: path };
    if (change.opaque) yield marker(`${path}/${OPAQUE_MARKER}`);
  }
}

/** The layer archive of what changed, by blocking calls and in the buffers that `next` gives; nothing when nothing did. */
export function* layerChunks(source: DiffSource, next: () => Buffer): Generator<Buffer> {
  const list = listChanges(source);
  if (list.length > 0) yield* packChunks(source.upper, () => itemsOf(list), { next });
}

/** Whether an overlay upper directory holds no more than so many entries and bytes of files; stops looking when it does. */
export function isSmallChange(upper: string, limit: { readonly entries: number; readonly bytes: number }): boolean {
  using root = new RootDirectory(upper);
  let { entries, bytes } = limit;
  const visit = (parts: readonly string[]): boolean =>
    sortedNames(root, parts).every((name) => {
      const at = [...parts, name];
      const stat = statIn(root, at);
      if (stat === undefined) return true;
      entries--;
      bytes -= isDirectory(stat) ? 0 : stat.size;
      return entries >= 0 && bytes >= 0 && (!isDirectory(stat) || visit(at));
    });
  return visit([]);
}

/**
 * The layer archive (uncompressed tar, OCI whiteouts) of what changed; undefined when nothing did. The same trees give
 * the same bytes.
 */
export async function diffLayer(
  source: DiffSource,
  options: CallOptions = {},
): Promise<AsyncIterable<Uint8Array> | undefined> {
  const list = listChanges(source);
  return list.length === 0 ? undefined : packItems(source.upper, () => itemsOf(list), options);
}
