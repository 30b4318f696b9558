import { invalid } from '@berth/base';
import { decodeBody } from './decode-body.ts';
import type { Filters, Static, TObject, TSchema } from './schema.ts';

interface Parameter {
  readonly type?: string;
  readonly default?: unknown;
  readonly 'x-berth-json'?: boolean;
  readonly 'x-berth-filters'?: boolean;
}

/**
 * Reads a query string by its schema. Unknown parameters are ignored, defaults filled in, and an empty value counts as
 * absent except for text. Throws `invalid` naming the parameter.
 */
export function decodeQuery<Q extends TObject>(schema: Q, params: URLSearchParams): Static<Q> {
  const out: Record<string, unknown> = {};
  for (const [name, property] of Object.entries(schema.properties as Record<string, Parameter>)) {
    const values = params.getAll(name);
    const value = values.length === 0 ? property.default : decodeParameter(name, property, values);
    if (value !== undefined) out[name] = value;
  }
  return out as Static<Q>;
}

/** docker's reading of a flag: only `0`, `no`, `false`, `none` (any case) and nothing are false. */
export function isTruthy(text: string): boolean {
  return !['', '0', 'no', 'false', 'none'].includes(text.trim().toLowerCase());
}

/**
 * `filters` in either wire form, `{"label":["a"]}` or `{"label":{"a":true}}`, as lists. Throws `invalid`.
 */
export function decodeFilters(text: string): Filters {
  const parsed = parseJson('filters', text);
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw invalid('invalid filter');
  return Object.fromEntries(Object.entries(parsed).map(([name, values]) => [name, filterValues(values)]));
}

function filterValues(values: unknown): string[] {
  if (Array.isArray(values)) {
    if (!values.every((value) => typeof value === 'string')) throw invalid('invalid filter');
    return values;
  }
  if (typeof values !== 'object' || values === null) throw invalid('invalid filter');
  return Object.entries(values)
    .filter(([, chosen]) => chosen !== false)
    .map(([value]) => value);
}

function decodeParameter(name: string, property: Parameter, values: readonly string[]): unknown {
  const text = values[0] ?? '';
  if (property['x-berth-filters']) return text === '' ? undefined : decodeFilters(text);
  if (property['x-berth-json']) {
    return text === '' ? undefined : decodeBody(property as TSchema, parseJson(name, text));
  }
  switch (property.type) {
    case 'boolean':
      return text === '' && property.default !== undefined ? property.default : isTruthy(text);
    case 'integer':
      return text === '' ? undefined : integer(name, text);
    case 'array':
      return values;
    default:
      return text;
  }
}

function integer(name: string, text: string): number {
  if (!/^[+-]?\d{1,18}$/.test(text)) {
    throw invalid(`invalid value for ${name}: ${JSON.stringify(text)} is not an integer`, { details: { field: name } });
  }
  return Number(text);
}

function parseJson(name: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw invalid(`invalid value for ${name}: not valid JSON`, { cause, details: { field: name } });
  }
}
