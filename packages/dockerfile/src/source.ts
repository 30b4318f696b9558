import { type EngineError, invalid } from '@berth/base';

/** A place in a source file; line and column count from 1, columns in UTF-16 units. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** From `start` up to, not including, `end`. */
export interface SourceRange {
  readonly file: string;
  readonly start: Position;
  readonly end: Position;
}

/** `invalid`, worded as docker words it; `details` carry `file`, `line` and `column` for whoever shows the source. */
export function dockerfileError(range: SourceRange, message: string, cause?: unknown): EngineError {
  const { file, start } = range;
  return invalid(`dockerfile parse error on line ${start.line}: ${message}`, {
    ...(cause === undefined ? {} : { cause }),
    details: { file, line: start.line, column: start.column },
  });
}
