import type { EngineError, ErrorKind } from '@berth/base';
import type { Address } from './host.ts';

const KINDS: Readonly<Record<number, ErrorKind>> = {
  304: 'notModified',
  400: 'invalid',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'notFound',
  408: 'deadline',
  409: 'conflict',
  413: 'tooLarge',
  429: 'unavailable',
  499: 'cancelled',
  501: 'notImplemented',
  503: 'unavailable',
  504: 'deadline',
  507: 'exhausted',
};

/** The kind of a failure as its HTTP status tells it. */
export function kindOfStatus(status: number): ErrorKind {
  return KINDS[status] ?? (status >= 400 && status < 500 ? 'invalid' : 'internal');
}

// Errors are rare and their module is not free to load, so it is loaded when there is one.

export async function engineError(
  kind: ErrorKind,
  message: string,
  cause?: unknown,
  details?: Record<string, unknown>,
) {
  const base = await import('@berth/base');
  return new base.EngineError(kind, message, { cause, ...(details === undefined ? {} : { details }) });
}

/** The daemon's own words for a failed request. */
export function responseError(status: number, body: string): Promise<EngineError> {
  return engineError(kindOfStatus(status), messageIn(body) || `request failed with status ${status}`, undefined, {
    status,
  });
}

function messageIn(body: string): string {
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed === 'object' && parsed !== null && 'message' in parsed) return String(parsed.message);
  } catch {
    // Not JSON: a proxy's page or an old daemon's plain text.
  }
  return body.trim();
}

const UNREACHABLE = ['ENOENT', 'ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT'];

/** What to tell the user when the connection failed. */
export async function connectionError(address: Address, error: unknown, signal?: AbortSignal): Promise<EngineError> {
  const base = await import('@berth/base');
  if (error instanceof base.EngineError) return error;
  if (signal?.aborted)
    return new base.EngineError(timedOut(signal) ? 'deadline' : 'cancelled', 'cancelled', { cause: error });
  const code = base.errnoOf(error) ?? '';
  const where = describeAddress(address);
  if (code === 'EACCES' || code === 'EPERM') {
    return base.forbidden(`permission denied while trying to connect to the daemon socket at ${where}`, {
      cause: error,
    });
  }
  if (UNREACHABLE.includes(code)) {
    return base.unavailable(`Cannot connect to the Berth daemon at ${where}. Is the daemon running?`, {
      cause: error,
      details: { unreachable: true },
    });
  }
  return base.unavailable(`error during connect to ${where}: ${base.messageOf(error)}`, { cause: error });
}

const timedOut = (signal: AbortSignal): boolean =>
  signal.reason instanceof Error && signal.reason.name === 'TimeoutError';

export function describeAddress(address: Address): string {
  if (address.kind === 'unix') return `unix://${address.path}`;
  const user = address.kind === 'ssh' && address.user !== undefined ? `${address.user}@` : '';
  const port = address.port === undefined ? '' : `:${address.port}`;
  return `${address.kind}://${user}${address.hostname}${port}`;
}
