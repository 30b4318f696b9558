import { createHash } from 'node:crypto';
import { invalid, notFound } from '@berth/base';
import { compileGlob, hasWildcard, type IgnoreRules, ignoreRules } from '@berth/dockerfile';
import { cleanRelative, type FileTree, joinPath, type TreeEntry } from '../tree/file-tree.ts';

const MAX_DEPTH = 1000;

/** One of the things an instruction copies: a file or a whole directory, found in a tree. */
export interface Selected {
  readonly entry: TreeEntry;
  /** The path as asked for, relative to the tree's root: what `--parents` keeps and `--exclude` is matched against. */
  readonly path: string;
}

/** Finds what a source path, possibly with wildcards, stands for. `notFound` in docker's words when it is nothing. */
export function selectEntries(tree: FileTree, source: string, wildcard: boolean): readonly Selected[] {
  const path = cleanRelative(source);
  if (!wildcard || !hasWildcard(path)) {
    const entry = tree.lookup(path, { follow: true });
    if (!entry) throw missing(source);
    return [{ entry, path }];
  }
  const found = expand(tree, path);
  if (found.length === 0) throw missing(source);
  return found;
}

function missing(source: string) {
  return notFound(`file not found in build context or excluded by .dockerignore: stat ${source}: file does not exist`);
}

function expand(tree: FileTree, pattern: string): readonly Selected[] {
  let at: readonly string[] = [''];
  for (const part of pattern.split('/')) {
    const glob = hasWildcard(part) ? compileGlob(part, { doubleStar: false }) : undefined;
    at = at.flatMap((directory) => {
      if (!glob) return [joinPath(directory, part)];
      const entry = tree.lookup(directory, { follow: true });
      if (entry?.type !== 'directory') return [];
      return tree
        .names(entry)
        .filter((name) => glob.matches(name))
        .map((name) => joinPath(directory, name));
    });
  }
  return at.flatMap((path) => {
    const entry = tree.lookup(path, { follow: true });
    return entry ? [{ entry, path }] : [];
  });
}

/** An entry below a selected one, `''` being that itself. */
export interface Walked {
  readonly entry: TreeEntry;
  readonly relative: string;
}

/** The selected entry and all below it, parents first, without what `exclude` names. */
export function* walk(tree: FileTree, selected: Selected, exclude: readonly string[]): Iterable<Walked> {
  const rules = exclude.length === 0 ? undefined : ignoreRules(exclude.map(cleanPattern));
  yield* descend(tree, { entry: selected.entry, relative: '' }, selected.path, rules, 0);
}

const cleanPattern = (pattern: string): string =>
  pattern.startsWith('!') ? `!${cleanRelative(pattern.slice(1))}` : cleanRelative(pattern);

function* descend(
  tree: FileTree,
  at: Walked,
  base: string,
  rules: IgnoreRules | undefined,
  depth: number,
): Iterable<Walked> {
  const full = at.relative === '' ? base : joinPath(base, at.relative);
  const excluded = rules?.ignores(full) === true || (at.relative !== '' && rules?.ignores(at.relative) === true);
  if (!excluded) yield at;
  if (at.entry.type !== 'directory' || depth > MAX_DEPTH) return;
  for (const name of tree.names(at.entry)) {
    const entry = tree.lookup(joinPath(at.entry.path, name));
    if (!entry) throw invalid(`cannot copy ${joinPath(full, name)}: its name is not UTF-8`);
    yield* descend(tree, { entry, relative: joinPath(at.relative, name) }, base, rules, depth + 1);
  }
}

/**
 * Digest of everything a copy would write: paths, types, modes, owners (only if they are kept), link targets, extended
 * attributes, bytes. Times do not count.
 */
export async function digestSelected(
  tree: FileTree,
  selected: Selected,
  options: { readonly exclude: readonly string[]; readonly keepOwner: boolean },
): Promise<string> {
  const hash = createHash('sha256');
  let pending: string[] = [];
  for (const { entry, relative } of walk(tree, selected, options.exclude)) {
    const owner = options.keepOwner ? `${entry.uid}:${entry.gid}` : '';
    const body = entry.type === 'file' ? await tree.contentDigest(entry) : (entry.linkTarget ?? '');
    const device = entry.device ? `${entry.device.major}:${entry.device.minor}` : '';
    const mode = entry.type === 'symlink' ? '' : entry.mode.toString(8);
    pending.push(JSON.stringify([relative, entry.type, mode, owner, body, device, xattrText(entry)]));
    if (pending.length === 1000) {
      hash.update(pending.join('\n'));
      pending = [''];
    }
  }
  return hash.update(pending.join('\n')).digest('hex');
}

function xattrText(entry: TreeEntry): string {
  if (!entry.xattrs) return '';
  return [...entry.xattrs]
    .map(([name, value]) => `${name}=${Buffer.from(value).toString('base64')}`)
    .sort()
    .join(',');
}
