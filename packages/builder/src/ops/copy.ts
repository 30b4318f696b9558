import { type CallOptions, invalid, isKind, kindOf, messageOf, wrap } from '@berth/base';
import { digestOf } from '@berth/oci';
import { spoolArchive } from '../context/spool.ts';
import type { CopySource, CopySpec } from '../graph/op-spec.ts';
import type { BuildOp, OpInput } from '../solve/build-op.ts';
import { combineKey } from '../solve/cache-key.ts';
import { directoryTree } from '../tree/directory-tree.ts';
import { baseName, type FileTree } from '../tree/file-tree.ts';
import { HEAD_BYTES, looksCompressed, looksLikeTar } from './archive-kind.ts';
import { changeRootfs, viewRootfs } from './change-rootfs.ts';
import { chmodRule } from './chmod.ts';
import { type CopyRules, copySelected } from './copy-files.ts';
import { type LayersRef, layersOf, type Ref } from './refs.ts';
import { findOwner } from './rootfs/accounts.ts';
import { Rootfs } from './rootfs/rootfs.ts';
import { digestSelected, type Selected, selectEntries } from './select.ts';
import type { OpContext } from './services.ts';

/**
 * COPY and ADD. The key covers what is copied from the context byte by byte (times excepted) and, for copies from
 * stages and images, how those were made.
 */
export function copy(spec: CopySpec, context: OpContext): BuildOp<Ref> {
  return {
    cacheKey: (inputs) => inOurWords(spec, () => keyOf(spec, inputs)),
    run: (inputs, options) =>
      inOurWords(spec, async () => {
        const base = layersOf(spec.onto ? inputs[0] : undefined);
        return await withTrees(context, spec, inputs, (trees) => copyOnto(context, spec, base, trees, options));
      }),
  };
}

async function keyOf(spec: CopySpec, inputs: readonly OpInput<Ref>[]) {
  const parts: Record<string, string> = { definition: digestOf(JSON.stringify(spec)) };
  if (spec.onto) parts['input 0'] = inputs[0]?.key.digest ?? '';
  const content: string[] = [];
  for (const source of spec.sources) {
    const input = inputs[source.input];
    if (!input) continue;
    if (source.keepOwner) {
      parts[`input ${source.input}`] = input.key.digest;
      continue;
    }
    const ref = await input.result();
    if (ref.kind !== 'tree') throw invalid('the source of a copy is no tree of files');
    for (const selected of selectEntries(ref.tree, source.path, source.wildcard))
      content.push(
        `${label(selected)} ${await digestSelected(ref.tree, selected, { exclude: spec.exclude, keepOwner: false })}`,
      );
  }
  if (content.length > 0) parts['content'] = digestOf(content.join('\n'));
  return combineKey(parts);
}

/** What of the source's place shows in the result: a directory's name does not. */
function label(selected: Selected): string {
  return selected.entry.type === 'directory' ? 'dir' : `file:${selected.path}`;
}

type Trees = ReadonlyMap<number, FileTree>;

/** Opens every source: mounts the stages, one within the other, and hands all trees to `work`. */
async function withTrees<T>(
  context: OpContext,
  spec: CopySpec,
  inputs: readonly Ref[],
  work: (trees: Trees) => Promise<T>,
): Promise<T> {
  const wanted = [...new Set(spec.sources.map((source) => source.input))];
  const open = async (at: number, trees: Trees): Promise<T> => {
    const index = wanted[at];
    if (index === undefined) return await work(trees);
    const ref = inputs[index];
    if (ref?.kind === 'tree') return await open(at + 1, new Map([...trees, [index, ref.tree]]));
    return await viewRootfs(context, layersOf(ref), (root) =>
      open(at + 1, new Map([...trees, [index, directoryTree(root)]])),
    );
  };
  return await open(0, new Map());
}

async function copyOnto(
  context: OpContext,
  spec: CopySpec,
  base: LayersRef,
  trees: Trees,
  options: CallOptions,
): Promise<Ref> {
  const found = spec.sources.flatMap((source) => {
    const tree = trees.get(source.input);
    if (!tree) throw invalid('the source of a copy is missing');
    return selectEntries(tree, source.path, source.wildcard).map((selected) => ({ source, tree, selected }));
  });
  const intoDirectory = spec.destination.endsWith('/');
  if (found.length > 1 && !intoDirectory)
    throw invalid(
      `When using ${spec.instruction} with more than one source file, the destination must be a directory and end with a /`,
    );
  return await changeRootfs(
    context,
    base,
    async (root) => {
      const rootfs = new Rootfs(root);
      for (const { source, tree, selected } of found) {
        const rules = rulesFor(spec, source, rootfs, options.signal);
        if (source.unpack && (await unpackInto(context, spec, tree, selected, rootfs, rules))) continue;
        const path = spec.parents ? underParents(spec.destination, selected.path) : spec.destination;
        await copySelected(tree, selected, rootfs, { path, intoDirectory: intoDirectory || spec.parents }, rules);
      }
    },
    options,
  );
}

function underParents(destination: string, path: string): string {
  const directory = path.slice(0, Math.max(path.length - baseName(path).length - 1, 0));
  return `${destination.replace(/\/+$/, '')}/${directory}`;
}

function rulesFor(spec: CopySpec, source: CopySource, rootfs: Rootfs, signal: AbortSignal | undefined): CopyRules {
  const asked = spec.chown === undefined ? undefined : findOwner(rootfs, spec.chown);
  return {
    owner: asked ?? (source.keepOwner ? undefined : { uid: 0, gid: 0 }),
    mode: spec.chmod === undefined ? undefined : chmodRule(spec.chmod),
    exclude: spec.exclude,
    signal,
  };
}

/** Unpacks a tar, plain or compressed, into the destination; false when the file is none. */
async function unpackInto(
  context: OpContext,
  spec: CopySpec,
  tree: FileTree,
  selected: Selected,
  rootfs: Rootfs,
  rules: CopyRules,
): Promise<boolean> {
  const { entry } = selected;
  if (entry.type !== 'file') return false;
  const head = await tree.head(entry, HEAD_BYTES);
  const compressed = looksCompressed(head);
  if (!compressed && !looksLikeTar(head)) return false;
  const plain = compressed ? context.decompress(tree.stream(entry), { signal: rules.signal }) : tree.stream(entry);
  try {
    using archive = await spoolArchive(plain, { directory: context.workDir, signal: rules.signal });
    const top = archive.tree.lookup('');
    if (!top) return false;
    const owner = spec.chown === undefined ? undefined : rules.owner;
    await copySelected(
      archive.tree,
      { entry: top, path: '' },
      rootfs,
      { path: spec.destination, intoDirectory: true },
      { ...rules, owner, exclude: [] },
    );
    return true;
  } catch (error) {
    // a compressed file that holds something else is copied as it is
    if (compressed && isKind(error, 'invalid') && /not a tar/.test(messageOf(error))) return false;
    throw wrap(`Error processing tar file ${selected.path}`, error);
  }
}

async function inOurWords<T>(spec: CopySpec, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isKind(error, 'cancelled', 'internal', 'deadline')) throw error;
    if (messageOf(error).startsWith('When using')) throw error;
    throw wrap(`${spec.instruction} failed`, error, kindOf(error) === 'notFound' ? 'invalid' : kindOf(error));
  }
}
