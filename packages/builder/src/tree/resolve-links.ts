import { invalid } from '@berth/base';
import { joinPath } from './file-tree.ts';

const MAX_LINKS = 255;

/**
 * Walks a path component by component, following symbolic links as if the tree's root were `/`. `linkAt` gives the
 * target of a link and undefined for anything else. The last component is followed only with `followLast`.
 */
export function resolveLinks(path: string, followLast: boolean, linkAt: (path: string) => string | undefined): string {
  const todo = path.split('/').reverse();
  let at = '';
  let links = 0;
  for (let part = todo.pop(); part !== undefined; part = todo.pop()) {
    if (part === '' || part === '.') continue;
    if (part === '..') {
      at = at.slice(0, Math.max(at.lastIndexOf('/'), 0));
      continue;
    }
    const next = joinPath(at, part);
    const last = todo.every((rest) => rest === '' || rest === '.');
    const target = last && !followLast ? undefined : linkAt(next);
    if (target === undefined) {
      at = next;
      continue;
    }
    if (++links > MAX_LINKS) throw invalid(`too many levels of symbolic links: ${path}`);
    if (target.startsWith('/')) at = '';
    todo.push(...target.split('/').reverse());
  }
  return at;
}
