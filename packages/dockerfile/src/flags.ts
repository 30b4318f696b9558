import { dockerfileError, type SourceRange } from './source.ts';
import { didYouMean } from './suggest.ts';
import { isSpace, type Word, wordEnd } from './words.ts';

/** `--name=value` or `--name` after an instruction's keyword. */
export interface Flag {
  readonly name: string;
  readonly value?: string;
  readonly range: SourceRange;
}

/** Cuts leading `--` words off. `--` alone ends them. */
export function takeFlags(
  rest: string,
  base: number,
  escapeChar: string,
): { readonly flags: readonly Word[]; readonly rest: string; readonly offset: number } {
  const flags: Word[] = [];
  let at = 0;
  for (;;) {
    while (isSpace(rest[at])) at++;
    if (!rest.startsWith('--', at)) break;
    const end = wordEnd(rest, at, escapeChar);
    const text = rest.slice(at, end);
    at = end;
    if (text === '--') break;
    flags.push({ text, offset: base + rest.lastIndexOf(text, at - text.length) });
  }
  while (isSpace(rest[at])) at++;
  return { flags, rest: rest.slice(at), offset: base + at };
}

/** Flags of one instruction, each asked for by name; `finish` rejects those nobody asked for. */
export class FlagReader {
  readonly #flags: readonly Flag[];
  readonly #known = new Set<string>();

  constructor(flags: readonly Flag[]) {
    this.#flags = flags;
  }

  /** The value of a flag that may be given once. */
  text(name: string): string | undefined {
    const found = this.#all(name);
    const [first, second] = found;
    if (second) throw dockerfileError(second.range, `duplicate flag specified: ${name}`);
    if (!first) return undefined;
    if (first.value === undefined) throw dockerfileError(first.range, `missing a value on flag: ${name}`);
    return unquote(first.value);
  }

  list(name: string): readonly string[] {
    return this.#all(name).map((flag) => {
      if (flag.value === undefined) throw dockerfileError(flag.range, `missing a value on flag: ${name}`);
      return unquote(flag.value);
    });
  }

  boolean(name: string): boolean {
    const [first, second] = this.#all(name);
    if (second) throw dockerfileError(second.range, `duplicate flag specified: ${name}`);
    if (!first) return false;
    const value = first.value?.toLowerCase() ?? 'true';
    if (value !== 'true' && value !== 'false')
      throw dockerfileError(first.range, `expecting boolean value for flag ${name}, not: ${first.value}`);
    return value === 'true';
  }

  finish(): void {
    const known = [...this.#known];
    for (const flag of this.#flags)
      if (!this.#known.has(flag.name))
        throw dockerfileError(
          flag.range,
          `unknown flag: --${flag.name}${didYouMean(
            `--${flag.name}`,
            known.map((name) => `--${name}`),
          )}`,
        );
  }

  #all(name: string): readonly Flag[] {
    this.#known.add(name);
    return this.#flags.filter((flag) => flag.name === name);
  }
}

function unquote(value: string): string {
  const quote = value[0];
  return value.length > 1 && (quote === '"' || quote === "'") && value.endsWith(quote) ? value.slice(1, -1) : value;
}
