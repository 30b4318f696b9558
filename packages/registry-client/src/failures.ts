import {
  cancelled,
  causeChain,
  deadline,
  EngineError,
  type ErrorKind,
  errnoOf,
  messageOf,
  unavailable,
} from '@berth/base';

/** One entry of a registry's `{"errors": [...]}`. */
export interface RegistryFault {
  readonly code: string;
  readonly message: string;
}

const KIND_BY_STATUS: Readonly<Record<number, ErrorKind>> = {
  400: 'invalid',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'notFound',
  405: 'notImplemented',
  409: 'conflict',
  413: 'tooLarge',
  416: 'dataLoss',
  429: 'unavailable',
};

const DEFAULT_TEXT: Readonly<Record<number, string>> = {
  401: 'unauthorized: authentication required',
  403: 'denied: requested access to the resource is denied',
  404: 'not found',
  405: 'unsupported: the operation is unsupported',
  429: 'toomanyrequests: too many requests',
};

const printable = (text: string): string => text.replace(/[^ -~\u00a0-\uffff]+/g, ' ').slice(0, 500);

/** Reads a registry's error body, whatever it really is. */
export function parseFaults(body: string): readonly RegistryFault[] {
  try {
    const value: unknown = JSON.parse(body);
    const errors = (value as { errors?: unknown } | null)?.errors;
    if (!Array.isArray(errors)) return [];
    return errors.slice(0, 10).flatMap((item: unknown) => {
      const { code, message } = (item ?? {}) as { code?: unknown; message?: unknown };
      if (typeof code !== 'string') return [];
      return [{ code: code.slice(0, 100), message: printable(typeof message === 'string' ? message : '') }];
    });
  } catch {
    return [];
  }
}

const faultText = ({ code, message }: RegistryFault): string =>
  `${code.toLowerCase().replaceAll('_', ' ')}: ${message || code.toLowerCase().replaceAll('_', ' ')}`;

/** True when the registry refuses for now only: too many requests. */
export function isRateLimited(error: unknown): boolean {
  return error instanceof EngineError && error.details['status'] === 429;
}

/**
 * True when the bytes were wrong because of who sent them: a fetch from the first byte asks somebody else. Comes to an
 * end, as nobody is asked again for what they got wrong.
 */
export function isElsewhere(error: unknown): boolean {
  return error instanceof EngineError && error.details['elsewhere'] === true;
}

/** True for answers that say nothing about what was asked for. */
export function isBusy(error: unknown): boolean {
  return error instanceof EngineError && (isRateLimited(error) || Number(error.details['status'] ?? 0) >= 500);
}

/** The error a refused request becomes; `details` has `status` and the registry's `codes`. */
export function refusal(status: number, body: string, { waitMs = 0 } = {}): EngineError {
  const faults = parseFaults(body);
  const codes = faults.map(({ code }) => code);
  const kind = codes.includes('DIGEST_INVALID') || codes.includes('SIZE_INVALID') ? 'dataLoss' : KIND_BY_STATUS[status];
  const text = faults.length > 0 ? faults.map(faultText).join('\n') : DEFAULT_TEXT[status];
  const wait = waitMs > 0 ? ` (the registry asks to wait ${Math.ceil(waitMs / 1000)} seconds)` : '';
  return new EngineError(
    kind ?? (status >= 500 ? 'unavailable' : 'invalid'),
    (text ?? `received unexpected HTTP status: ${status}`) + wait,
    { details: { status, codes } },
  );
}

interface SystemFault {
  readonly address?: string;
  readonly port?: number;
  readonly hostname?: string;
}

const RESETS = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET', 'UND_ERR_BODY_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT']);
const TRANSIENT = new Set([
  ...RESETS,
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
  'UND_ERR_PRX_CONN',
  'HPE_INVALID_EOF_STATE',
  'ETIMEDOUT',
  'EAI_AGAIN',
  'ENETUNREACH',
  'EHOSTUNREACH',
]);

const codesOf = (error: unknown): readonly string[] =>
  causeChain(error).flatMap((item) => {
    const nested = item instanceof AggregateError ? (item.errors as unknown[]) : [];
    return [item, ...nested].flatMap((one) => errnoOf(one) ?? []);
  });

