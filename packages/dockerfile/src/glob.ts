import { invalid } from '@berth/base';

/** A path pattern, matched in time proportional to pattern times path, whatever either holds. */
export interface Glob {
  /** The whole path matches. */
  matches(path: string): boolean;
  /** The path or one of the directories above it matches. */
  matchesTree(path: string): boolean;
}

export interface GlobOptions {
  /** `**` crosses slashes, as in .dockerignore; without it the rules are those of Go's `filepath.Match`. */
  readonly doubleStar: boolean;
}

type Token =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'any' }
  | { readonly kind: 'class'; readonly negated: boolean; readonly ranges: readonly (readonly [string, string])[] }
  /** Repeats: any run without a slash; any run at all; nothing or a run that ends in a slash. */
  | { readonly kind: 'star' | 'deep' | 'deepSlash' };

const MAX_PATTERN = 4096;

/** True when the text has a character with a meaning in patterns. */
export function hasWildcard(text: string): boolean {
  return /[*?[\\]/.test(text);
}

/** Errors: `invalid` with text `syntax error in pattern`. */
export function compileGlob(pattern: string, options: GlobOptions): Glob {
  if (pattern.length > MAX_PATTERN) throw invalid(`pattern longer than ${MAX_PATTERN} characters`);
  if (!hasWildcard(pattern))
    return {
      matches: (path) => path === pattern,
      matchesTree: (path) => path === pattern || (path.startsWith(pattern) && path[pattern.length] === '/'),
    };
  const tokens = tokenize(pattern, options);
  return { matches: (path) => simulate(tokens, path, false), matchesTree: (path) => simulate(tokens, path, true) };
}

function tokenize(pattern: string, options: GlobOptions): readonly Token[] {
  const tokens: Token[] = [];
  const characters = [...pattern];
  let at = 0;
  const bad = () => invalid(`syntax error in pattern ${JSON.stringify(pattern)}`);
  while (at < characters.length) {
    const c = characters[at] ?? '';
    if (c === '*') {
      let stars = 0;
      while (characters[at] === '*') {
        stars++;
        at++;
      }
      if (!options.doubleStar || stars === 1) tokens.push({ kind: 'star' });
      else if (characters[at] === '/') {
        at++;
        tokens.push({ kind: 'deepSlash' });
      } else tokens.push({ kind: 'deep' });
    } else if (c === '?') {
      at++;
      tokens.push({ kind: 'any' });
    } else if (c === '[') {
      const read = readClass(characters, at + 1);
      if (!read) throw bad();
      tokens.push(read.token);
      at = read.next;
    } else {
      if (c === '\\') at++;
      const text = characters[at];
      if (text === undefined) throw bad();
      tokens.push({ kind: 'literal', text });
      at++;
    }
  }
  return tokens;
}

function readClass(
  characters: readonly string[],
  from: number,
): { readonly token: Token; readonly next: number } | undefined {
  let at = from;
  const negated = characters[at] === '^';
  if (negated) at++;
  const ranges: [string, string][] = [];
  const one = (): string | undefined => {
    if (characters[at] === '\\') at++;
    const c = characters[at];
    at++;
    return c;
  };
  while (characters[at] !== ']' || ranges.length === 0) {
    if (characters[at] === '-' || characters[at] === ']') return undefined;
    const low = one();
    if (low === undefined) return undefined;
    let high: string | undefined = low;
    if (characters[at] === '-') {
      at++;
      if (characters[at] === ']') return undefined;
      high = one();
    }
    if (high === undefined || at >= characters.length) return undefined;
    ranges.push([low, high]);
  }
  return { token: { kind: 'class', negated, ranges }, next: at + 1 };
}

/** Runs all alternatives at once: `states` holds the tokens that may come next. */
function simulate(tokens: readonly Token[], path: string, tree: boolean): boolean {
  let states = closure(tokens, new Set([0]));
  for (const c of path) {
    if (tree && c === '/' && states.has(tokens.length)) return true;
    const next = new Set<number>();
    for (const state of states) step(tokens, state, c, next);
    if (next.size === 0) return false;
    states = closure(tokens, next);
  }
  return states.has(tokens.length);
}

/** A `deepSlash` is left either before it took anything or right after a slash. */
function closure(tokens: readonly Token[], states: Set<number>): Set<number> {
  for (const state of states) {
    const kind = state >= 0 ? tokens[state]?.kind : undefined;
    if (kind === 'star' || kind === 'deep' || kind === 'deepSlash') states.add(state + 1);
  }
  return states;
}

function step(tokens: readonly Token[], state: number, c: string, next: Set<number>): void {
  const inDeepSlash = state < 0;
  const index = inDeepSlash ? -state - 1 : state;
  const token = tokens[index];
  switch (token?.kind) {
    case 'literal':
      if (token.text === c) next.add(index + 1);
      break;
    case 'any':
      if (c !== '/') next.add(index + 1);
      break;
    case 'class': {
      const inside = token.ranges.some(([low, high]) => low <= c && c <= high);
      if (c !== '/' && inside !== token.negated) next.add(index + 1);
      break;
    }
    case 'star':
      if (c !== '/') next.add(index);
      break;
    case 'deep':
      next.add(index);
      break;
    case 'deepSlash':
      // a negative state is "inside": it may not be left before the next slash
      next.add(c === '/' ? index : -index - 1);
      break;
    default:
      break;
  }
}
