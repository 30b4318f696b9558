import { randomBytes } from 'node:crypto';
import { invalid } from '@berth/base';
import { parseIp } from './cidr.ts';

const hex = (bytes: Iterable<number>): string => Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join(':');

/**
 * The address of an interface that has `ipv4`: locally administered and made from it, so that an IP address which
 * moves to another container keeps its link address and no neighbour holds a stale entry.
 */
export function macFor(ipv4: string | undefined): string {
  const ip = ipv4 === undefined ? undefined : parseIp(ipv4.split('/')[0] ?? '');
  if (ip?.family !== 4) return hex([0x02, ...randomBytes(5)]);
  return hex([0x02, 0x42, ...[24n, 16n, 8n, 0n].map((shift) => Number((ip.value >> shift) & 0xffn))]);
}

/** Whether {@link parseMac} takes it. */
export function isMacAddress(text: string): boolean {
  return /^[0-9a-f]{2}([:-][0-9a-f]{2}){5}$/i.test(text);
}

/** Normalizes to lower case with colons. Throws `invalid`. */
export function parseMac(text: string): string {
  const mac = text.toLowerCase().replaceAll('-', ':');
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(mac)) throw invalid(`invalid MAC address: ${text}`);
  return mac;
}
