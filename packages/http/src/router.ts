import { invalid } from '@berth/base';

/** What a router needs of a route. */
export interface RoutePattern {
  readonly method: string;
  /** `/containers/{id}/json`; `{name:.*}` takes several segments, so that image names may hold slashes. */
  readonly pattern: string;
}

export interface RouteMatch<R> {
  readonly route: R;
  /** Percent-decoded. */
  readonly params: Readonly<Record<string, string>>;
}

export interface Router<R> {
  match(method: string, path: string): RouteMatch<R> | undefined;
  /** Methods that some route answers at this path. */
  methods(path: string): readonly string[];
}

interface Compiled<R> {
  readonly route: R;
  readonly expression: RegExp;
  readonly names: readonly string[];
}

const PARAMETER = /\{([A-Za-z_][A-Za-z0-9_]*)(:\.\*)?\}/g;
const escapeLiteral = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

const compile = <R extends RoutePattern>(route: R): Compiled<R> => {
  const names: string[] = [];
  let expression = '';
  let end = 0;
  for (const found of route.pattern.matchAll(PARAMETER)) {
    names.push(found[1] ?? '');
    expression += `${escapeLiteral(route.pattern.slice(end, found.index))}${found[2] === undefined ? '([^/]+)' : '(.+)'}`;
    end = found.index + found[0].length;
  }
  expression += escapeLiteral(route.pattern.slice(end));
  return { route, expression: new RegExp(`^${expression}$`), names };
};

const decode = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw invalid(`invalid URL escape in "${text.slice(0, 100)}"`, { cause });
  }
};

/**
 * Matches a method and a path (still percent-encoded). Patterns without parameters come first, then the others in the
 * order given. GET routes also answer HEAD unless a HEAD route exists.
 */
export function createRouter<R extends RoutePattern>(routes: readonly R[]): Router<R> {
  const fixed = new Map<string, R>();
  const variable = new Map<string, Compiled<R>[]>();
  for (const route of routes) {
    if (!route.pattern.includes('{')) {
      fixed.set(`${route.method} ${route.pattern}`, route);
      continue;
    }
    const list = variable.get(route.method) ?? [];
    list.push(compile(route));
    variable.set(route.method, list);
  }
  const known = [...new Set(routes.map(({ method }) => method))];

  const find = (method: string, path: string): RouteMatch<R> | undefined => {
    const exact = fixed.get(`${method} ${path}`);
    if (exact !== undefined) return { route: exact, params: {} };
    for (const { route, expression, names } of variable.get(method) ?? []) {
      const found = expression.exec(path);
      if (found === null) continue;
      return { route, params: Object.fromEntries(names.map((name, index) => [name, decode(found[index + 1] ?? '')])) };
    }
    return undefined;
  };

  return {
    match: (method, path) => find(method, path) ?? (method === 'HEAD' ? find('GET', path) : undefined),
    methods: (path) => known.filter((method) => find(method, path) !== undefined),
  };
}
