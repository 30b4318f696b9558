import { type Flag, FlagReader, takeFlags } from './flags.ts';
import type { Instruction } from './instructions.ts';
import type { LogicalLine } from './logical-lines.ts';
import { parseCommand, parseEntry, parseShell } from './parse/command.ts';
import { parseFrom } from './parse/from.ts';
import { parseHealthcheck } from './parse/healthcheck.ts';
import type { InstructionSource, Parser } from './parse/input.ts';
import { parseOnbuild } from './parse/onbuild.ts';
import { parseArg, parseEnv, parseLabel } from './parse/pairs.ts';
import { parseExpose, parseMaintainer, parseStopsignal, parseUser, parseVolume, parseWorkdir } from './parse/simple.ts';
import { parseAdd, parseCopy } from './parse/transfer.ts';
import { dockerfileError, type SourceRange } from './source.ts';
import { didYouMean } from './suggest.ts';

const PARSERS: Readonly<Record<string, Parser>> = {
  ADD: parseAdd,
  ARG: parseArg,
  CMD: parseEntry('cmd'),
  COPY: parseCopy,
  ENTRYPOINT: parseEntry('entrypoint'),
  ENV: parseEnv,
  EXPOSE: parseExpose,
  FROM: parseFrom,
  HEALTHCHECK: parseHealthcheck,
  LABEL: parseLabel,
  MAINTAINER: parseMaintainer,
  ONBUILD: parseOnbuild,
  RUN: parseCommand,
  SHELL: parseShell,
  STOPSIGNAL: parseStopsignal,
  USER: parseUser,
  VOLUME: parseVolume,
  WORKDIR: parseWorkdir,
};

/** Every instruction's keyword, in alphabetical order. */
export const KEYWORDS: readonly string[] = Object.keys(PARSERS);

export function parseInstruction(line: LogicalLine, escapeChar: string): Instruction {
  const source = readSource(line, escapeChar);
  const parser = Object.hasOwn(PARSERS, source.keyword) ? PARSERS[source.keyword] : undefined;
  if (!parser) {
    const shown = source.keyword.length > 80 ? `${source.keyword.slice(0, 80)}...` : source.keyword;
    throw dockerfileError(line.range, `unknown instruction: ${shown}${didYouMean(source.keyword, KEYWORDS)}`);
  }
  const instruction = parser(source);
  source.flags.finish();
  return instruction;
}

function readSource(line: LogicalLine, escapeChar: string): InstructionSource {
  const keywordEnd = /\s/.exec(line.text)?.index ?? line.text.length;
  const taken = takeFlags(line.text.slice(keywordEnd), keywordEnd, escapeChar);
  const rangeOf = (offset: number, length: number): SourceRange => ({
    file: line.range.file,
    start: line.positionAt(offset),
    end: line.positionAt(offset + length),
  });
  const flags = taken.flags.map(({ text, offset }): Flag => {
    const equals = text.indexOf('=');
    const name = equals < 0 ? text.slice(2) : text.slice(2, equals);
    return { name, ...(equals < 0 ? {} : { value: text.slice(equals + 1) }), range: rangeOf(offset, text.length) };
  });
  return {
    keyword: line.text.slice(0, keywordEnd).toUpperCase(),
    flags: new FlagReader(flags),
    rest: taken.rest,
    restOffset: taken.offset,
    escape: escapeChar,
    rangeOf,
    node: { range: line.range, original: line.text, heredocs: line.heredocs },
    line,
  };
}
