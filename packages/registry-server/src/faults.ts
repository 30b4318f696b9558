import { EngineError, type ErrorKind, kindOf, messageOf } from '@berth/base';
import type { ErrorAnswer, Headers } from '@berth/http';

/** Error codes of the distribution-spec, with the status they are answered with. */
const STATUS = {
  BLOB_UNKNOWN: 404,
  BLOB_UPLOAD_INVALID: 400,
  BLOB_UPLOAD_UNKNOWN: 404,
  DIGEST_INVALID: 400,
  MANIFEST_BLOB_UNKNOWN: 400,
  MANIFEST_INVALID: 400,
  MANIFEST_UNKNOWN: 404,
  NAME_INVALID: 400,
  NAME_UNKNOWN: 404,
  PAGINATION_NUMBER_INVALID: 400,
  RANGE_INVALID: 416,
  SIZE_INVALID: 413,
  TAG_INVALID: 400,
  UNAUTHORIZED: 401,
  UNSUPPORTED: 405,
  UNKNOWN: 500,
} as const;

export type FaultCode = keyof typeof STATUS;

const KIND: Readonly<Record<number, ErrorKind>> = {
  401: 'unauthorized',
  404: 'notFound',
  405: 'notImplemented',
  413: 'tooLarge',
  500: 'internal',
};

/** An error answered as `{"errors": [{code, message}]}`. */
export function fault(code: FaultCode, message: string, cause?: unknown, headers?: Headers): EngineError {
  return new EngineError(KIND[STATUS[code]] ?? 'invalid', message, { cause, details: { code, headers } });
}

const codeOf = (error: unknown): FaultCode => {
  const stated = error instanceof EngineError ? error.details['code'] : undefined;
  if (typeof stated === 'string' && stated in STATUS) return stated as FaultCode;
  const kind = kindOf(error);
  if (kind === 'tooLarge') return 'SIZE_INVALID';
  return kind === 'notImplemented' ? 'UNSUPPORTED' : 'UNKNOWN';
};

/** The error body of the distribution-spec. Nothing of an internal error is shown. */
export function encodeFault(error: unknown, status: number): ErrorAnswer {
  const code = codeOf(error);
  const known = code !== 'UNKNOWN';
  const headers = error instanceof EngineError ? (error.details['headers'] as Headers | undefined) : undefined;
  const message = kindOf(error) === 'internal' ? 'internal error' : messageOf(error);
  return {
    status: known ? STATUS[code] : status,
    body: { errors: [{ code, message }] },
    ...(headers === undefined ? {} : { headers }),
  };
}
