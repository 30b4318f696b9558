import type { RegistryAuth } from './schemas/common.ts';

/** `X-Registry-Auth` (one registry's credentials): base64url of JSON. */
export function encodeRegistryAuth(auth: RegistryAuth): string {
  return Buffer.from(JSON.stringify(auth)).toString('base64url');
}

/** `X-Registry-Config` (credentials by registry, for a build): base64url of JSON. */
export function encodeRegistryConfig(config: Readonly<Record<string, RegistryAuth>>): string {
  return Buffer.from(JSON.stringify(config)).toString('base64url');
}
