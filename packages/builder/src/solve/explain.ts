import type { CacheKey } from './build-op.ts';

/** Why a step was taken from the cache or not, for a person. */
export interface Explanation {
  readonly hit: boolean;
  readonly reason: string;
}

const WORDS: Readonly<Record<string, string>> = {
  definition: 'the instruction changed',
  content: 'the files it copies changed',
  'input 0': 'the step before it has a new result',
};

/** `earlier`: the ingredients the same step had when it was last built. */
export function explainMiss(key: CacheKey, earlier: Readonly<Record<string, string>> | undefined): Explanation {
  if (earlier === undefined) return { hit: false, reason: 'this step was never built' };
  const changed = Object.keys(key.parts).filter((name) => key.parts[name] !== earlier[name]);
  if (changed.length === 0) return { hit: false, reason: 'its result is no longer stored' };
  return { hit: false, reason: changed.map((name) => WORDS[name] ?? `${name} changed`).join('; ') };
}
