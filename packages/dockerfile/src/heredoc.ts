import { splitWords } from './words.ts';

/** `<<EOF` as it stands on an instruction's line. */
export interface HeredocOpening {
  readonly name: string;
  readonly fileDescriptor: number;
  readonly chomp: boolean;
  readonly expand: boolean;
}

const TAKES_HEREDOC = /^(?:onbuild[ \t]+)?(?:run|copy|add)[ \t]/i;
const SHAPE = /^(\d{0,9})<<(-?)([^<]+)$/;

/** Reads one word as a here-document opening; undefined when it is something else. */
export function parseHeredocWord(word: string): HeredocOpening | undefined {
  if (word.length > 1024) return undefined;
  const match = SHAPE.exec(word);
  const rest = match?.[3];
  if (rest === undefined) return undefined;
  const quote = rest[0];
  const quoted = (quote === '"' || quote === "'") && rest.length > 2 && rest.endsWith(quote);
  const name = quoted ? rest.slice(1, -1) : rest;
  if (/["'\s]/.test(name)) return undefined;
  return { name, fileDescriptor: Number(match?.[1] || 0), chomp: match?.[2] === '-', expand: !quoted };
}

/** The here-documents that a logical line opens, in order. Only RUN, COPY and ADD take them, and not their JSON form. */
export function heredocsIn(line: string): readonly HeredocOpening[] {
  if (!line.includes('<<') || !TAKES_HEREDOC.test(line)) return [];
  if (/^\S+[ \t]+\[/.test(line) && line.trimEnd().endsWith(']')) return [];
  const found: HeredocOpening[] = [];
  for (const { text } of splitWords(line, '\\')) {
    const opening = parseHeredocWord(text);
    if (opening) found.push(opening);
  }
  return found;
}
