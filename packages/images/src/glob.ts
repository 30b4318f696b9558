import { invalid } from '@berth/base';

/**
 * A shell pattern as docker's `reference` filter takes it: `*` and `?` stop at a slash, `[a-z]` and `[^a]` are
 * classes, a backslash quotes. Throws `invalid` for an unfinished class or escape.
 */
export function globToRegExp(pattern: string): RegExp {
  let source = '';
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern.charAt(at);
    if (char === '*') {
      // Runs of stars mean one star; more would only make matching slow.
      if (pattern.charAt(at - 1) !== '*') source += '[^/]*';
    } else if (char === '?') source += '[^/]';
    else if (char === '[') {
      const end = pattern.indexOf(']', at + 2);
      if (end < 0) throw invalid(`syntax error in pattern ${pattern}`);
      source += classSource(pattern.slice(at + 1, end));
      at = end;
    } else if (char === '\\') {
      if (++at >= pattern.length) throw invalid(`syntax error in pattern ${pattern}`);
      source += quote(pattern.charAt(at));
    } else source += quote(char);
  }
  try {
    return new RegExp(`^${source}$`);
  } catch (error) {
    throw invalid(`syntax error in pattern ${pattern}`, { cause: error });
  }
}

const quote = (char: string): string => char.replace(/[$()*+./?[\\\]^{|}-]/g, '\\$&');

function classSource(inner: string): string {
  const negated = inner.startsWith('^');
  const body = (negated ? inner.slice(1) : inner).replace(/[\\[\]^]/g, '\\$&');
  return `[${negated ? '^' : ''}${body}]`;
}
