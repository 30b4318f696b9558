import { invalid } from '@berth/base';
import ipaddr from 'ipaddr.js';

/** An IP address as a number, so that ranges and steps are plain arithmetic. */
export interface Ip {
  readonly family: 4 | 6;
  readonly value: bigint;
}

/** A block of addresses. `base` is the first one, host bits cleared. */
export interface Cidr {
  readonly family: 4 | 6;
  readonly base: bigint;
  readonly prefix: number;
}

const BITS = { 4: 32, 6: 128 } as const;

/** Parses `10.0.0.1` or `fd00::1`. Undefined when it is neither. */
export function parseIp(text: string): Ip | undefined {
  if (text.includes('%') || !(ipaddr.IPv4.isValidFourPartDecimal(text) || ipaddr.IPv6.isValid(text))) return undefined;
  const parsed = ipaddr.parse(text);
  const value = parsed.toByteArray().reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  return { family: parsed.kind() === 'ipv4' ? 4 : 6, value };
}

export function formatIp(ip: Ip): string {
  const length = BITS[ip.family] / 8;
  const bytes = Array.from({ length }, (_, i) => Number((ip.value >> BigInt(8 * (length - 1 - i))) & 0xffn));
  const address = ipaddr.fromByteArray(bytes);
  return address instanceof ipaddr.IPv6 ? address.toRFC5952String() : address.toString();
}

/** Parses `10.0.0.0/8`; host bits are cleared. Undefined when malformed. */
export function tryParseCidr(text: string): Cidr | undefined {
  const [address = '', length = '', ...rest] = text.split('/');
  const ip = parseIp(address);
  if (!ip || rest.length > 0 || !/^\d{1,3}$/.test(length)) return undefined;
  const prefix = Number(length);
  if (prefix > BITS[ip.family]) return undefined;
  const host = BigInt(BITS[ip.family] - prefix);
  return { family: ip.family, base: (ip.value >> host) << host, prefix };
}

/** As {@link tryParseCidr}, throwing `invalid` with docker's text. */
export function parseCidr(text: string, what = 'subnet'): Cidr {
  const cidr = tryParseCidr(text);
  if (!cidr) throw invalid(`invalid ${what} ${text}: invalid CIDR block notation`);
  return cidr;
}

export function formatCidr(cidr: Cidr): string {
  return `${formatIp({ family: cidr.family, value: cidr.base })}/${cidr.prefix}`;
}

export function lastOf(cidr: Cidr): bigint {
  return cidr.base + (1n << BigInt(BITS[cidr.family] - cidr.prefix)) - 1n;
}

export function contains(cidr: Cidr, ip: Ip): boolean {
  return cidr.family === ip.family && ip.value >= cidr.base && ip.value <= lastOf(cidr);
}

/** The same for texts; false for what is neither a subnet nor an address. */
export function containsAddress(subnet: string, address: string): boolean {
  const [cidr, ip] = [tryParseCidr(subnet), parseIp(address)];
  return cidr !== undefined && ip !== undefined && contains(cidr, ip);
}

export function overlaps(a: Cidr, b: Cidr): boolean {
  return a.family === b.family && a.base <= lastOf(b) && b.base <= lastOf(a);
}

/** First and last address a host may have: all but the network's own and, for IPv4, the broadcast address. */
export function hostRange(cidr: Cidr): { readonly first: bigint; readonly last: bigint } {
  const last = lastOf(cidr);
  if (BITS[cidr.family] - cidr.prefix <= 1) return { first: cidr.base, last };
  return { first: cidr.base + 1n, last: cidr.family === 4 ? last - 1n : last };
}
