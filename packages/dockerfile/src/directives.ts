import { dockerfileError, type SourceRange } from './source.ts';

/** What the `# name=value` lines at the very top of a Dockerfile say. */
export interface Directives {
  /** Image of the frontend asked for; Berth reads every Dockerfile with its own and keeps this for information. */
  readonly syntax?: string;
  readonly escape: '\\' | '`';
  /** `skip=RuleA,RuleB;error=true`. */
  readonly check?: string;
}

const NAMES = new Set(['syntax', 'escape', 'check']);
const SHAPE = /^[ \t]*#[ \t]*([a-zA-Z][a-zA-Z0-9]*)[ \t]*=(.*)$/;

export function readDirectives(lines: readonly string[], file: string): Directives {
  const found = new Map<string, string>();
  for (const [index, line] of lines.entries()) {
    const match = line.length > 4096 ? null : SHAPE.exec(line);
    const name = match?.[1]?.toLowerCase();
    if (name === undefined || !NAMES.has(name)) break;
    const value = (match?.[2] ?? '').trim();
    const range = lineRange(file, index + 1, line.length);
    if (found.has(name)) throw dockerfileError(range, `only one ${name} parser directive can be used`);
    if (name === 'escape' && value !== '\\' && value !== '`')
      throw dockerfileError(range, `invalid escape token '${value}' does not match ${'`'} or \\`);
    found.set(name, value);
  }
  const syntax = found.get('syntax');
  const check = found.get('check');
  return {
    escape: found.get('escape') === '`' ? '`' : '\\',
    ...(syntax === undefined ? {} : { syntax }),
    ...(check === undefined ? {} : { check }),
  };
}

function lineRange(file: string, line: number, length: number): SourceRange {
  return { file, start: { line, column: 1 }, end: { line, column: length + 1 } };
}
