import { invalid, tooLarge } from '@berth/base';
import type { Descriptor } from './descriptor.ts';
import { isDigest } from './digest.ts';
import type { Platform } from './platform.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

const MAX_DEPTH = 64;
const MAX_STRING = 64 * 1024;
const MAX_ANNOTATIONS = 1024;
const MAX_INLINE_DATA = 1024 * 1024;

/** Throws `tooLarge` when brackets nest deeper than any honest document does. */
const checkDepth = (text: string): void => {
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (quoted) {
      if (code === 0x5c) at++;
      else if (code === 0x22) quoted = false;
    } else if (code === 0x22) quoted = true;
    else if (code === 0x7b || code === 0x5b) {
      if (++depth > MAX_DEPTH) throw tooLarge(`JSON nested deeper than ${MAX_DEPTH} levels`);
    } else if (code === 0x7d || code === 0x5d) depth--;
  }
};

const toText = (bytes: Uint8Array): string => {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw invalid('not valid UTF-8', { cause });
  }
};

/** Parses bounded JSON whose top level is an object. Throws `invalid` or `tooLarge`. */
export function parseJsonObject(bytes: Uint8Array, limit: number): JsonObject {
  if (bytes.byteLength > limit) throw tooLarge(`${bytes.byteLength} bytes where at most ${limit} are allowed`);
  const text = toText(bytes);
  checkDepth(text);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw invalid('not valid JSON', { cause });
  }
  return asObject(value, 'document');
}

export function asObject(value: unknown, where: string): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid(`${where} is not an object`);
  return value as JsonObject;
}

export function asArray(value: unknown, where: string, limit: number): readonly unknown[] {
  if (!Array.isArray(value)) throw invalid(`${where} is not an array`);
  if (value.length > limit) throw tooLarge(`${where} has ${value.length} entries where at most ${limit} are allowed`);
  return value as readonly unknown[];
}

export function asString(value: unknown, where: string): string {
  if (typeof value !== 'string') throw invalid(`${where} is not a string`);
  if (value.length > MAX_STRING) throw tooLarge(`${where} is longer than ${MAX_STRING} characters`);
  return value;
}

export function asStrings(value: unknown, where: string, limit: number): readonly string[] {
  return asArray(value, where, limit).map((item, index) => asString(item, `${where}[${index}]`));
}

export function asStringMap(value: unknown, where: string): Readonly<Record<string, string>> {
  const entries = Object.entries(asObject(value, where));
  if (entries.length > MAX_ANNOTATIONS) throw tooLarge(`${where} has more than ${MAX_ANNOTATIONS} entries`);
  return Object.fromEntries(entries.map(([key, item]) => [key, asString(item, `${where}.${key.slice(0, 100)}`)]));
}

/** The named field decoded, or nothing when it is absent or null (Go writes both for "not set"). */
export function optional<K extends string, T>(
  from: JsonObject,
  key: K,
  decode: (value: unknown, where: string) => T,
  where: string,
): { readonly [key in K]?: T } {
  const value = from[key];
  return value === undefined || value === null
    ? {}
    : ({ [key]: decode(value, `${where}.${key}`) } as { [key in K]: T });
}

const asPlatform = (value: unknown, where: string): Platform => {
  const from = asObject(value, where);
  return {
    os: from['os'] === undefined ? '' : asString(from['os'], `${where}.os`),
    architecture: from['architecture'] === undefined ? '' : asString(from['architecture'], `${where}.architecture`),
    ...optional(from, 'variant', asString, where),
    ...optional(from, 'os.version', asString, where),
    ...optional(from, 'os.features', (item, at) => asStrings(item, at, 100), where),
  };
};

const asSize = (value: unknown, where: string): number => {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
    throw invalid(`${where} is not a size: ${String(value).slice(0, 40)}`);
  return value;
};

const asInlineData = (value: unknown, where: string): string => {
  if (typeof value !== 'string') throw invalid(`${where} is not a string`);
  if (value.length > MAX_INLINE_DATA) throw tooLarge(`${where} is longer than ${MAX_INLINE_DATA} characters`);
  return value;
};

const asMediaType = (value: unknown, where: string): string => {
  const text = asString(value, where);
  if (!/^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}\/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}(?:;[ -~]{0,255})?$/.test(text))
    throw invalid(`${where} is not a media type`);
  return text;
};

/** Decodes a descriptor: digest syntax, size not negative, bounded lists. */
export function asDescriptor(value: unknown, where: string): Descriptor {
  const from = asObject(value, where);
  const digest = from['digest'];
  if (!isDigest(digest)) throw invalid(`${where}.digest is not a valid digest`);
  return {
    mediaType: asMediaType(from['mediaType'], `${where}.mediaType`),
    digest,
    size: asSize(from['size'], `${where}.size`),
    ...optional(from, 'urls', (item, at) => asStrings(item, at, 64), where),
    ...optional(from, 'annotations', asStringMap, where),
    ...optional(from, 'platform', asPlatform, where),
    ...optional(from, 'artifactType', asString, where),
    ...optional(from, 'data', asInlineData, where),
  };
}
