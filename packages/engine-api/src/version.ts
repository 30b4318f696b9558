export const MAX_API_VERSION = '1.51';
export const MIN_API_VERSION = '1.24';

const numbers = (version: string): readonly number[] =>
  version.split('.').map((part) => Number.parseInt(part, 10) || 0);

/** Negative, zero or positive as `a` is older than, equal to or newer than `b`; missing parts count as zero. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [numbers(a), numbers(b)];
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

export const atLeast = (version: string, wanted: string): boolean => compareVersions(version, wanted) >= 0;

/** Whether an endpoint with these bounds exists in `version`. */
export function isAvailable(route: { readonly since?: string; readonly until?: string }, version: string): boolean {
  if (route.since !== undefined && !atLeast(version, route.since)) return false;
  return route.until === undefined || atLeast(route.until, version);
}

/** The version client and server share: the older of both newest ones. A server that names none speaks 1.24. */
export function negotiate(clientMax: string, serverMax: string | undefined): string {
  const server = serverMax === undefined || serverMax === '' ? MIN_API_VERSION : serverMax;
  return compareVersions(server, clientMax) < 0 ? server : clientMax;
}
