import type { EngineError } from '@berth/base';
import type { FlagReader } from '../flags.ts';
import type { Instruction, SourceText } from '../instructions.ts';
import { readJsonForm } from '../json-form.ts';
import type { Heredoc, LogicalLine } from '../logical-lines.ts';
import { dockerfileError, type SourceRange } from '../source.ts';
import { splitBlank, splitWords, type Word } from '../words.ts';

/** An instruction cut into keyword, flags and the rest, as the parser of one keyword gets it. */
export interface InstructionSource {
  /** Upper case. */
  readonly keyword: string;
  readonly flags: FlagReader;
  readonly rest: string;
  /** Where `rest` starts in the logical line. */
  readonly restOffset: number;
  readonly escape: string;
  readonly line: LogicalLine;
  readonly node: { readonly range: SourceRange; readonly original: string; readonly heredocs: readonly Heredoc[] };
  rangeOf(offset: number, length: number): SourceRange;
}

export type Parser = (source: InstructionSource) => Instruction;

export function fail(source: InstructionSource, message: string): EngineError {
  return dockerfileError(source.node.range, message);
}

/** The JSON form's strings, or undefined when the instruction is not in that form. */
export function jsonList(source: InstructionSource): readonly string[] | undefined {
  const form = readJsonForm(source.rest);
  if (form.kind === 'notStrings')
    throw fail(source, 'when using JSON array syntax, arrays must be comprised of strings only');
  return form.kind === 'list' ? form.values : undefined;
}

/** Arguments as words: JSON strings, else split at blanks. */
export function listArguments(source: InstructionSource): readonly SourceText[] {
  const json = jsonList(source);
  const whole = source.rangeOf(source.restOffset, source.rest.length);
  if (json) return json.map((text) => ({ text, range: whole }));
  return located(source, splitBlank(source.rest, source.restOffset));
}

/** Words outside quotes, quotes kept. */
export function quotedWords(source: InstructionSource): readonly SourceText[] {
  return located(source, splitWords(source.rest, source.escape, source.restOffset));
}

function located(source: InstructionSource, words: readonly Word[]): readonly SourceText[] {
  return words.map(({ text, offset }) => ({ text, range: source.rangeOf(offset, text.length) }));
}

export function requireExactlyOne(source: InstructionSource): string {
  if (source.rest === '') throw fail(source, `${source.keyword} requires exactly one argument`);
  return source.rest;
}

export function requireAtLeastOne(source: InstructionSource): void {
  if (source.rest === '') throw fail(source, `${source.keyword} requires at least one argument`);
}
