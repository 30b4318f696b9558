import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Environment, TlsOptions } from './host.ts';

/**
 * TLS as docker's environment asks for it: `DOCKER_TLS_VERIFY` (any text) turns it on with verification,
 * `DOCKER_CERT_PATH` names the directory of `ca.pem`, `cert.pem` and `key.pem` (default `~/.docker`).
 */
export function tlsFrom(environment: Environment): TlsOptions | undefined {
  const verify = Boolean(environment['DOCKER_TLS_VERIFY']);
  const directory = environment['DOCKER_CERT_PATH'];
  const asked = verify || Boolean(environment['DOCKER_TLS']);
  if (!asked) return undefined;
  return tlsFiles(directory || join(homedir(), '.docker'), verify);
}

export function tlsFiles(directory: string, verify: boolean): TlsOptions {
  const file = (name: string): Buffer => readFileSync(join(directory, name));
  return { ca: file('ca.pem'), cert: file('cert.pem'), key: file('key.pem'), verify };
}
