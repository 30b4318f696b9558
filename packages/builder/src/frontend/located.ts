import { EngineError, kindOf, messageOf } from '@berth/base';
import type { SourceRange } from '@berth/dockerfile';

/** Puts `Dockerfile:3: ` before an error's message and the place in its details, unless it has one. */
export function located(source: SourceRange | undefined, error: unknown): unknown {
  if (source === undefined || hasPlace(error)) return error;
  const kind = kindOf(error);
  if (kind === 'cancelled' || kind === 'deadline') return error;
  const details = error instanceof EngineError ? error.details : {};
  const { file, start } = source;
  return new EngineError(kind, `${file}:${start.line}: ${messageOf(error)}`, {
    cause: error,
    details: { ...details, file, line: start.line, column: start.column },
  });
}

function hasPlace(error: unknown): boolean {
  return error instanceof EngineError && typeof error.details['line'] === 'number';
}

/** Runs `work` and says where it failed. */
export function at<T>(source: SourceRange, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw located(source, error);
  }
}
