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
export async function mountOf(options: Readonly<Record<string, string>>): Promise<Mount | undefined> {
  const { type = '', device = '', o = '' } = options;
  if (device === '') return undefined;
  const words = o.split(',').filter((word) => word !== '');
  if (isBind(o)) return { type: 'bind', source: device, options: words };
  // The kernel takes addresses only: resolving names is left to mount helpers, which are not used here.
  const resolved = /^(nfs|cifs|smb)/.test(type) ? await Promise.all(words.map(resolveAddress)) : words;
  return { type, source: device, options: resolved };
}

async function resolveAddress(word: string): Promise<string> {
  if (!word.startsWith('addr=')) return word;
  const host = word.slice('addr='.length);
  if (isIP(host)) return word;
  try {
    return `addr=${(await lookup(host)).address}`;
  } catch (error) {
    throw wrap(`resolving the address ${host} of a network volume`, error, 'unavailable');
  }
}
