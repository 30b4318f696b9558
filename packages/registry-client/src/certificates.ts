import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { invalid, isKind } from '@berth/base';

/** PEM texts for one registry host. */
export interface HostCertificates {
  readonly ca: readonly string[];
  readonly cert?: string;
  readonly key?: string;
}

const readDirectory = async (directory: string): Promise<HostCertificates | undefined> => {
  let names: readonly string[];
  try {
    names = (await readdir(directory)).sort();
  } catch (error) {
    if (isKind(error, 'notFound')) return undefined;
    throw error;
  }
  const read = (name: string): Promise<string> => readFile(join(directory, name), 'utf8');
  const ca = await Promise.all(names.filter((name) => name.endsWith('.crt')).map(read));
  const cert = names.find((name) => name.endsWith('.cert'));
  if (cert === undefined) return { ca };
  const key = cert.replace(/\.cert$/, '.key');
  if (!names.includes(key)) throw invalid(`missing key ${key} for client certificate ${cert} in ${directory}`);
  return { ca, cert: await read(cert), key: await read(key) };
};

/** Certificates for `host[:port]` from the first directory that has any. */
export async function loadCertificates(directories: readonly string[], host: string): Promise<HostCertificates> {
  if (host.includes('/') || host.startsWith('.')) return { ca: [] };
  for (const directory of directories) {
    const found = await readDirectory(join(directory, host));
    if (found !== undefined) return found;
  }
  return { ca: [] };
}
