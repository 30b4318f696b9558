import { readSync } from 'node:fs';
import { posix } from 'node:path';
import { dataLoss, invalid } from '@berth/base';
import { writeAll } from '../tree/directory-tree.ts';
import { type FileTree, joinPath, type TreeEntry } from '../tree/file-tree.ts';
import { resolveLinks } from '../tree/resolve-links.ts';
import type { TarMember } from './tar-index.ts';

interface Node {
  entry: TreeEntry;
  member: TarMember | undefined;
  readonly children: Map<string, Node>;
}

const TYPES: Readonly<Record<string, TreeEntry['type']>> = {
  '0': 'file',
  S: 'file',
  '1': 'file',
  '2': 'symlink',
  '3': 'character',
  '4': 'block',
  '5': 'directory',
  '6': 'fifo',
};
const MAX_DEPTH = 1000;
const CHUNK = 1 << 20;

/** Builds a {@link FileTree} from an archive's members; their bytes stay in the uncompressed archive, an open file. */
export class TarTreeBuilder {
  readonly #root: Node = directory('');

  add(member: TarMember): void {
    const parts = partsOf(member.path);
    const type = TYPES[member.type];
    if (type === undefined) return;
    // the archive's own root directory says nothing about the place it is copied to
    if (parts.length === 0) return;
    if (parts.length > MAX_DEPTH) throw invalid('the archive has a path that is too deep');
    const name = parts.pop() ?? '';
    const parent = this.#directory(parts);
    const path = joinPath(parent.entry.path, name);
    if (member.type === '1') {
      const target = this.#find(partsOf(member.linkTarget));
      if (target?.member === undefined || target.entry.type === 'directory')
        throw invalid(`the archive has a hard link to ${JSON.stringify(member.linkTarget)}, which it does not hold`);
      target.entry = { ...target.entry, inode: target.entry.inode ?? `tar:${target.member.offset}` };
      parent.children.set(name, { entry: { ...target.entry, path }, member: target.member, children: new Map() });
      return;
    }
    const known = parent.children.get(name);
    if (type === 'directory' && known?.entry.type === 'directory') known.entry = toEntry(member, path, type);
    else parent.children.set(name, { entry: toEntry(member, path, type), member, children: new Map() });
  }

  /** Takes out what `leaveOut` says, keeping directories that hold something kept. */
  prune(leaveOut: (path: string) => boolean): void {
    pruneNode(this.#root, leaveOut);
  }

  build(archive: number): FileTree {
    return new TarTree(this.#root, archive);
  }

  #find(parts: readonly string[]): Node | undefined {
    let at: Node | undefined = this.#root;
    for (const part of parts) at = at?.children.get(part);
    return at;
  }

  #directory(parts: readonly string[]): Node {
    let at = this.#root;
    for (const part of parts) {
      let next = at.children.get(part);
      if (next?.entry.type !== 'directory') {
        next = directory(joinPath(at.entry.path, part));
        at.children.set(part, next);
      }
      at = next;
    }
    return at;
  }
}

function directory(path: string): Node {
  const entry: TreeEntry = { path, type: 'directory', mode: 0o755, uid: 0, gid: 0, size: 0, mtime: Date.now() };
  return { entry, member: undefined, children: new Map() };
}

function partsOf(path: string): string[] {
  if (path.includes('\uFFFD')) throw invalid(`the archive has a name that is not UTF-8: ${JSON.stringify(path)}`);
  // `..` of the root is the root, as everywhere
  return posix
    .normalize(`/${path}`)
    .split('/')
    .filter((part) => part !== '');
}

function toEntry(member: TarMember, path: string, type: TreeEntry['type']): TreeEntry {
  const { mode, uid, gid, mtime, major, minor } = member;
  const xattrs = [...member.xattrs].filter(([name]) => name.startsWith('user.') || name === 'security.capability');
  return {
    path,
    type,
    mode,
    uid,
    gid,
    mtime,
    size: type === 'file' ? member.size : 0,
    ...(type === 'symlink' ? { linkTarget: member.linkTarget } : {}),
    ...(type === 'character' || type === 'block' ? { device: { major, minor } } : {}),
    ...(xattrs.length > 0 ? { xattrs: new Map(xattrs) } : {}),
  };
}

function pruneNode(node: Node, leaveOut: (path: string) => boolean): void {
  for (const [name, child] of node.children) {
    pruneNode(child, leaveOut);
    if (child.children.size === 0 && leaveOut(child.entry.path)) node.children.delete(name);
  }
}

class TarTree implements FileTree {
  readonly #root: Node;
  readonly #archive: number;

  constructor(root: Node, archive: number) {
    this.#root = root;
    this.#archive = archive;
  }

  lookup(path: string, options: { readonly follow?: boolean } = {}): TreeEntry | undefined {
    return this.#node(path, options.follow ?? false)?.entry;
  }

  names(of: TreeEntry): readonly string[] {
    return [...(this.#node(of.path, false)?.children.keys() ?? [])].sort();
  }

  async contentDigest(file: TreeEntry): Promise<string> {
    return this.#member(file).digest;
  }

  async copyTo(file: TreeEntry, descriptor: number): Promise<void> {
    for (const chunk of this.#chunks(file)) writeAll(descriptor, chunk);
  }

  async head(file: TreeEntry, length: number): Promise<Uint8Array> {
    const { offset, size } = this.#member(file);
    const buffer = Buffer.alloc(Math.min(length, size));
    return buffer.subarray(0, readSync(this.#archive, buffer, 0, buffer.length, offset));
  }

  async *stream(file: TreeEntry): AsyncIterable<Uint8Array> {
    for (const chunk of this.#chunks(file)) yield Buffer.from(chunk);
  }

  /** The buffer is used again for the next chunk. */
  *#chunks(file: TreeEntry): Iterable<Uint8Array> {
    const { offset, size } = this.#member(file);
    const buffer = Buffer.allocUnsafe(Math.min(size, CHUNK));
    for (let done = 0; done < size; ) {
      const length = readSync(this.#archive, buffer, 0, Math.min(buffer.length, size - done), offset + done);
      if (length === 0) throw dataLoss(`the received build context ends within ${file.path}`);
      yield buffer.subarray(0, length);
      done += length;
    }
  }

  #member(file: TreeEntry): TarMember {
    const member = this.#node(file.path, false)?.member;
    if (!member) throw invalid(`${file.path} is not a file`);
    return member;
  }

  #node(path: string, follow: boolean): Node | undefined {
    // most paths lead over no link, and links have nothing below them
    const direct = this.#plain(path);
    if (direct && !(follow && direct.entry.type === 'symlink')) return direct;
    const at = resolveLinks(path, follow, (candidate) => this.#plain(candidate)?.entry.linkTarget);
    return this.#plain(at);
  }

  #plain(path: string): Node | undefined {
    let at: Node | undefined = this.#root;
    if (path === '') return at;
    for (const part of path.split('/')) at = at?.children.get(part);
    return at;
  }
}
