import {
  chmodSync,
  chownSync,
  constants,
  futimesSync,
  lchownSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  rmSync,
  symlinkSync,
  utimesSync,
} from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { conflict, throwIfAborted } from '@berth/base';
import { changeMode, changeOwner, closeFd, deviceNumber, makeNode, setXattr } from '@berth/linux';
import { baseName, type FileTree, type TreeEntry } from '../tree/file-tree.ts';
import { type Rootfs, statOf } from './rootfs/rootfs.ts';
import { type Selected, walk } from './select.ts';

/** How copied entries come out; what is undefined stays as in the source. */
export interface CopyRules {
  readonly owner: { readonly uid: number; readonly gid: number } | undefined;
  readonly mode: ((entry: TreeEntry) => number) | undefined;
  readonly exclude: readonly string[];
  readonly signal: AbortSignal | undefined;
}

/** Where the selected entry goes: `intoDirectory` asks for it under its own name inside `path`. */
export interface CopyPlace {
  /** Path in the root file system. */
  readonly path: string;
  readonly intoDirectory: boolean;
}

const SLICE_MS = 8;
const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** Copies one selected entry; a directory gives its contents. Yields to the event loop every few milliseconds. */
export async function copySelected(
  tree: FileTree,
  selected: Selected,
  rootfs: Rootfs,
  place: CopyPlace,
  rules: CopyRules,
): Promise<void> {
  const copier = new Copier(tree, rules);
  const parentOwner = rules.owner ?? { uid: 0, gid: 0 };
  if (selected.entry.type === 'directory') {
    const existed = rootfs.stat(place.path) !== undefined;
    const top = rootfs.makeDirectory(place.path, parentOwner);
    await copier.directory(selected, top, existed);
    return;
  }
  const existing = rootfs.stat(place.path);
  const inside = place.intoDirectory || existing?.isDirectory() === true;
  const path = inside ? `${place.path.replace(/\/+$/, '')}/${baseName(selected.path) || 'file'}` : place.path;
  rootfs.makeDirectory(path.slice(0, path.lastIndexOf('/')) || '/', parentOwner);
  await copier.single(selected.entry, rootfs.resolve(path));
}

class Copier {
  readonly #tree: FileTree;
  readonly #rules: CopyRules;
  /** First name written for each file that has several. */
  readonly #linked = new Map<string, string>();
  /** Directories made here: what goes into them meets nothing. */
  readonly #fresh = new Set<string>();
  #until = performance.now() + SLICE_MS;

  constructor(tree: FileTree, rules: CopyRules) {
    this.#tree = tree;
    this.#rules = rules;
  }

  async directory(selected: Selected, top: string, existed: boolean): Promise<void> {
    const times: { readonly path: string; readonly mtime: number }[] = [];
    if (!existed) this.#fresh.add(top);
    for (const { entry, relative } of walk(this.#tree, selected, this.#rules.exclude)) {
      await this.#breathe();
      const target = relative === '' ? top : `${top}/${relative}`;
      if (entry.type !== 'directory') {
        this.#makeRoom(target, false);
        await this.#write(entry, target);
      } else if (relative !== '' || !existed) {
        if (relative !== '') this.#makeRoom(target, true);
        this.#describeDirectory(entry, target);
        times.push({ path: target, mtime: entry.mtime });
      }
    }
    // only now: writing into a directory changes its time
    for (const { path, mtime } of times.reverse()) utimesSync(path, mtime / 1000, mtime / 1000);
  }

  async single(entry: TreeEntry, target: string): Promise<void> {
    this.#makeRoom(target, false);
    await this.#write(entry, target);
  }

  /** Takes away what is in the way; a directory is merged with a directory only. */
  #makeRoom(target: string, forDirectory: boolean): void {
    const stats = this.#fresh.has(target.slice(0, target.lastIndexOf('/'))) ? undefined : statOf(target);
    if (!stats) {
      if (forDirectory) this.#make(target);
      return;
    }
    if (stats.isDirectory()) {
      if (!forDirectory) throw conflict(`cannot copy to ${baseName(target)}: it is a directory, the source is not`);
      return;
    }
    rmSync(target);
    if (forDirectory) this.#make(target);
  }

  #make(directory: string): void {
    mkdirSync(directory);
    this.#fresh.add(directory);
  }

  #describeDirectory(entry: TreeEntry, target: string): void {
    const { uid, gid } = this.#rules.owner ?? entry;
    chownSync(target, uid, gid);
    chmodSync(target, this.#rules.mode?.(entry) ?? entry.mode);
    this.#attributes(entry, target);
  }

  async #write(entry: TreeEntry, target: string): Promise<void> {
    const first = entry.inode === undefined ? undefined : this.#linked.get(entry.inode);
    if (first !== undefined) {
      linkSync(first, target);
      return;
    }
    const { uid, gid } = this.#rules.owner ?? entry;
    const mode = this.#rules.mode?.(entry) ?? entry.mode;
    switch (entry.type) {
      case 'file':
        await this.#file(entry, target, uid, gid, mode);
        break;
      case 'symlink':
        symlinkSync(entry.linkTarget ?? '', target);
        lchownSync(target, uid, gid);
        lutimesSync(target, entry.mtime / 1000, entry.mtime / 1000);
        break;
      case 'socket':
      case 'directory':
        break;
      default:
        makeNode(
          target,
          NODE_TYPES[entry.type] | mode,
          deviceNumber(entry.device?.major ?? 0, entry.device?.minor ?? 0),
        );
        chownSync(target, uid, gid);
        chmodSync(target, mode);
        utimesSync(target, entry.mtime / 1000, entry.mtime / 1000);
    }
    if (entry.inode !== undefined) this.#linked.set(entry.inode, target);
  }

  async #file(entry: TreeEntry, target: string, uid: number, gid: number, mode: number): Promise<void> {
    const descriptor = openSync(target, NEW_FILE, 0o600);
    try {
      await this.#tree.copyTo(entry, descriptor);
      if (uid !== 0 || gid !== 0) changeOwner(descriptor, uid, gid);
      changeMode(descriptor, mode);
      this.#attributes(entry, target);
      futimesSync(descriptor, entry.mtime / 1000, entry.mtime / 1000);
    } finally {
      closeFd(descriptor);
    }
  }

  #attributes(entry: TreeEntry, target: string): void {
    if (entry.xattrs) for (const [name, value] of entry.xattrs) setXattr(target, name, value);
  }

  async #breathe(): Promise<void> {
    if (performance.now() < this.#until) return;
    throwIfAborted(this.#rules.signal);
    await setImmediate();
    this.#until = performance.now() + SLICE_MS;
  }
}

const NODE_TYPES = { fifo: 0o010000, character: 0o020000, block: 0o060000 } as const;
