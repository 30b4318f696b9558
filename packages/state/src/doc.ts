import { internal, wrap } from '@berth/base';

/**
 * JSON for `doc` columns that keeps what JSON loses: `bigint`, `Date`, `Uint8Array`, `Map` and `Set` come back as they
 * were, each written as an object with one `$` key. Undefined properties are left out; functions, symbols and class
 * instances are refused as a bug (`internal`).
 *
 *     state.run('INSERT INTO networks VALUES (?, ?, ?, ?)', id, name, now, encodeDoc(network));
 *     const network = decodeDoc<Network>(row.doc);
 */
export function encodeDoc(value: unknown): string {
  return JSON.stringify(encode(value, '$'));
}

/** Reads what {@link encodeDoc} wrote. The type is the caller's word: only its own package writes the column. */
export function decodeDoc<T>(text: string): T {
  try {
    return decode(JSON.parse(text)) as T;
  } catch (error) {
    throw wrap('a stored document cannot be read', error, 'dataLoss');
  }
}

const TAGS: Readonly<Record<string, (value: unknown) => unknown>> = {
  $bigint: (value) => BigInt(String(value)),
  $date: (value) => new Date(value as number),
  $bytes: (value) => new Uint8Array(Buffer.from(String(value), 'base64')),
  $map: (value) => new Map((value as [unknown, unknown][]).map(([k, v]) => [decode(k), decode(v)])),
  $set: (value) => new Set((value as unknown[]).map(decode)),
  $object: (value) => decodeObject(value as Record<string, unknown>),
};

function encode(value: unknown, path: string): unknown {
  if (value === null || value === undefined || typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw internal(`${path} is ${value}, which a document cannot hold`);
    return value;
  }
  if (typeof value === 'bigint') return { $bigint: value.toString() };
  if (typeof value !== 'object') throw internal(`${path} is a ${typeof value}, which a document cannot hold`);
  if (value instanceof Date) return { $date: value.getTime() };
  if (value instanceof Uint8Array)
    return { $bytes: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64') };
  if (Array.isArray(value)) return value.map((item, index) => encode(item, `${path}[${index}]`) ?? null);
  if (value instanceof Map) return { $map: [...value].map(([k, v]) => [encode(k, path), encode(v, `${path}.${k}`)]) };
  if (value instanceof Set) return { $set: [...value].map((item) => encode(item, path)) };
  return encodeObject(value, path);
}

function encodeObject(value: object, path: string): unknown {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null)
    throw internal(`${path} is a ${value.constructor.name}, which a document cannot hold`);
  const entries = Object.entries(value).map(([key, item]) => [key, encode(item, `${path}.${key}`)] as const);
  const plain = Object.fromEntries(entries);
  return tagOf(plain) === undefined ? plain : { $object: plain };
}

function tagOf(value: object): string | undefined {
  const keys = Object.keys(value);
  const [key] = keys;
  return keys.length === 1 && key !== undefined && Object.hasOwn(TAGS, key) ? key : undefined;
}

function decode(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(decode);
  const object = value as Record<string, unknown>;
  const tag = tagOf(object);
  return tag === undefined ? decodeObject(object) : TAGS[tag]?.(object[tag]);
}

const decodeObject = (object: Record<string, unknown>): unknown =>
  Object.fromEntries(Object.entries(object).map(([key, item]) => [key, decode(item)]));
