import { UsageError } from './flags.ts';

const DECIMAL = ['B', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB'] as const;
const BINARY = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'] as const;

const trimmed = (value: number, digits: number): string => Number(value.toPrecision(digits)).toString();

function sized(bytes: number, step: number, units: readonly string[], digits: number): string {
  let [value, at] = [bytes, 0];
  while (value >= step && at < units.length - 1) {
    value /= step;
    at++;
  }
  // Four significant digits never need an exponent here: value is below step.
  return `${value >= 1000 && digits < 4 ? Math.round(value) : trimmed(value, digits)}${units[at]}`;
}

/** Bytes with decimal units and three digits, as `images` shows them: `4.26MB`. */
export const humanSize = (bytes: number, digits = 3): string => sized(bytes, 1000, DECIMAL, digits);
/** Bytes with binary units and four digits, as `stats` shows them: `1.945GiB`. */
export const binarySize = (bytes: number): string => sized(bytes, 1024, BINARY, 4);

const FACTORS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 2 ** 10,
  m: 2 ** 20,
  g: 2 ** 30,
  t: 2 ** 40,
  p: 2 ** 50,
};

/** `512m`, `1.5g`, `2GiB`, `100` to bytes. */
export function parseBytes(text: string): number {
  const [, digits, rest = ''] = /^(\d+(?:\.\d+)?)\s?([a-z]*)$/i.exec(text) ?? [];
  if (digits === undefined) throw new UsageError(`invalid size: '${text}'`);
  const [, unit] = /^([bkmgtp]?)i?b?$/i.exec(rest) ?? [];
  if (unit === undefined) throw new UsageError(`invalid suffix: '${rest}'`);
  return Math.trunc(Number(digits) * (FACTORS[unit.toLowerCase()] ?? 1));
}

/** As {@link parseBytes}, and -1 for no limit. */
export const parseSwap = (text: string): number => (text === '-1' ? -1 : parseBytes(text));

const DURATIONS: Readonly<Record<string, number>> = { ns: 1, us: 1e3, µs: 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 };

/** Go's `1m30s` to nanoseconds; may be negative. */
export function parseDuration(text: string): number {
  if (text === '0') return 0;
  if (/^[+-]./.test(text)) return (text.startsWith('-') ? -1 : 1) * parseDuration(text.slice(1));
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)];
  if (parts.length === 0 || parts.map(([all]) => all).join('') !== text)
    throw new UsageError(`time: invalid duration "${text}"`);
  return parts.reduce((sum, [, digits, unit = 's']) => sum + Number(digits) * (DURATIONS[unit] ?? 0), 0);
}

/** A span as docker tells it: `About a minute`, `3 weeks`. */
export function humanDuration(seconds: number): string {
  const s = Math.floor(seconds);
  if (s < 1) return 'Less than a second';
  if (s === 1) return '1 second';
  if (s < 60) return `${s} seconds`;
  const minutes = Math.floor(s / 60);
  if (minutes === 1) return 'About a minute';
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.round(s / 3600);
  if (hours === 1) return 'About an hour';
  if (hours < 48) return `${hours} hours`;
  if (hours < 24 * 7 * 2) return `${Math.floor(hours / 24)} days`;
  if (hours < 24 * 30 * 2) return `${Math.floor(hours / 24 / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.floor(hours / 24 / 30)} months`;
  return `${Math.floor(hours / 24 / 365)} years`;
}

export const ago = (date: Date, now = Date.now()): string => `${humanDuration((now - date.getTime()) / 1000)} ago`;

/** `2026-11-21 01:02:03 +0000 UTC`, as Go prints a time. */
export const goTime = (date: Date): string => `${date.toISOString().slice(0, 19).replace('T', ' ')} +0000 UTC`;

/** An id's first twelve digits, without its algorithm. */
export const shortId = (id: string): string => id.replace(/^sha256:/, '').slice(0, 12);

export function ellipsis(text: string, width: number): string {
  const characters = [...text];
  return characters.length <= width ? text : `${characters.slice(0, width - 1).join('')}…`;
}

/** A point in time given as RFC 3339, a date, Unix seconds, or a span before now (`10m`), as the API wants it. */
export function parseTime(text: string, now = Date.now()): string {
  if (/^\d+(\.\d+)?$/.test(text)) return text;
  if (/^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/.test(text)) return ((now - parseDuration(text) / 1e6) / 1000).toFixed(9);
  const time = Date.parse(text);
  if (Number.isNaN(time)) throw new UsageError(`invalid value for time: "${text}"`);
  const [, fraction = ''] = /:\d\d\.(\d+)/.exec(text) ?? [];
  return `${Math.floor(time / 1000)}.${fraction.padEnd(9, '0').slice(0, 9)}`;
}
