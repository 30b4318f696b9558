import { describe, ExitError } from '../failure.ts';
import { UsageError } from '../flags.ts';

/** docker's code for a container that could not run: 127 not found, 126 not executable, else 125. */
export function failedStart(program: string, error: unknown): ExitError {
  if (error instanceof ExitError) return error;
  const message = error instanceof UsageError || error instanceof Error ? describe(error) : String(error);
  const [, word = 'berth'] = /^(\w+)/.exec(program) ?? [];
  const code = error instanceof UsageError ? 125 : codeOf(message);
  return new ExitError(code, `${word}: ${message}\n\nRun '${program} --help' for more information`);
}

function codeOf(message: string): number {
  if (
    /executable file not found|no such file or directory|system cannot find the file/i.test(message) &&
    !/bind source path/.test(message)
  )
    return 127;
  if (/permission denied|is a directory|exec format error/i.test(message) && !/docker.sock|daemon socket/.test(message))
    return 126;
  return 125;
}
