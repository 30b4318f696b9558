import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { getXattr, listXattrs } from '@berth/linux';

/** What identifies an entry: one line of text each, so that a failed comparison reads well. */
export function describeTree(root: string, options: { readonly mtimes?: boolean } = {}): readonly string[] {
  const lines: string[] = [];
  const links = new Map<string, string>();
  const visit = (path: string): void => {
    for (const name of readdirSync(join(root, path)).sort()) {
      const at = path === '' ? name : `${path}/${name}`;
      lines.push(describeEntry(root, at, links, options.mtimes ?? true));
      if (lstatSync(join(root, at)).isDirectory()) visit(at);
    }
  };
  visit('');
  return lines;
}

const describeEntry = (root: string, at: string, links: Map<string, string>, mtimes: boolean): string => {
  const path = join(root, at);
  const stat = lstatSync(path, { bigint: true });
  const parts = [at, Number(stat.mode).toString(8), `${stat.uid}:${stat.gid}`];
  if (mtimes) parts.push(`mtime=${stat.mtimeNs}`);
  if (stat.isSymbolicLink()) parts.push(`-> ${readlinkSync(path)}`);
  if (stat.isFile()) parts.push(createHash('sha256').update(readFileSync(path)).digest('hex').slice(0, 16));
  if (stat.isCharacterDevice() || stat.isBlockDevice()) parts.push(`device=${stat.rdev}`);
  const id = `${stat.dev}:${stat.ino}`;
  const first = links.get(id);
  if (first !== undefined) parts.push(`same file as ${first}`);
  else if (!stat.isDirectory() && stat.nlink > 1n) links.set(id, at);
  for (const name of [...listXattrs(path)].sort()) parts.push(`${name}=${getXattr(path, name)?.toString('hex')}`);
  return parts.join(' ');
};
