import type { TSchema } from '@berth/engine-api';

/** The parts of a JSON schema that say which keys are names and which are data. */
interface Node {
  readonly properties?: Readonly<Record<string, Node>>;
  readonly patternProperties?: Readonly<Record<string, Node>>;
  readonly items?: Node;
  readonly anyOf?: readonly Node[];
}

/** `IPAMConfig` to `ipamConfig`, `OomScoreAdj` to `oomScoreAdj`, `IPv4Address` to `ipv4Address`. */
export function camelCase(name: string): string {
  if (/^IPv[46]/.test(name)) return `ip${name.slice(2)}`;
  const run = /^[A-Z]+/.exec(name)?.[0].length ?? 0;
  if (run <= 1 || run === name.length) return name.slice(0, run).toLowerCase() + name.slice(run);
  return name.slice(0, run - 1).toLowerCase() + name.slice(run - 1);
}

/** A wire value as the services' domain type: keys that the schema names in camelCase, keys that are data untouched, null dropped. */
export function fromWire<T>(schema: TSchema, value: unknown): T {
  return convert(schema as Node, value, (names) => new Map(names.map((name) => [name, camelCase(name)])), true) as T;
}

/** The reverse of {@link fromWire}. */
export function toWire<T>(schema: TSchema, value: unknown): T {
  return convert(schema as Node, value, (names) => new Map(names.map((name) => [camelCase(name), name])), false) as T;
}

type Renaming = (names: readonly string[]) => ReadonlyMap<string, string>;

function convert(node: Node, value: unknown, renaming: Renaming, dropNull: boolean): unknown {
  const shape = node.anyOf?.find((branch) => (branch as { type?: string }).type !== 'null') ?? node;
  if (Array.isArray(value)) return value.map((item) => convert(shape.items ?? {}, item, renaming, dropNull));
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  const { properties } = shape;
  if (properties === undefined) {
    const inner = Object.values(shape.patternProperties ?? {})[0] ?? {};
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, convert(inner, item, renaming, dropNull)]),
    );
  }
  const names = renaming(Object.keys(properties));
  const back = new Map([...names].map(([from, to]) => [to, from]));
  const out: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value)) {
    const renamed = names.get(key);
    if (renamed === undefined || item === undefined || (dropNull && item === null)) continue;
    const property = properties[key] ?? properties[back.get(key) ?? ''] ?? properties[renamed] ?? {};
    out[renamed] = convert(property, item, renaming, dropNull);
  }
  return out;
}
