import { invalid } from '@berth/base';
import type { Static, TSchema } from './schema.ts';

/** The parts of a JSON schema that the wire schemas use. */
interface Node {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly patternProperties?: Readonly<Record<string, Node>>;
  readonly items?: Node;
  readonly anyOf?: readonly Node[];
  readonly enum?: readonly string[];
  readonly 'x-berth-scalar'?: boolean;
}

const MAX_DEPTH = 64;

/**
 * Reads a request body as dockerd does: unknown fields are dropped, null is absence, keys match without regard to case.
 * Nothing is filled in. Throws `invalid` naming the field (`HostConfig.Memory`) when a value has the wrong type.
 */
export function decodeBody<S extends TSchema>(schema: S, value: unknown): Static<S> {
  const decoded = decode(withoutNull(schema as Node), value, '', 0);
  return decoded as Static<S>;
}

/** Renames an object's keys to the spelling of the schema where only case differs; an exact match wins. One level. */
export function normalizeKeys(
  properties: Readonly<Record<string, unknown>>,
  value: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  let folded: Map<string, string> | undefined;
  for (const [key, item] of Object.entries(value)) {
    if (Object.hasOwn(properties, key)) {
      out[key] = item;
      continue;
    }
    folded ??= new Map(Object.keys(properties).map((name) => [name.toLowerCase(), name]));
    const name = folded.get(key.toLowerCase());
    if (name !== undefined && !Object.hasOwn(value, name)) out[name] = item;
  }
  return out;
}

function withoutNull(node: Node): Node {
  if (node.anyOf === undefined) return node;
  return node.anyOf.find((branch) => branch.type !== 'null') ?? node;
}

function decode(node: Node, value: unknown, path: string, depth: number): unknown {
  if (depth > MAX_DEPTH) throw invalid(`invalid JSON: ${path}: nested too deeply`);
  if (value === null || value === undefined) return zero(node);
  switch (node.type) {
    case 'string':
      return expect(typeof value === 'string', value, 'string', path);
    case 'boolean':
      return expect(typeof value === 'boolean', value, 'bool', path);
    case 'integer':
      return expect(Number.isInteger(value), value, 'int64', path);
    case 'number':
      return expect(typeof value === 'number', value, 'float64', path);
    case 'array':
      return decodeArray(node, value, path, depth);
    case 'object':
      return decodeObject(node, value, path, depth);
    default:
      return value;
  }
}

function decodeArray(node: Node, value: unknown, path: string, depth: number): unknown {
  if (typeof value === 'string' && node['x-berth-scalar']) return [value];
  if (!Array.isArray(value)) throw mismatch(value, 'list', path);
  const item = withoutNull(node.items ?? {});
  return value.map((entry, index) => decode(item, entry, `${path}[${index}]`, depth + 1));
}

function decodeObject(node: Node, value: unknown, path: string, depth: number): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw mismatch(value, 'object', path);
  const values = Object.values(node.patternProperties ?? {})[0];
  if (values !== undefined) return decodeRecord(values, value as Record<string, unknown>, path, depth);
  const out: Record<string, unknown> = {};
  const properties = node.properties ?? {};
  for (const [key, item] of Object.entries(normalizeKeys(properties, value as Record<string, unknown>))) {
    const property = properties[key];
    if (property === undefined || item === null) continue;
    out[key] = decode(withoutNull(property), item, path === '' ? key : `${path}.${key}`, depth + 1);
  }
  return out;
}

function decodeRecord(values: Node, value: Record<string, unknown>, path: string, depth: number): unknown {
  const keepsNull = values.anyOf?.some((branch) => branch.type === 'null') ?? false;
  const node = withoutNull(values);
  const entries = Object.entries(value).map(([key, item]) => {
    const decoded = item === null && keepsNull ? null : decode(node, item, `${path}.${key}`, depth + 1);
    return [key, decoded] as const;
  });
  // fromEntries defines own properties, so a hostile `__proto__` key stays a plain key.
  return Object.fromEntries(entries);
}

/** What Go leaves in a list or map for an element that is null. */
function zero(node: Node): unknown {
  switch (node.type) {
    case 'string':
      return '';
    case 'boolean':
      return false;
    case 'integer':
    case 'number':
      return 0;
    case 'array':
      return [];
    case 'object':
      return {};
    default:
      return null;
  }
}

function expect(matches: boolean, value: unknown, wanted: string, path: string): unknown {
  if (!matches) throw mismatch(value, wanted, path);
  return value;
}

function mismatch(value: unknown, wanted: string, path: string): Error {
  const got = Array.isArray(value) ? 'array' : typeof value;
  const where = path === '' ? 'the request body' : `field ${path}`;
  return invalid(`invalid JSON: ${where}: got ${got}, want ${wanted}`, { details: { field: path, got, wanted } });
}
