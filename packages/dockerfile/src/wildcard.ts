import { invalid } from '@berth/base';

export interface WildcardOptions {
  readonly anchored: false | 'start' | 'both';
  readonly greedy: boolean;
  readonly flags: string;
}

/** Shell wildcards `*` and `?` (a backslash protects the next character) as a regular expression over whole text. */
export function wildcardToRegExp(pattern: string, options: WildcardOptions): RegExp {
  if (pattern.length > 1024) throw invalid('the pattern of a substitution is longer than 1024 characters');
  let source = '';
  let stars = 0;
  let last = '';
  const characters = [...pattern];
  for (let at = 0; at < characters.length; at++) {
    const c = characters[at] ?? '';
    if (c === '*') {
      if (last === '*') continue;
      stars++;
      source += options.greedy ? '.*' : '.*?';
    } else if (c === '?') source += '.';
    else if (c === '\\' && at + 1 < characters.length) source += quote(characters[++at] ?? '');
    else source += quote(c);
    last = c;
  }
  // each further star multiplies the work of a backtracking matcher
  if (stars > 3) throw invalid('the pattern of a substitution has more than three stars');
  const start = options.anchored === false ? '' : '^';
  const end = options.anchored === 'both' ? '$' : '';
  return new RegExp(`${start}${source}${end}`, options.flags);
}

function quote(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}
