import type { IncomingHttpHeaders } from 'node:http';
import type { Digest } from '@berth/oci';

/** True when the client says that it has what the digest names (`If-None-Match`). */
export function isCurrent(headers: IncomingHttpHeaders, digest: Digest): boolean {
  const tags = (headers['if-none-match'] ?? '').split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  return tags.includes(`"${digest}"`) || tags.includes('*');
}

/** False when the client's `If-Range` is about something else: it gets everything then. */
export function mayRange(headers: IncomingHttpHeaders, digest: Digest): boolean {
  const given = headers['if-range'];
  return given === undefined || given === `"${digest}"`;
}
