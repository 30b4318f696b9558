import { UsageError } from './flags.ts';
import { styleOf } from './style.ts';

export interface ReportOptions {
  /** Words that called the command, `berth run`. */
  readonly program: string;
  readonly debug: boolean;
}

/** A command that ends with a code and, perhaps, words of its own. */
export class ExitError extends Error {
  override readonly name = 'ExitError';
  readonly code: number;

  constructor(code: number, message = '') {
    super(message);
    this.code = code;
  }
}

/** Says on stderr what went wrong, in docker's form, and returns the exit code. */
export function report(error: unknown, { debug }: ReportOptions): number {
  if (error instanceof ExitError) {
    if (error.message !== '') process.stderr.write(`${painted(error.message)}\n`);
    return error.code;
  }
  process.stderr.write(`${painted(describe(error))}\n`);
  if (debug && error instanceof Error) process.stderr.write(`${causes(error)}\n`);
  return 1;
}

/** The first line stands out; what follows is advice. */
function painted(message: string): string {
  const [first = '', ...rest] = message.split('\n');
  return [styleOf(process.stderr, process.env).red(first), ...rest].join('\n');
}

/** The message with the marks of where it came from. */
export function describe(error: unknown): string {
  if (error instanceof UsageError) return error.message;
  if (!(error instanceof Error)) return String(error);
  // docker reads names before it asks the daemon, so nobody expects these to come from there.
  if (error.message.startsWith('invalid reference format')) return error.message;
  if (isFromDaemon(error)) return `Error response from daemon: ${error.message}`;
  const hint = isUnreachable(error) ? '\nStart it with `berthd`, or name another daemon with -H or BERTH_HOST.' : '';
  return `${error.message}${hint}`;
}

interface Detailed {
  readonly details: Readonly<Record<string, unknown>>;
}

const details = (error: unknown): Detailed['details'] =>
  error instanceof Error && 'details' in error ? ((error as Error & Detailed).details ?? {}) : {};

export const isFromDaemon = (error: unknown): boolean => typeof details(error)['status'] === 'number';
export const isUnreachable = (error: unknown): boolean => details(error)['unreachable'] === true;

/** Whether the daemon answered with this kind of error; by name, so that no class has to be loaded. */
export const isKind = (error: unknown, kind: string): boolean =>
  error instanceof Error && 'kind' in error && error.kind === kind;

function causes(error: Error): string {
  const lines: string[] = [error.stack ?? error.message];
  for (let at = error.cause; at instanceof Error; at = at.cause) lines.push(`caused by: ${at.stack ?? at.message}`);
  return lines.join('\n');
}
