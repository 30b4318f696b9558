import { invalid } from '@berth/base';

/** Go's zero time, for what never happened. */
export const ZERO_TIME = '0001-01-01T00:00:00Z';

/** RFC 3339; `undefined` is Go's zero time. */
export function formatTime(date: Date | undefined): string {
  return date === undefined ? ZERO_TIME : date.toISOString();
}

/** A time in a query: seconds with an optional fraction, RFC 3339, or a Go duration meaning that long ago. Nanoseconds. */
export function parseTimeQuery(text: string | undefined, now: Date): bigint | undefined {
  if (text === undefined || text === '' || text === '0') return undefined;
  const seconds = /^(-?\d+)(?:\.(\d{1,9}))?\d*$/.exec(text);
  if (seconds) return BigInt(seconds[1] ?? '0') * 1_000_000_000n + BigInt((seconds[2] ?? '').padEnd(9, '0'));
  const ago = parseGoDuration(text);
  if (ago !== undefined) return BigInt(now.getTime()) * 1_000_000n - BigInt(Math.round(ago * 1e9));
  const date = Date.parse(text);
  if (Number.isNaN(date)) throw invalid(`invalid value for time: ${JSON.stringify(text)}`);
  const fraction = /\.(\d{1,9})/.exec(text)?.[1] ?? '';
  return BigInt(Math.floor(date / 1000)) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0') || '0');
}

const UNITS: Readonly<Record<string, number>> = { h: 3600, m: 60, s: 1, ms: 1e-3, us: 1e-6, ns: 1e-9 };

/** Seconds of `1h30m`; undefined when it is no duration. */
export function parseGoDuration(text: string): number | undefined {
  if (!/^(\d+(\.\d+)?(ns|us|ms|s|m|h))+$/.test(text)) return undefined;
  let seconds = 0;
  for (const [, value = '0', unit = 's'] of text.matchAll(/(\d+(?:\.\d+)?)(ns|us|ms|s|m|h)/g))
    seconds += Number(value) * (UNITS[unit] ?? 0);
  return seconds;
}

/** `Up 5 minutes`'s second half, in docker's rounding. */
export function humanDuration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 1) return 'Less than a second';
  if (seconds === 1) return '1 second';
  if (seconds < 60) return `${seconds} seconds`;
  const minutes = Math.floor(seconds / 60);
  if (minutes === 1) return 'About a minute';
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.round(minutes / 60);
  if (hours === 1) return 'About an hour';
  if (hours < 48) return `${hours} hours`;
  const days = Math.floor(hours / 24);
  if (days < 14) return `${days} days`;
  if (days < 60) return `${Math.floor(days / 7)} weeks`;
  if (days < 730) return `${Math.floor(days / 30)} months`;
  return `${Math.floor(days / 365)} years`;
}
