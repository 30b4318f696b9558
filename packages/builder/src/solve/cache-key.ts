import { digestOf } from '@berth/oci';
import type { CacheKey } from './build-op.ts';

/** Combines named ingredients into a key; the order they are given in does not matter. */
export function combineKey(parts: Readonly<Record<string, string>>, cacheable = true): CacheKey {
  const sorted = Object.entries(parts).sort(([a], [b]) => (a < b ? -1 : 1));
  return { digest: digestOf(JSON.stringify(sorted)), parts, cacheable };
}

/** The ingredients `input 0`, `input 1`, ... */
export function inputParts(keys: readonly CacheKey[]): Readonly<Record<string, string>> {
  return Object.fromEntries(keys.map((key, index) => [`input ${index}`, key.digest]));
}
