/**
 * The closed set of error kinds. Every failure that crosses a package boundary is an {@link EngineError} of one of
 * these; `@berth/http` holds the only table from kind to HTTP status.
 */
export const ERROR_KINDS = [
  'invalid', // the caller's input is wrong
  'unauthorized', // credentials are missing or refused
  'forbidden', // understood, not allowed
  'notFound',
  'conflict', // the object's state does not allow it now
  'notModified', // nothing to do: already in the wanted state
  'tooLarge', // input over a documented bound
  'notImplemented', // listed in docs/compatibility.md
  'unavailable', // a dependency (registry, runtime, device) cannot serve now; a later try may work
  'exhausted', // out of disk, addresses, ports, memory
  'cancelled', // the caller went away
  'deadline', // a time limit passed
  'dataLoss', // bytes do not match their digest, a record points at nothing
  'internal', // a bug
] as const;

export type ErrorKind = (typeof ERROR_KINDS)[number];

export interface EngineErrorOptions {
  readonly cause?: unknown;
  /** Machine-readable facts about the failure, for logs and for callers that branch on more than the kind. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/** An error with a kind, a message written for the user, and the chain of causes that led to it. */
export class EngineError extends Error {
  override readonly name = 'EngineError';
  readonly kind: ErrorKind;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(kind: ErrorKind, message: string, options: EngineErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.kind = kind;
    this.details = options.details ?? {};
  }
}

type Raise = (message: string, options?: EngineErrorOptions) => EngineError;
const raise =
  (kind: ErrorKind): Raise =>
  (message, options) =>
    new EngineError(kind, message, options);

export const invalid = raise('invalid');
export const unauthorized = raise('unauthorized');
export const forbidden = raise('forbidden');
export const notFound = raise('notFound');
export const conflict = raise('conflict');
export const notModified = raise('notModified');
export const tooLarge = raise('tooLarge');
export const notImplemented = raise('notImplemented');
export const unavailable = raise('unavailable');
export const exhausted = raise('exhausted');
export const cancelled = raise('cancelled');
export const deadline = raise('deadline');
export const dataLoss = raise('dataLoss');
export const internal = raise('internal');

const BY_ERRNO: Readonly<Record<string, ErrorKind>> = {
  ENOENT: 'notFound',
  EEXIST: 'conflict',
  EBUSY: 'conflict',
  EACCES: 'forbidden',
  EPERM: 'forbidden',
  EINVAL: 'invalid',
  ENAMETOOLONG: 'invalid',
  ENOSPC: 'exhausted',
  EDQUOT: 'exhausted',
  EMFILE: 'exhausted',
  ENOMEM: 'exhausted',
  ECONNREFUSED: 'unavailable',
  ECONNRESET: 'unavailable',
  ENOTFOUND: 'unavailable',
  EAI_AGAIN: 'unavailable',
  ETIMEDOUT: 'deadline',
};

/** The errno name (`ENOENT`) an error carries, if any. */
export function errnoOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** The kind of any thrown value: its own for an {@link EngineError}, else derived from abort names and errno. */
export function kindOf(error: unknown): ErrorKind {
  if (error instanceof EngineError) return error.kind;
  if (error instanceof Error && error.name === 'AbortError') return 'cancelled';
  if (error instanceof Error && error.name === 'TimeoutError') return 'deadline';
  const code = errnoOf(error);
  return (code === undefined ? undefined : BY_ERRNO[code]) ?? 'internal';
}

export function isKind(error: unknown, ...kinds: readonly ErrorKind[]): boolean {
  return kinds.includes(kindOf(error));
}

/** The message of any thrown value, without its causes. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Wraps `cause` with a message saying what was being done; keeps its kind unless one is given. */
export function wrap(message: string, cause: unknown, kind: ErrorKind = kindOf(cause)): EngineError {
  return new EngineError(kind, `${message}: ${messageOf(cause)}`, { cause });
}

/** The whole chain, outermost first, for logs. */
export function causeChain(error: unknown): readonly unknown[] {
  const chain: unknown[] = [];
  for (
    let at: unknown = error;
    at !== undefined && !chain.includes(at);
    at = at instanceof Error ? at.cause : undefined
  )
    chain.push(at);
  return chain;
}
