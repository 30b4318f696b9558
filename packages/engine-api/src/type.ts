/**
 * TypeBox's builder, for its types alone: what it makes are plain JSON schemas, and making them here costs nothing,
 * while loading all of TypeBox costs a daemon's start about 90 ms. Only the constructors that the wire schemas use.
 */
import type { Type as TypeBox } from 'typebox';

type Plain = Readonly<Record<string, unknown>>;

const OPTIONAL = '~optional';

const isOptional = (schema: Plain): boolean => Object.hasOwn(schema, OPTIONAL);

/** Hidden, so that a schema printed as JSON is a JSON schema. */
function optional(schema: Plain): Plain {
  return Object.defineProperty({ ...schema }, OPTIONAL, { value: true, enumerable: false });
}

function object(properties: Readonly<Record<string, Plain>>, options: Plain = {}): Plain {
  const required = Object.keys(properties).filter((name) => !isOptional(properties[name] ?? {}));
  return { type: 'object', ...(required.length === 0 ? {} : { required }), properties, ...options };
}

const builder = {
  Array: (items: Plain, options: Plain = {}): Plain => ({ type: 'array', items, ...options }),
  Boolean: (options: Plain = {}): Plain => ({ type: 'boolean', ...options }),
  Integer: (options: Plain = {}): Plain => ({ type: 'integer', ...options }),
  Null: (options: Plain = {}): Plain => ({ type: 'null', ...options }),
  Number: (options: Plain = {}): Plain => ({ type: 'number', ...options }),
  Object: object,
  Optional: optional,
  Record: (_key: Plain, value: Plain): Plain => ({ type: 'object', patternProperties: { '^.*$': value } }),
  String: (options: Plain = {}): Plain => ({ type: 'string', ...options }),
  Union: (anyOf: readonly Plain[], options: Plain = {}): Plain => ({ anyOf, ...options }),
  Unknown: (options: Plain = {}): Plain => ({ ...options }),
  Unsafe: (schema: Plain): Plain => ({ ...schema }),
  With: (schema: Plain, options: Plain): Plain => ({ ...schema, ...options }),
};

export const Type = builder as unknown as Pick<typeof TypeBox, keyof typeof builder>;
