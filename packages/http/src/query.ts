import { invalid } from '@berth/base';

/** Query parameters; a name may be repeated. */
export interface Query {
  has(name: string): boolean;
  /** First value; undefined when absent. */
  get(name: string): string | undefined;
  getAll(name: string): readonly string[];
  names(): readonly string[];
}

const MAX_PARAMETERS = 10_000;

/** Parses what follows `?`. Throws `invalid` when there are absurdly many parameters. */
export function parseQuery(text: string): Query {
  const parameters = new URLSearchParams(text);
  if (parameters.size > MAX_PARAMETERS) throw invalid(`more than ${MAX_PARAMETERS} query parameters`);
  return {
    has: (name) => parameters.has(name),
    get: (name) => parameters.get(name) ?? undefined,
    getAll: (name) => parameters.getAll(name),
    names: () => [...new Set(parameters.keys())],
  };
}

/** A flag as dockerd reads it: absent, empty, `0`, `no`, `false` and `none` are false, all else is true. */
export function queryFlag(query: Query, name: string, fallback = false): boolean {
  const value = query.get(name);
  if (value === undefined) return fallback;
  return !['', '0', 'no', 'false', 'none'].includes(value.trim().toLowerCase());
}
