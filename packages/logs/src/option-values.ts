import { invalid } from '@berth/base';

/** The options of one `LogConfig`. */
export type LogOptions = Readonly<Record<string, string>>;

const TRUE = new Set(['1', 't', 'T', 'true', 'TRUE', 'True']);
const FALSE = new Set(['0', 'f', 'F', 'false', 'FALSE', 'False']);

/** A boolean as clients of dockerd write it. Throws `invalid`. */
export function parseBoolean(text: string): boolean {
  if (TRUE.has(text)) return true;
  if (FALSE.has(text)) return false;
  throw invalid(`strconv.ParseBool: parsing "${text}": invalid syntax`);
}

/** A whole number within bounds. Throws `invalid`. */
export function parseWhole(text: string, min = 0): number {
  if (!/^[+-]?\d{1,15}$/.test(text)) throw invalid(`strconv.Atoi: parsing "${text}": invalid syntax`);
  const value = Number(text);
  if (value < min) throw invalid(`strconv.ParseUint: parsing "${text}": invalid syntax`);
  return value;
}

const POWERS = 'bkmgtp';
const DECIMAL = 1000;
const BINARY = 1024;

const size = (text: string, base: number): number => {
  const found = /^(\d+(?:\.\d+)?) ?([a-z]?)(?:i?b)?$/i.exec(text.trim());
  const power = POWERS.indexOf((found?.[2] || 'b').toLowerCase());
  if (found === null || power < 0) throw invalid(`invalid size: '${text}'`);
  return Math.trunc(Number(found[1]) * base ** power);
};

/** `10m` as 10,000,000 bytes. Throws `invalid`. */
export const parseDecimalSize = (text: string): number => size(text, DECIMAL);
/** `10m` as 10 MiB. Throws `invalid`. */
export const parseBinarySize = (text: string): number => size(text, BINARY);

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** A duration such as `1m30s` in milliseconds. Throws `invalid`. */
export function parseDuration(text: string): number {
  if (text === '0') return 0;
  if (!/^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/.test(text)) throw invalid(`time: invalid duration "${text}"`);
  let total = 0;
  for (const [, value, unit = ''] of text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g))
    total += Number(value) * (UNIT_MS[unit] ?? 0);
  return total;
}

/** A regular expression in the syntax that Go and JavaScript share. Throws `invalid`. */
export function parseExpression(text: string): RegExp {
  try {
    return new RegExp(text, 'v');
  } catch (cause) {
    throw invalid(`error parsing regexp: ${text}`, { cause });
  }
}
