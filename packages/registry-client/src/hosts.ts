import { lookup } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';

/** Without the brackets of an IPv6 literal. */
export function bareHost(host: string): string {
  return host.replace(/^\[(.*)\]$/, '$1');
}

/**
 * How far inside an address is. What a registry sends us to must not be further inside than the registry itself, or a
 * registry on the Internet could make the daemon call services that only this host reaches.
 */
export const REACH = { global: 0, private: 1, loopback: 2, linkLocal: 3 } as const;
/** One of `REACH`; larger is further inside. */
export type Reach = number;

const listOf = (subnets: readonly string[]): BlockList => {
  const list = new BlockList();
  for (const subnet of subnets) {
    const [network = '', bits = ''] = subnet.split('/');
    list.addSubnet(network, Number(bits), isIP(network) === 6 ? 'ipv6' : 'ipv4');
  }
  return list;
};

// The metadata services of clouds live here; multicast and "this host" have no business in a redirect either.
const LINK_LOCAL = listOf(['169.254.0.0/16', 'fe80::/10', '224.0.0.0/4', '240.0.0.0/4', 'ff00::/8']);
const LOOPBACK = listOf(['127.0.0.0/8', '0.0.0.0/8', '::1/128', '::/128']);
const PRIVATE = listOf(['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', '198.18.0.0/15', 'fc00::/7']);
// Fixed addresses of metadata services outside of the link-local block.
const METADATA = listOf(['fd00:ec2::254/128', '100.100.100.200/32', '168.63.129.16/32']);

/** How far inside an IP address is. */
export function reachOfAddress(address: string): Reach {
  const plain = address.replace(/%.*$/, '');
  const mapped = /^(?:::ffff:|64:ff9b::)(\d+\.\d+\.\d+\.\d+)$/i.exec(plain)?.[1] ?? hexMapped(plain);
  if (mapped !== undefined) return reachOfAddress(mapped);
  const family = isIP(plain) === 6 ? 'ipv6' : 'ipv4';
  if (LINK_LOCAL.check(plain, family) || METADATA.check(plain, family)) return REACH.linkLocal;
  if (LOOPBACK.check(plain, family)) return REACH.loopback;
  return PRIVATE.check(plain, family) ? REACH.private : REACH.global;
}

const hexMapped = (address: string): string | undefined => {
  const found = /^(?:::ffff:|64:ff9b::)([0-9a-f]{1,4}):([0-9a-f]{1,4})$/i.exec(address);
  if (found === null) return undefined;
  const [high, low] = [Number.parseInt(found[1] ?? '', 16), Number.parseInt(found[2] ?? '', 16)];
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
};

export function isLoopbackHost(host: string): boolean {
  const bare = bareHost(host);
  if (isIP(bare) !== 0) return reachOfAddress(bare) === REACH.loopback;
  return bare === 'localhost' || bare.endsWith('.localhost');
}

/** Of a name the outermost address counts; a name that does not resolve is taken for one of the Internet. */
export async function reachOfHost(host: string): Promise<Reach> {
  const bare = bareHost(host);
  if (isIP(bare) !== 0) return reachOfAddress(bare);
  try {
    const found = await lookup(bare, { all: true });
    return Math.min(...found.map(({ address }) => reachOfAddress(address)));
  } catch {
    return REACH.global;
  }
}
