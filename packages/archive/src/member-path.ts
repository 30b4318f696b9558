import { invalid } from '@berth/base';

/** Components of a member's name below the root: lexically cleaned, an absolute name taken as relative to the root. */
export function memberPath(name: string): readonly string[] {
  if (name.includes('\0')) throw invalid('archive: name holds a NUL byte');
  const parts: string[] = [];
  for (const part of name.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') parts.push(part);
    else if (parts.pop() === undefined) throw invalid(`archive: ${JSON.stringify(name)} is outside of the root`);
  }
  return parts;
}

export const WHITEOUT_PREFIX = '.wh.';
/** Prefix of aufs bookkeeping; only the opaque marker means anything. */
export const WHITEOUT_META_PREFIX = '.wh..wh.';
export const OPAQUE_MARKER = '.wh..wh..opq';
