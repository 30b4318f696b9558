import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { invalid, wrap } from '@berth/base';
import type { Mount } from '@berth/linux';

const KNOWN = new Set(['type', 'o', 'device', 'size']);

/** Throws `invalid` with docker's words for options the local driver does not know or that do not go together. */
export function checkLocalOptions(name: string, options: Readonly<Record<string, string>>): void {
  for (const key of Object.keys(options))
    if (!KNOWN.has(key)) throw invalid(`create ${name}: invalid option: "${key}"`);
  if (options['size']) throw invalid(`create ${name}: quota size requested but no quota support`);
  const { type, device, o } = options;
  if (!type && !device && !o) return;
  if (!device) throw invalid(`create ${name}: missing required option: "device"`);
  if (!type && !isBind(o ?? '')) throw invalid(`create ${name}: missing required option: "type"`);
  if ([type, device, o].some((value) => value?.includes('\0')))
    throw invalid(`create ${name}: option holds a NUL byte`);
  if (isBind(o ?? '') && !device.startsWith('/'))
    throw invalid(`create ${name}: the device of a bind mount must be an absolute path, not "${device}"`);
}

const isBind = (o: string): boolean => o.split(',').some((word) => word === 'bind' || word === 'rbind');

/** The mount a volume's options ask for; undefined for a plain directory. Resolves the server name of a network volume. */
export async function mountOf(given: Readonly<Record<string, string>>): Promise<Mount | undefined> {
  const { type = '', device = '', o = '' } = given;
  if (device === '') return undefined;
  const words = o.split(',').filter((word) => word !== '');
  if (isBind(o)) return { type: 'bind', source: device, options: words };
  if (!NETWORK_TYPES.has(type)) return { type, source: device, options: words };
  // The kernel takes addresses only: resolving names is left to mount helpers, which are not used here.
  const options = await Promise.all(words.map(resolveWord));
  const named = type !== 'nfs' && type !== 'nfs4' && !words.some((word) => word.startsWith('addr='));
  return { type, source: named ? await resolveDevice(device) : device, options };
}

const NETWORK_TYPES = new Set(['nfs', 'nfs4', 'cifs', 'smb3']);

async function resolveWord(word: string): Promise<string> {
  return word.startsWith('addr=') ? `addr=${await resolveHost(word.slice('addr='.length))}` : word;
}

/** `//server/share` with the server's address. */
async function resolveDevice(device: string): Promise<string> {
  const [, host, rest] = /^\/\/([^/]+)(\/.*)?$/s.exec(device) ?? [];
  return host === undefined ? device : `//${await resolveHost(host)}${rest ?? ''}`;
}

async function resolveHost(host: string): Promise<string> {
  if (isIP(host)) return host;
  try {
    return (await lookup(host)).address;
  } catch (error) {
    throw wrap('error resolving passed in network volume address', error, 'unavailable');
  }
}
