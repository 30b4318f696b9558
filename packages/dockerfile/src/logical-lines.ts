import { heredocsIn } from './heredoc.ts';
import { dockerfileError, type Position, type SourceRange } from './source.ts';

/** Longest physical line accepted, in characters. */
export const MAX_LINE = 1024 * 1024;

/** A here-document's text and how it was announced. */
export interface Heredoc {
  readonly name: string;
  /** File descriptor before `<<`, usually 0. */
  readonly fileDescriptor: number;
  /** `<<-`: leading tabs were removed. */
  readonly chomp: boolean;
  /** False when the delimiter was quoted: `$x` stays as it is. */
  readonly expand: boolean;
  readonly content: string;
  readonly range: SourceRange;
}

/** One instruction's text with its continuation lines joined, comments inside it removed. */
export interface LogicalLine {
  readonly text: string;
  readonly range: SourceRange;
  readonly heredocs: readonly Heredoc[];
  /** Comment lines directly above, without `#`. */
  readonly comments: readonly string[];
  /** Lines inside the continuation that were empty: deprecated by docker, reported by the linter. */
  readonly emptyContinuations: readonly number[];
  /** Where the character at `offset` of `text` stands in the file. */
  positionAt(offset: number): Position;
}

interface Piece {
  readonly at: number;
  readonly position: Position;
}

const isBlank = (line: string): boolean => line.trim() === '';
const isComment = (line: string): boolean => {
  let at = 0;
  while (line[at] === ' ' || line[at] === '\t') at++;
  return line[at] === '#';
};

/** Index of the escape character that continues the line, or -1. A doubled escape character is text. */
function continuationAt(line: string, escapeChar: string): number {
  let end = line.length - 1;
  while (end >= 0 && (line[end] === ' ' || line[end] === '\t')) end--;
  if (end < 0 || line[end] !== escapeChar) return -1;
  return end > 0 && line[end - 1] === escapeChar ? -1 : end;
}

export function logicalLines(lines: readonly string[], file: string, escapeChar: string): readonly LogicalLine[] {
  const result: LogicalLine[] = [];
  let comments: string[] = [];
  let at = 0;
  while (at < lines.length) {
    const line = checked(lines, at, file);
    if (isBlank(line)) {
      comments = [];
      at++;
    } else if (isComment(line)) {
      comments.push(line.trim().slice(1).trim());
      at++;
    } else {
      const read = readOne(lines, at, file, escapeChar, comments);
      result.push(read.line);
      at = read.next;
      comments = [];
    }
  }
  return result;
}

function checked(lines: readonly string[], index: number, file: string): string {
  const line = lines[index] ?? '';
  if (line.length <= MAX_LINE) return line;
  throw dockerfileError(
    { file, start: { line: index + 1, column: 1 }, end: { line: index + 1, column: MAX_LINE } },
    `dockerfile line greater than maximum allowed size of ${MAX_LINE}`,
  );
}

function readOne(
  lines: readonly string[],
  from: number,
  file: string,
  escapeChar: string,
  comments: readonly string[],
): { readonly line: LogicalLine; readonly next: number } {
  const parts: string[] = [];
  const pieces: Piece[] = [];
  const emptyContinuations: number[] = [];
  let length = 0;
  let at = from;
  let last = { line: from + 1, column: 1 };
  let continues = true;
  while (continues && at < lines.length) {
    const line = checked(lines, at, file);
    const number = at + 1;
    at++;
    if (parts.length > 0 && isComment(line)) continue;
    if (parts.length > 0 && isBlank(line)) {
      emptyContinuations.push(number);
      continue;
    }
    const cut = continuationAt(line, escapeChar);
    continues = cut >= 0;
    const start = parts.length === 0 ? line.length - line.trimStart().length : 0;
    const text = line.slice(start, continues ? cut : undefined);
    pieces.push({ at: length, position: { line: number, column: start + 1 } });
    parts.push(text);
    length += text.length;
    last = { line: number, column: line.length + 1 };
  }
  const text = parts.join('').trimEnd();
  const first = pieces[0]?.position ?? { line: from + 1, column: 1 };
  const opened = readHeredocs(text, lines, at, file, first);
  const end = opened.next > at ? { line: opened.next, column: (lines[opened.next - 1]?.length ?? 0) + 1 } : last;
  const line: LogicalLine = {
    text,
    range: { file, start: first, end },
    heredocs: opened.heredocs,
    comments,
    emptyContinuations,
    positionAt: (offset) => positionIn(pieces, offset),
  };
  return { line, next: opened.next };
}

function positionIn(pieces: readonly Piece[], offset: number): Position {
  let low = 0;
  let high = pieces.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((pieces[middle]?.at ?? 0) <= offset) low = middle;
    else high = middle - 1;
  }
  const piece = pieces[low] ?? { at: 0, position: { line: 1, column: 1 } };
  return { line: piece.position.line, column: piece.position.column + offset - piece.at };
}

function readHeredocs(
  text: string,
  lines: readonly string[],
  from: number,
  file: string,
  start: Position,
): { readonly heredocs: readonly Heredoc[]; readonly next: number } {
  const heredocs: Heredoc[] = [];
  let at = from;
  for (const opening of heredocsIn(text)) {
    const first = at;
    const content: string[] = [];
    for (;;) {
      if (at >= lines.length) throw dockerfileError({ file, start, end: start }, 'unterminated heredoc');
      const raw = checked(lines, at, file);
      at++;
      const line = opening.chomp ? raw.replace(/^\t+/, '') : raw;
      if (line === opening.name) break;
      content.push(`${line}\n`);
    }
    const range = { file, start: { line: first + 1, column: 1 }, end: { line: at, column: opening.name.length + 1 } };
    heredocs.push({ ...opening, content: content.join(''), range });
  }
  return { heredocs, next: at };
}
