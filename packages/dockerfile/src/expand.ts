import { type EngineError, invalid } from '@berth/base';
import { wildcardToRegExp } from './wildcard.ts';
import { isSpace } from './words.ts';

/** Looks a variable up; undefined: not set. */
export type Lookup = (name: string) => string | undefined;

export interface ExpandOptions {
  readonly escape?: string;
  /** Told of every variable that is not set and has no default. */
  readonly onUnset?: (name: string) => void;
}

const MAX_DEPTH = 50;
const MAX_OUTPUT = 16 * 1024 * 1024;

/**
 * Expands `$x`, `${x}`, `${x:-d}`, `${x-d}`, `${x:+s}`, `${x+s}`, `${x:?e}`, `${x?e}`, `${x#p}`, `${x##p}`, `${x%p}`,
 * `${x%%p}`, `${x/a/b}`, `${x//a/b}` and removes quotes and escapes, as a Dockerfile's instructions ask for. Linear in
 * the length of text and result.
 *
 * Errors: `invalid` on unclosed quotes and braces, unknown modifiers, required variables that are missing.
 */
export function expandWord(text: string, lookup: Lookup, options: ExpandOptions = {}): string {
  return new Expander(text, lookup, options).whole().joined;
}

/** As {@link expandWord}, then split at white space that was not quoted, also that which came out of variables. */
export function expandWords(text: string, lookup: Lookup, options: ExpandOptions = {}): readonly string[] {
  return new Expander(text, lookup, options).whole().words;
}

/** Text that is collected as one string and, beside it, as words. */
class Output {
  readonly #parts: string[] = [];
  readonly words: string[] = [];
  #word: string | undefined;
  #length = 0;

  raw(text: string): void {
    this.#count(text);
    this.#parts.push(text);
    this.#word = (this.#word ?? '') + text;
  }

  splitting(text: string): void {
    this.#count(text);
    this.#parts.push(text);
    let from = 0;
    for (let at = 0; at <= text.length; at++) {
      if (at < text.length && !isSpace(text[at])) continue;
      if (at > from) this.#word = (this.#word ?? '') + text.slice(from, at);
      if (at < text.length) this.endWord();
      from = at + 1;
    }
  }

