import { createHash } from 'node:crypto';
import { writeAll } from './directory-tree.ts';
import type { FileTree, TreeEntry } from './file-tree.ts';

/** Files given as text, all in one directory: here-documents, tests. */
export function memoryTree(files: readonly { readonly name: string; readonly content: string }[]): FileTree {
  const bytes = new Map(files.map((file) => [file.name, Buffer.from(file.content)]));
  const root: TreeEntry = { path: '', type: 'directory', mode: 0o755, uid: 0, gid: 0, size: 0, mtime: 0 };
  const of = (entry: TreeEntry): Buffer => bytes.get(entry.path) ?? Buffer.alloc(0);
  return {
    lookup(path) {
      const name = path.replace(/^\/+|\/+$/g, '');
      if (name === '' || name === '.') return root;
      const content = bytes.get(name);
      if (!content) return undefined;
      return { path: name, type: 'file', mode: 0o644, uid: 0, gid: 0, size: content.length, mtime: Date.now() };
    },
    names: () => [...bytes.keys()].sort(),
    contentDigest: async (entry) => createHash('sha256').update(of(entry)).digest('hex'),
    copyTo: async (entry, descriptor) => writeAll(descriptor, of(entry)),
    head: async (entry, length) => of(entry).subarray(0, length),
    async *stream(entry) {
      yield of(entry);
    },
  };
}
