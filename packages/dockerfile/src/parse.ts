import { invalid, tooLarge } from '@berth/base';
import { readDirectives } from './directives.ts';
import type { ArgInstruction, Dockerfile, FromInstruction, Instruction, Stage } from './instructions.ts';
import { logicalLines } from './logical-lines.ts';
import { parseInstruction } from './parse-instruction.ts';
import { dockerfileError } from './source.ts';

/** Largest Dockerfile accepted, in characters. */
export const MAX_DOCKERFILE = 16 * 1024 * 1024;

export interface ParseOptions {
  /** Name shown in errors and ranges; default `Dockerfile`. */
  readonly file?: string;
}

/**
 * Reads a whole Dockerfile. Nothing is expanded and nothing outside the text is looked at.
 *
 * Errors: `invalid`, worded as docker words them, with `details.file`, `.line`, `.column`; `tooLarge`.
 */
export function parseDockerfile(text: string, options: ParseOptions = {}): Dockerfile {
  const file = options.file ?? 'Dockerfile';
  const { lines, directives } = split(text, file);
  const globalArgs: ArgInstruction[] = [];
  const stages: { from: FromInstruction; instructions: Instruction[] }[] = [];
  let count = 0;
  for (const line of logicalLines(lines, file, directives.escape)) {
    const instruction = parseInstruction(line, directives.escape);
    count++;
    const stage = stages.at(-1);
    if (instruction.kind === 'from') stages.push({ from: instruction, instructions: [] });
    else if (stage) stage.instructions.push(instruction);
    else if (instruction.kind === 'arg') globalArgs.push(instruction);
    else throw dockerfileError(instruction.range, 'no build stage in current context');
  }
  if (count === 0) throw invalid('file with no instructions', { details: { file, line: 1, column: 1 } });
  const { syntax, check } = directives;
  return {
    file,
    escape: directives.escape,
    ...(syntax === undefined ? {} : { syntax }),
    ...(check === undefined ? {} : { check }),
    globalArgs,
    stages: stages.map((stage, index) => toStage(stage, index)),
  };
}

/** Reads one instruction given as text: an ONBUILD trigger or a `--change` of commit and import. */
export function parseSingleInstruction(text: string, options: ParseOptions = {}): Instruction {
  const file = options.file ?? 'Dockerfile';
  const { lines, directives } = split(text, file);
  const [line, ...more] = logicalLines(lines, file, directives.escape);
  if (!line) throw invalid('file with no instructions', { details: { file, line: 1, column: 1 } });
  const [second] = more;
  if (second) throw dockerfileError(second.range, 'expected one instruction');
  return parseInstruction(line, directives.escape);
}

function split(text: string, file: string) {
  if (text.length > MAX_DOCKERFILE) throw tooLarge(`${file} is larger than ${MAX_DOCKERFILE} bytes`);
  const clean = text.startsWith('\uFEFF') ? text.slice(1) : text;
  const lines = clean.split('\n').map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line));
  return { lines, directives: readDirectives(lines, file) };
}

function toStage(stage: { from: FromInstruction; instructions: readonly Instruction[] }, index: number): Stage {
  const name = stage.from.as?.toLowerCase();
  return { index, ...(name === undefined ? {} : { name }), from: stage.from, instructions: stage.instructions };
}
