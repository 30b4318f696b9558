import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RegistryAuth } from '@berth/engine-api';
import { encodeRegistryAuth, encodeRegistryConfig } from '@berth/engine-api/light';
import type { Context } from './context.ts';

const HUB = 'https://index.docker.io/v1/';

interface ConfigFile {
  auths?: Record<string, { auth?: string; identitytoken?: string; registrytoken?: string }>;
  [other: string]: unknown;
}

/** The key of a registry in docker's config file. */
export function registryKey(reference: string): string {
  const [first = '', ...rest] = reference.split('/');
  const isHost = rest.length > 0 && (first.includes('.') || first.includes(':') || first === 'localhost');
  return isHost && first !== 'docker.io' ? first : HUB;
}

export const readConfig = (context: Context): ConfigFile => {
  try {
    return JSON.parse(readFileSync(join(context.globals.configDirectory, 'config.json'), 'utf8')) as ConfigFile;
  } catch {
    return {};
  }
};

export function writeConfig(context: Context, config: ConfigFile): void {
  const directory = context.globals.configDirectory;
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, 'config.json');
  writeFileSync(`${path}.tmp`, JSON.stringify(config, null, '\t'), { mode: 0o600 });
  renameSync(`${path}.tmp`, path);
}

function credentials(config: ConfigFile, key: string): RegistryAuth | undefined {
  const host = key.replace(/^https?:\/\//, '').split('/')[0];
  const found = Object.entries(config.auths ?? {}).find(
    ([name]) => name === key || name.replace(/^https?:\/\//, '').split('/')[0] === host,
  );
  if (found === undefined) return undefined;
  const [, { auth, identitytoken, registrytoken }] = found;
  const [, username, password] =
    /^([^:]*):(.*)$/s.exec(
      Buffer.from(auth ?? '', 'base64')
        .toString()
        .replace(/\0+$/, ''),
    ) ?? [];
  return {
    serveraddress: key,
    ...(username && { username }),
    ...(password && { password }),
    ...(identitytoken && { identitytoken }),
    ...(registrytoken && { registrytoken }),
  };
}

/** The header with the credentials that the user has for an image's registry. */
export function registryAuth(context: Context, reference: string): Record<string, string> {
  return { 'X-Registry-Auth': encodeRegistryAuth(credentials(readConfig(context), registryKey(reference)) ?? {}) };
}

/** The header with all credentials, for a build. */
export function allRegistryAuth(context: Context): Record<string, string> {
  const config = readConfig(context);
  const all = Object.keys(config.auths ?? {}).map((key) => [key, credentials(config, key) ?? {}] as const);
  return { 'X-Registry-Config': encodeRegistryConfig(Object.fromEntries(all)) };
}
