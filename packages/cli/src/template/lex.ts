/** Cuts a template into text and actions, and an action into tokens. */

export class TemplateError extends Error {
  override readonly name = 'TemplateError';
  constructor(message: string) {
    super(`template parsing error: ${message}`);
  }
}

export type Piece = { readonly kind: 'text' | 'action'; readonly source: string };

/** `{{-` and `-}}` take the white space next to them away; comments vanish. */
export function cut(source: string): readonly Piece[] {
  const pieces: Piece[] = [];
  let rest = source;
  let trimNext = false;
  while (rest !== '') {
    const open = rest.indexOf('{{');
    let text = open < 0 ? rest : rest.slice(0, open);
    if (trimNext) text = text.trimStart();
    if (open < 0) {
      pieces.push({ kind: 'text', source: text });
      break;
    }
    const close = endOfAction(rest, open + 2);
    let action = rest.slice(open + 2, close);
    if (/^-\s/.test(action)) {
      text = text.trimEnd();
      action = action.slice(1);
    }
    trimNext = /\s-$/.test(action);
    if (trimNext) action = action.slice(0, -1);
    if (text !== '') pieces.push({ kind: 'text', source: text });
    action = action.trim();
    if (!action.startsWith('/*')) pieces.push({ kind: 'action', source: action });
    rest = rest.slice(close + 2);
  }
  return pieces;
}

function endOfAction(source: string, from: number): number {
  let quote = '';
  for (let at = from; at < source.length; at++) {
    const c = source[at] ?? '';
    if (quote !== '') {
      if (c === '\\' && quote === '"') at++;
      else if (c === quote) quote = '';
    } else if (c === '"' || c === '`') quote = c;
    else if (c === '}' && source[at + 1] === '}') return at;
  }
  throw new TemplateError('unclosed action');
}

export type Token =
  | { readonly kind: 'field' | 'variable' | 'word' | 'symbol'; readonly text: string; readonly spaced: boolean }
  | { readonly kind: 'literal'; readonly value: string | number; readonly spaced: boolean };

const TOKEN =
  /(?<space>\s*)(?:(?<quoted>"(?:\\.|[^"\\])*")|`(?<raw>[^`]*)`|(?<number>[+-]?\d+(?:\.\d+)?)|(?<field>\.[A-Za-z_][\w]*)|(?<variable>\$\w*)|(?<word>[A-Za-z_]\w*)|(?<symbol>:=|[.|(),=]))/y;

/** A token is `spaced` when white space precedes it: `.A.B` is one operand, `.A .B` are two. */
export function tokens(action: string): readonly Token[] {
  const found: Token[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < action.length) {
    const match = TOKEN.exec(action);
    if (match === null) throw new TemplateError(`unexpected character in {{${action}}}`);
    found.push(token(match.groups ?? {}));
  }
  return found;
}

function token(groups: Readonly<Record<string, string | undefined>>): Token {
  const { space, quoted, raw, number, field, variable, word, symbol } = groups as Record<string, string | undefined> & {
    readonly [K in 'space' | 'quoted' | 'raw' | 'number' | 'field' | 'variable' | 'word' | 'symbol']?: string;
  };
  const spaced = space !== undefined && space !== '';
  if (quoted !== undefined) return { kind: 'literal', value: unquote(quoted), spaced };
  if (raw !== undefined) return { kind: 'literal', value: raw, spaced };
  if (number !== undefined) return { kind: 'literal', value: Number(number), spaced };
  if (field !== undefined) return { kind: 'field', text: field.slice(1), spaced };
  if (variable !== undefined) return { kind: 'variable', text: variable, spaced };
  if (word !== undefined) return { kind: 'word', text: word, spaced };
  return { kind: 'symbol', text: symbol ?? '', spaced };
}

function unquote(quoted: string): string {
  try {
    return String(JSON.parse(quoted));
  } catch {
    throw new TemplateError(`bad string ${quoted}`);
  }
}
