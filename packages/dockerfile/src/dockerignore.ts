import { tooLarge } from '@berth/base';
import { compileGlob } from './glob.ts';

/** Says which paths of a build context are left out. */
export interface IgnoreRules {
  /** Whether a slash-separated path relative to the context's root is left out. */
  ignores(path: string): boolean;
  readonly patterns: readonly string[];
}

const MAX_PATTERNS = 10_000;

/**
 * Reads a `.dockerignore`: comments, `!` exceptions, `**`. A pattern that names a directory takes all below it; a later
 * pattern overrides an earlier one.
 *
 * Errors: `invalid` (syntax error in pattern), `tooLarge`.
 */
export function parseDockerignore(text: string): IgnoreRules {
  const bare = text.startsWith('\uFEFF') ? text.slice(1) : text;
  const patterns: string[] = [];
  for (const line of bare.split(/\r?\n/)) {
    if (line.startsWith('#')) continue;
    const pattern = line.trim();
    if (pattern !== '') patterns.push(normalized(pattern));
  }
  return ignoreRules(patterns);
}

/** The same from patterns already split and cleaned. */
export function ignoreRules(patterns: readonly string[]): IgnoreRules {
  if (patterns.length > MAX_PATTERNS) throw tooLarge(`.dockerignore has more than ${MAX_PATTERNS} patterns`);
  const rules = patterns.map((pattern) => {
    const negated = pattern.startsWith('!');
    return { negated, glob: compileGlob(negated ? pattern.slice(1) : pattern, { doubleStar: true }) };
  });
  return {
    patterns,
    ignores(path) {
      for (let at = rules.length - 1; at >= 0; at--) {
        const rule = rules[at];
        if (rule?.glob.matchesTree(path)) return !rule.negated;
      }
      return false;
    },
  };
}

function normalized(pattern: string): string {
  const negated = pattern.startsWith('!');
  const parts: string[] = [];
  for (const part of (negated ? pattern.slice(1).trim() : pattern).split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..' && parts.length > 0 && parts.at(-1) !== '..') parts.pop();
    else parts.push(part);
  }
  return (negated ? '!' : '') + (parts.join('/') || '.');
}