  endWord(): void {
    if (this.#word !== undefined) this.words.push(this.#word);
    this.#word = undefined;
  }

  get joined(): string {
    return this.#parts.join('');
  }

  #count(text: string): void {
    this.#length += text.length;
    if (this.#length > MAX_OUTPUT) throw invalid('the expanded text is longer than 16 MiB');
  }
}

const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;
const SPECIAL = /[0-9]+|[@*#?\-$!]/y;

class Expander {
  readonly #text: string;
  readonly #lookup: Lookup;
  readonly #escape: string;
  readonly #onUnset: (name: string) => void;
  #at = 0;
  #depth = 0;

  constructor(text: string, lookup: Lookup, options: ExpandOptions) {
    this.#text = text;
    this.#lookup = lookup;
    this.#escape = options.escape ?? '\\';
    this.#onUnset = options.onUnset ?? (() => undefined);
  }

  whole(): Output {
    const output = new Output();
    this.#run(output, '');
    output.endWord();
    return output;
  }

  /** Reads up to `stop` (not consumed) or the end. */
  #run(output: Output, stop: string): void {
    const text = this.#text;
    while (this.#at < text.length) {
      const c = text[this.#at] ?? '';
      if (stop !== '' && c === stop) return;
      if (c === "'") this.#singleQuoted(output);
      else if (c === '"') this.#doubleQuoted(output);
      else if (c === '$') this.#dollar(output, false);
      else if (c === this.#escape) {
        const next = text[this.#at + 1];
        if (next !== undefined) output.raw(next);
        this.#at += 2;
      } else this.#plain(output, stop);
    }
    if (stop !== '') throw this.#fail(`unexpected end of statement while looking for matching ${stop}`);
  }

  #plain(output: Output, stop: string): void {
    const from = this.#at;
    const text = this.#text;
    while (this.#at < text.length) {
      const c = text[this.#at] ?? '';
      if (c === "'" || c === '"' || c === '$' || c === this.#escape || (stop !== '' && c === stop)) break;
      this.#at++;
    }
    output.splitting(text.slice(from, this.#at));
  }

  #singleQuoted(output: Output): void {
    const end = this.#text.indexOf("'", this.#at + 1);
    if (end < 0) throw this.#fail('unexpected end of statement while looking for matching single-quote');
    output.raw(this.#text.slice(this.#at + 1, end));
    this.#at = end + 1;
  }

  #doubleQuoted(output: Output): void {
    const text = this.#text;
    this.#at++;
    output.raw('');
    let from = this.#at;
    const flush = (): void => {
      if (this.#at > from) output.raw(text.slice(from, this.#at));
    };
    while (this.#at < text.length) {
      const c = text[this.#at];
      if (c === '"') {
        flush();
        this.#at++;
        return;
      }
      if (c === '$') {
        flush();
        this.#dollar(output, true);
        from = this.#at;
      } else if (c === this.#escape) {
        const next = text[this.#at + 1];
        flush();
        // inside double quotes the escape character is text unless it protects something
        if (next !== '"' && next !== '$' && next !== this.#escape) output.raw(c);
        if (next !== undefined) output.raw(next);
        this.#at = Math.min(this.#at + 2, text.length);
        from = this.#at;
      } else this.#at++;
    }
    throw this.#fail('unexpected end of statement while looking for matching double-quote');
  }

  #dollar(output: Output, quoted: boolean): void {
    const put = (value: string): void => (quoted ? output.raw(value) : output.splitting(value));
    this.#at++;
    if (this.#text[this.#at] === '{') put(this.#braced());
    else {
      const name = this.#name();
      if (name === undefined) output.raw('$');
      else put(this.#value(name) ?? this.#unset(name));
    }
  }

  #name(): string | undefined {
    for (const pattern of [NAME, SPECIAL]) {
      pattern.lastIndex = this.#at;
      const match = pattern.exec(this.#text);
      if (match) {
        this.#at += match[0].length;
        return match[0];
      }
    }
    return undefined;
  }

  #braced(): string {
    if (++this.#depth > MAX_DEPTH) throw this.#fail('substitutions are nested too deeply');
    this.#at++;
    const next = this.#text[this.#at];
    if (next === undefined) throw this.#fail("syntax error: missing '}'");
    if (next === '{' || next === '}' || next === ':') throw this.#fail('syntax error: bad substitution');
    const name = this.#name();
    if (name === undefined) throw this.#fail('syntax error: bad substitution');
    const value = this.#modified(name);
    this.#depth--;
    return value;
  }

  #modified(name: string): string {
    const operator = this.#text[this.#at++];
    switch (operator) {
      case '}':
        return this.#value(name) ?? this.#unset(name);
      case ':': {
        const modifier = this.#text[this.#at++] ?? '';
        return this.#choose(name, modifier, true);
      }
      case '-':
      case '+':
      case '?':
        return this.#choose(name, operator, false);
      case '#':
      case '%':
        return this.#trimmed(name, operator);
      case '/':
        return this.#replaced(name);
      case undefined:
        throw this.#fail("syntax error: missing '}'");
      default:
        throw this.#fail(`unsupported modifier (${operator}) in substitution`);
    }
  }

  #choose(name: string, modifier: string, emptyIsUnset: boolean): string {
    if (modifier !== '-' && modifier !== '+' && modifier !== '?')
      throw this.#fail(`unsupported modifier (:${modifier}) in substitution`);
    const word = this.#argument('}');
    const value = this.#value(name);
    const set = value !== undefined && !(emptyIsUnset && value === '');
    if (modifier === '+') return set ? word : '';
    if (set) return value;
    if (modifier === '-') return word;
    throw this.#fail(`${name}: ${word === '' ? 'is not allowed to be unset' : word}`);
  }

  #trimmed(name: string, operator: '#' | '%'): string {
    const greedy = this.#text[this.#at] === operator;
    if (greedy) this.#at++;
    const pattern = this.#argument('}', true);
    const value = this.#value(name) ?? this.#unset(name);
    return operator === '#' ? trimStart(value, pattern, greedy) : trimEnd(value, pattern, greedy);
  }

  #replaced(name: string): string {
    const all = this.#text[this.#at] === '/';
    if (all) this.#at++;
    const pattern = this.#argument('/', true);
    const replacement = this.#argument('}');
    const value = this.#value(name) ?? this.#unset(name);
    if (pattern === '' || value.length > 65_536) return value;
    const expression = wildcardToRegExp(pattern, { anchored: false, greedy: true, flags: all ? 'gsu' : 'su' });
    return value.replace(expression, () => replacement);
  }

  /** Text up to `stop`, expanded; with `pattern` escapes are kept for the matcher. */
  #argument(stop: string, pattern = false): string {
    const output = new Output();
    if (pattern) this.#pattern(output, stop);
    else this.#run(output, stop);
    this.#at++;
    return output.joined;
  }

  #pattern(output: Output, stop: string): void {
    while (this.#at < this.#text.length) {
      const c = this.#text[this.#at] ?? '';
      if (c === stop) return;
      if (c === '\\' || c === this.#escape) {
        const next = this.#text[this.#at + 1] ?? '';
        output.raw(next === '/' || next === '}' ? next : `\\${next}`);
        this.#at += 2;
      } else if (c === '$') this.#dollar(output, true);
      else {
        output.raw(c);
        this.#at++;
      }
    }
    throw this.#fail(stop === '/' ? "syntax error: missing '/' in substitution" : "syntax error: missing '}'");
  }

  #value(name: string): string | undefined {
    return this.#lookup(name);
  }

  #unset(name: string): string {
    this.#onUnset(name);
    return '';
  }

  #fail(message: string): EngineError {
    const shown = this.#text.length > 200 ? `${this.#text.slice(0, 200)}...` : this.#text;
    return invalid(`failed to process ${JSON.stringify(shown)}: ${message}`);
  }
}

const MAX_TRIM = 65_536;

function trimStart(value: string, pattern: string, greedy: boolean): string {
  if (value.length > MAX_TRIM) return value;
  const match = wildcardToRegExp(pattern, { anchored: 'start', greedy, flags: 'su' }).exec(value);
  return match ? value.slice(match[0].length) : value;
}

function trimEnd(value: string, pattern: string, greedy: boolean): string {
  if (value.length > MAX_TRIM) return value;
  const whole = wildcardToRegExp(pattern, { anchored: 'both', greedy, flags: 'su' });
  const starts = Array.from({ length: Math.min(value.length, 4096) + 1 }, (_, i) => i);
  const order = greedy ? starts : starts.map((i) => value.length - i);
  for (const at of order) if (whole.test(value.slice(at))) return value.slice(0, at);
  return value;
}
