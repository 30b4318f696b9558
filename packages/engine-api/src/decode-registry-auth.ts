import { invalid } from '@berth/base';
import type { RegistryAuth } from './schemas/common.ts';

/**
 * Reads `X-Registry-Auth`; either base64 alphabet, padded or not. Absent, empty and `{}` are no credentials.
 * Throws `invalid`; the message never repeats the header.
 */
export function decodeRegistryAuth(header: string | undefined): RegistryAuth | undefined {
  const parsed = decodeHeader('X-Registry-Auth', header);
  if (parsed === undefined || Object.keys(parsed).length === 0) return undefined;
  return credentials('X-Registry-Auth', parsed);
}

export function decodeRegistryConfig(header: string | undefined): Readonly<Record<string, RegistryAuth>> {
  const parsed = decodeHeader('X-Registry-Config', header) ?? {};
  return Object.fromEntries(
    Object.entries(parsed).map(([registry, auth]) => [registry, credentials('X-Registry-Config', auth)]),
  );
}

function decodeHeader(name: string, header: string | undefined): Record<string, unknown> | undefined {
  if (header === undefined || header === '') return undefined;
  try {
    const parsed: unknown = JSON.parse(Buffer.from(header, 'base64').toString('utf8'));
    // what Go clients send for a map that was never made
    if (parsed === null) return undefined;
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return { ...parsed };
  } catch {
    // Said below, without the parser's message: it may quote a password.
  }
  throw invalid(`invalid ${name} header`);
}

const FIELDS = [
  'username',
  'password',
  'auth',
  'email',
  'serveraddress',
  'identitytoken',
  'registrytoken',
] as const satisfies readonly (keyof RegistryAuth)[];

function credentials(header: string, value: unknown): RegistryAuth {
  if (typeof value !== 'object' || value === null) throw invalid(`invalid ${header} header`);
  const auth: RegistryAuth = {};
  const given = new Map(Object.entries(value).map(([key, item]) => [key.toLowerCase(), item]));
  for (const field of FIELDS) {
    const text: unknown = given.get(field);
    if (typeof text === 'string' && text !== '') auth[field] = text;
  }
  return auth;
}
