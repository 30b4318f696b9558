import type { Route } from '@berth/engine-api/light';

/** Fills `{id}` and `{name:.*}` of a path. Slashes of an image's name stay slashes. */
export function encodePath(path: string, params: Readonly<Record<string, string>>): string {
  return path.replaceAll(/\{(\w+)(:\.\*)?\}/g, (_, name: string, wild: string | undefined) => {
    const value = params[name] ?? '';
    return wild === undefined ? encodeURIComponent(value) : value.split('/').map(encodeURIComponent).join('/');
  });
}

/** Flags as 1 and 0, lists repeated (or as JSON where the route says so), filters and other objects as JSON. */
export function encodeQuery(route: Route, query: Readonly<Record<string, unknown>>): string {
  const out = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined || value === null) continue;
    if (Array.isArray(value) && !route.jsonQuery?.includes(name))
      for (const item of value) out.append(name, String(item));
    else out.append(name, encodeValue(name, value));
  }
  const text = out.toString();
  return text === '' ? '' : `?${text}`;
}

function encodeValue(name: string, value: unknown): string {
  if (typeof value === 'boolean') return value ? '1' : '0';
  if (typeof value !== 'object') return String(value);
  return JSON.stringify(name === 'filters' ? filterMap(value as Record<string, readonly string[]>) : value);
}

const filterMap = (filters: Readonly<Record<string, readonly string[]>>): unknown =>
  Object.fromEntries(
    Object.entries(filters).map(([name, values]) => [name, Object.fromEntries(values.map((value) => [value, true]))]),
  );
