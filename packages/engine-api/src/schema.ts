/**
 * Shapes of the wire. Go's JSON has habits that these names carry:
 * a field with `omitempty` is {@link opt}; a slice or map that nobody set is `null`, hence {@link list} and {@link map};
 * a pointer to a struct is {@link ptr}. Request bodies use only such fields, since a client may leave anything out.
 */
import type { Static, TArray, TObject, TProperties, TSchema } from 'typebox';
import { Type } from './type.ts';

export type { Static, TObject, TSchema };

export const str = Type.String();
export const int = Type.Integer();
export const num = Type.Number();
export const bool = Type.Boolean();
export const anything = Type.Unknown();
export const strings = Type.Array(str);

export const obj = <P extends TProperties>(properties: P) => Type.Object(properties);
export const opt = <S extends TSchema>(schema: S) => Type.Optional(schema);
export const nullable = <S extends TSchema>(schema: S) => Type.Union([schema, Type.Null()]);
export const record = <S extends TSchema>(value: S) => Type.Record(Type.String(), value);

/** An optional slice: absent, null, or elements. */
export const list = <S extends TSchema>(item: S) => Type.Optional(nullable(Type.Array(item)));
/** An optional map with string keys: absent, null, or entries. */
export const map = <S extends TSchema>(value: S) => Type.Optional(nullable(record(value)));
/** An optional pointer: absent, null, or a value. */
export const ptr = <S extends TSchema>(schema: S) => Type.Optional(nullable(schema));
/** A set written as a map to empty objects, as `ExposedPorts` and `Volumes` are. */
export const set = () => map(Type.Object({}));

export const literals = <const V extends readonly string[]>(...values: V) =>
  Type.Unsafe<V[number]>({ enum: [...values] });

/** A command: a list of words; one bare string is accepted on requests and becomes a list of one. */
export const words = () => Type.Optional(nullable(Type.Array(str, { 'x-berth-scalar': true })));

/** Marks a query parameter whose text is JSON. */
export const json = <S extends TSchema>(schema: S) => Type.Optional(Type.With(schema, { 'x-berth-json': true }) as S);

/** `filters`: values by name; both wire forms decode to this one. */
export type Filters = Record<string, string[]>;
export const filters = () => Type.Optional(Type.Unsafe<Filters>({ type: 'object', 'x-berth-filters': true }));

/** A query flag in docker's rules: empty, `0`, `no`, `false` and `none` in any case are false, any other text is true. */
export const flag = (byDefault = false) => Type.Optional(Type.Boolean({ default: byDefault }));

export type StringList = TArray<typeof str>;
