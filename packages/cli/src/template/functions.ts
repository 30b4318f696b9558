import { TemplateError } from './lex.ts';
import { goText } from './text.ts';

export type TemplateFunction = (...args: unknown[]) => unknown;

/** Go's idea of an empty value. */
export function isTrue(value: unknown): boolean {
  if (value === undefined || value === null || value === false || value === 0 || value === '') return false;
  if (Array.isArray(value)) return value.length > 0;
  return typeof value !== 'object' || Object.keys(value).length > 0;
}

function index(value: unknown, ...keys: unknown[]): unknown {
  return keys.reduce((at, key) => {
    if (Array.isArray(at)) {
      if (typeof key !== 'number' || key < 0 || key >= at.length) throw failed(`index out of range: ${goText(key)}`);
      return at[key] as unknown;
    }
    if (typeof at === 'object' && at !== null) return (at as Record<string, unknown>)[String(key)] ?? '';
    throw failed(`can't index item of type ${typeof at}`);
  }, value);
}

function length(value: unknown): number {
  if (typeof value === 'string') return Buffer.byteLength(value);
  if (Array.isArray(value)) return value.length;
  if (typeof value === 'object' && value !== null) return Object.keys(value).length;
  if (value === null || value === undefined) return 0;
  throw failed('len of a value that has no length');
}

const same = (a: unknown, b: unknown): boolean => a === b;
const order = (a: unknown, b: unknown): number => {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  if (typeof a === 'string' && typeof b === 'string') return a < b ? -1 : Number(a > b);
  throw failed('incompatible types for comparison');
};
const failed = (message: string): TemplateError => new TemplateError(message);
const words = (value: unknown): string => goText(value);

function format(pattern: unknown, ...values: unknown[]): string {
  let at = 0;
  return String(pattern).replaceAll(
    /%(-?)(0?)(\d*)(?:\.(\d+))?([a-zA-Z%])/g,
    (all, left: string, zero: string, width: string, digits: string | undefined, verb: string) => {
      if (verb === '%') return '%';
      if (at >= values.length) return `%!${verb}(MISSING)`;
      const shown = verbText(verb, values[at++], digits) ?? all;
      const size = Number(width || 0);
      return left === '-' ? shown.padEnd(size) : shown.padStart(size, zero === '0' ? '0' : ' ');
    },
  );
}

function verbText(verb: string, value: unknown, digits: string | undefined): string | undefined {
  switch (verb) {
    case 'q':
      return JSON.stringify(words(value));
    case 'x':
      return typeof value === 'number' ? value.toString(16) : Buffer.from(words(value)).toString('hex');
    case 'f':
      return Number(value).toFixed(digits === undefined ? 6 : Number(digits));
    case 'd':
    case 's':
    case 'v':
    case 't':
      return digits === undefined ? words(value) : words(value).slice(0, Number(digits));
    default:
      return undefined;
  }
}

function slice(value: unknown, from: unknown = 0, to?: unknown): unknown {
  const end = to === undefined ? undefined : Number(to);
  if (typeof value === 'string' || Array.isArray(value)) return value.slice(Number(from), end);
  throw failed("can't slice this value");
}

/** The functions of Go's templates and those that docker adds. `and` and `or` are evaluated lazily elsewhere. */
export const FUNCTIONS: Readonly<Record<string, TemplateFunction>> = {
  not: (value) => !isTrue(value),
  eq: (a, ...others) => others.some((b) => same(a, b)),
  ne: (a, b) => !same(a, b),
  lt: (a, b) => order(a, b) < 0,
  le: (a, b) => order(a, b) <= 0,
  gt: (a, b) => order(a, b) > 0,
  ge: (a, b) => order(a, b) >= 0,
  index,
  slice,
  len: length,
  print: (...values) => values.map(words).join(''),
  println: (...values) => `${values.map(words).join(' ')}\n`,
  printf: format,
  json: (value) => JSON.stringify(value) ?? 'null',
  join: (values, separator) => (Array.isArray(values) ? values : []).map(words).join(String(separator)),
  split: (value, separator) => String(value).split(String(separator)),
  lower: (value) => String(value).toLowerCase(),
  upper: (value) => String(value).toUpperCase(),
  title: (value) => String(value).replace(/\b\w/g, (c) => c.toUpperCase()),
  truncate: (value, size) => String(value).slice(0, Number(size)),
  pad: (value, before, after) => ' '.repeat(Number(before)) + String(value) + ' '.repeat(Number(after)),
};
