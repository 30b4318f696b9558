import { type ErrorKind, kindOf } from '@berth/base';

const STATUS: Readonly<Record<ErrorKind, number>> = {
  invalid: 400,
  unauthorized: 401,
  forbidden: 403,
  notFound: 404,
  conflict: 409,
  notModified: 304,
  tooLarge: 413,
  notImplemented: 501,
  unavailable: 503,
  exhausted: 500,
  cancelled: 499,
  deadline: 504,
  dataLoss: 500,
  internal: 500,
};

/** The HTTP status an error kind is answered with; the only such table. 499 is what a client that left would have got. */
export function statusOf(error: unknown): number {
  return STATUS[kindOf(error)];
}

/** The error kind a response status stands for, for clients. */
export function kindOfStatus(status: number): ErrorKind {
  if (status === 405 || status === 501) return 'notImplemented';
  if (status === 429 || status === 502 || status === 503) return 'unavailable';
  if (status === 500) return 'internal';
  const found = Object.entries(STATUS).find(([, code]) => code === status);
  return (found?.[0] as ErrorKind | undefined) ?? (status >= 500 ? 'internal' : 'invalid');
}