/** True for failures of the connection that another try may not meet. */
export function isTransient(error: unknown): boolean {
  return codesOf(error).some((code) => TRANSIENT.has(code));
}

/** True when nobody answers at all, or not in TLS: another endpoint of the same registry may. */
export function isUnreachable(error: unknown): boolean {
  return error instanceof EngineError && error.details['unreachable'] === true;
}

/** True when the error is the registry's own answer. */
export function wasAnswered(error: unknown): boolean {
  return error instanceof EngineError && typeof error.details['status'] === 'number';
}

const connectionText = (error: unknown): string => {
  const codes = codesOf(error);
  const tunnel = causeChain(error).map((item) => /^Proxy response \((\d+)\)/.exec(messageOf(item))?.[1]);
  const refused = tunnel.find((status) => status !== undefined);
  if (refused !== undefined)
    return `proxyconnect tcp: the proxy answered ${refused}${refused === '407' ? ' Proxy Authentication Required' : ''}`;
  const { address, port, hostname } = (causeChain(error).find((item) => errnoOf(item) !== undefined) ??
    {}) as SystemFault;
  const where = address === undefined ? '' : ` ${address.includes(':') ? `[${address}]` : address}:${port}`;
  if (codes.includes('ECONNREFUSED')) return `dial tcp${where}: connect: connection refused`;
  if (codes.includes('ENOTFOUND')) return `dial tcp: lookup ${hostname ?? 'host'}: no such host`;
  if (codes.includes('EAI_AGAIN'))
    return `dial tcp: lookup ${hostname ?? 'host'}: temporary failure in name resolution`;
  if (codes.includes('ENETUNREACH')) return `dial tcp${where}: connect: network is unreachable`;
  if (codes.includes('EHOSTUNREACH')) return `dial tcp${where}: connect: no route to host`;
  if (codes.includes('UND_ERR_CONNECT_TIMEOUT')) return `dial tcp${where}: i/o timeout`;
  if (codes.some((code) => code === 'UND_ERR_BODY_TIMEOUT' || code === 'UND_ERR_HEADERS_TIMEOUT'))
    return 'the registry stopped sending data';
  if (codes.includes('UND_ERR_HEADERS_OVERFLOW')) return "the registry's answer has too large headers";
  if (codes.some((code) => code.startsWith('HPE_'))) return 'malformed HTTP response';
  if (codes.includes('UND_ERR_RES_CONTENT_LENGTH_MISMATCH')) return 'unexpected EOF';
  if (codes.some((code) => RESETS.has(code))) return 'connection reset by peer';
  if (codes.some((code) => /SELF_SIGNED|UNABLE_TO|CERT_UNTRUSTED/.test(code)))
    return 'tls: failed to verify certificate: x509: certificate signed by unknown authority';
  if (codes.some((code) => code.startsWith('CERT_') || code.startsWith('ERR_TLS_CERT')))
    return `tls: failed to verify certificate: x509: ${messageOf(error)}`;
  if (codes.includes('ERR_SSL_WRONG_VERSION_NUMBER') || codes.includes('ERR_SSL_PACKET_LENGTH_TOO_LONG'))
    return 'http: server gave HTTP response to HTTPS client';
  return messageOf(error);
};

const verb = (method: string): string => method.charAt(0) + method.slice(1).toLowerCase();

/** What a failed connection becomes, worded as Go words it; query strings (signatures) are left out. */
export function connectionFailure(method: string, url: URL, error: unknown, signal?: AbortSignal): EngineError {
  const known = causeChain(error).find((item) => item instanceof EngineError);
  if (known !== undefined) return known;
  if (signal?.aborted) {
    const reason: unknown = signal.reason;
    if (reason instanceof EngineError) return reason;
    const late = reason instanceof Error && reason.name === 'TimeoutError';
    return late ? deadline('timed out', { cause: reason }) : cancelled('cancelled', { cause: reason });
  }
  const unreachable = codesOf(error).some((code) =>
    /^(ECONNREFUSED|ENOTFOUND|ERR_SSL_|EPROTO|ECONNRESET|UND_ERR_SOCKET)/.test(code),
  );
  return unavailable(`${verb(method)} "${url.origin}${url.pathname}": ${connectionText(error)}`, {
    cause: error,
    details: { unreachable, transient: isTransient(error) },
  });
}
