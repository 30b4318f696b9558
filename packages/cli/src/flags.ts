/**
 * Flags in docker's grammar: `--name value`, `--name=value`, `-n value`, `-nvalue`, switches combined as in `-it`,
 * `--switch=false`, and `--` to end them. Repeatable flags gather a list.
 */
export interface Flag<T> {
  readonly kind: 'switch' | 'text' | 'number' | 'list';
  readonly short?: string;
  /** What stands for the value in help. */
  readonly value?: string;
  readonly help: string;
  readonly initial: T;
  /** What a bare `--name` means, for flags whose value is optional. */
  readonly bare?: string;
  /** Throws {@link UsageError} for a value that makes no sense, saying only why; the flag is named by its reader. */
  readonly check?: Check;
}

export type Check = (value: string) => unknown;

export type Flags = Readonly<Record<string, Flag<unknown>>>;
export type Values<F extends Flags> = { readonly [K in keyof F]: F[K] extends Flag<infer T> ? T : never };

type Short = string | undefined;
const short = (letter: Short) => (letter === undefined ? {} : { short: letter });

export const toggle = (letter: Short, help: string): Flag<boolean> => ({
  kind: 'switch',
  ...short(letter),
  help,
  initial: false,
});
/** A switch whose absence differs from false. */
export const choice = (letter: Short, help: string, initial?: boolean): Flag<boolean | undefined> => ({
  kind: 'switch',
  ...short(letter),
  help,
  initial,
});
export const text = (letter: Short, help: string, value = 'string', check?: Check): Flag<string | undefined> => ({
  kind: 'text',
  ...short(letter),
  help,
  value,
  initial: undefined,
  ...(check === undefined ? {} : { check }),
});
export const number = (letter: Short, help: string): Flag<number | undefined> => ({
  kind: 'number',
  ...short(letter),
  help,
  value: 'int',
  initial: undefined,
});
export const list = (letter: Short, help: string, value = 'list', check?: Check): Flag<readonly string[]> => ({
  kind: 'list',
  ...short(letter),
  help,
  value,
  initial: [],
  ...(check === undefined ? {} : { check }),
});

/** `--filter name=value`, several times. */
export const filter = (letter: Short, help: string): Flag<readonly string[]> =>
  list(letter, help, 'filter', (value) => {
    if (value.indexOf('=') < 1) throw new UsageError('bad format of filter (expected name=value)');
  });

/** A mistake in how a command was called. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export interface Parsed<F extends Flags> {
  readonly values: Values<F>;
  readonly rest: readonly string[];
  /** Names of the flags that were given. */
  readonly given: ReadonlySet<string>;
}

/** Reads flags. With `interspersed` false the first argument ends them, as after an image's name. Throws {@link UsageError}. */
export function parseFlags<F extends Flags>(flags: F, words: readonly string[], interspersed = true): Parsed<F> {
  const state = new State(flags);
  const rest: string[] = [];
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? '';
    if (word === '--') {
      rest.push(...words.slice(at + 1));
      break;
    }
    if (!word.startsWith('-') || word === '-') {
      if (!interspersed) {
        rest.push(...words.slice(at));
        break;
      }
      rest.push(word);
    } else if (state.take(word, words[at + 1])) at++;
  }
  return { values: state.values as Values<F>, rest, given: state.given };
}

class State {
  readonly values: Record<string, unknown> = {};
  readonly given = new Set<string>();
  readonly #flags: Flags;

  constructor(flags: Flags) {
    this.#flags = flags;
    for (const [name, flag] of Object.entries(flags)) this.values[name] = flag.initial;
  }

  /** Returns whether the next word was used as the value. */
  take(word: string, next: string | undefined): boolean {
    return word.startsWith('--') ? this.#long(word, next) : this.#short(word, next);
  }

  #long(word: string, next: string | undefined): boolean {
    const [, name = '', , inline] = /^--([^=]+)(=(.*))?$/s.exec(word) ?? [];
    const flag = this.#flags[name];
    if (flag === undefined) throw new UsageError(`unknown flag: ${word.split('=')[0]}`);
    if (inline !== undefined) return this.#set(name, flag, inline);
    if (flag.kind === 'switch') return this.#set(name, flag, 'true');
    if (flag.bare !== undefined) return this.#set(name, flag, flag.bare);
    if (next === undefined) throw new UsageError(`flag needs an argument: --${name}`);
    this.#set(name, flag, next);
    return true;
  }

  #short(word: string, next: string | undefined): boolean {
    for (let at = 1; at < word.length; at++) {
      const letter = word[at] ?? '';
      const found = Object.entries(this.#flags).find(([, flag]) => flag.short === letter);
      if (found === undefined) throw new UsageError(`unknown shorthand flag: '${letter}' in ${word}`);
      const [name, flag] = found;
      const tail = word.slice(at + 1);
      if (flag.kind === 'switch' && !tail.startsWith('=')) {
        this.#set(name, flag, 'true');
        continue;
      }
      if (tail !== '') return this.#set(name, flag, tail.replace(/^=/, ''));
      if (flag.bare !== undefined) return this.#set(name, flag, flag.bare);
      if (next === undefined) throw new UsageError(`flag needs an argument: '${letter}' in ${word}`);
      this.#set(name, flag, next);
      return true;
    }
    return false;
  }

  #set(name: string, flag: Flag<unknown>, value: string): false {
    const before = this.values[name];
    this.given.add(name);
    try {
      flag.check?.(value);
      if (flag.kind === 'list') this.values[name] = [...(Array.isArray(before) ? before : []), value];
      else this.values[name] = convert(flag, value);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      const names = flag.short === undefined ? `--${name}` : `-${flag.short}, --${name}`;
      throw new UsageError(`invalid argument ${JSON.stringify(value)} for "${names}" flag: ${error.message}`);
    }
    return false;
  }
}

function convert(flag: Flag<unknown>, value: string): unknown {
  if (flag.kind === 'text') return value;
  if (flag.kind === 'number') {
    if (!/^[+-]?\d+$/.test(value)) throw new UsageError(`"${value}" is not a whole number`);
    return Number(value);
  }
  if (/^(1|t|true)$/i.test(value)) return true;
  if (/^(0|f|false)$/i.test(value)) return false;
  throw new UsageError(`"${value}" is neither true nor false`);
}
