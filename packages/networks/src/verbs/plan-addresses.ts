import { createHash } from 'node:crypto';
import { forbidden, invalid } from '@berth/base';
import type { NetworkContext } from '../context.ts';
import {
  type Cidr,
  contains,
  formatCidr,
  formatIp,
  hostRange,
  overlaps,
  parseCidr,
  parseIp,
  tryParseCidr,
} from '../ipam/cidr.ts';
import { type AddressPool, chooseSubnet, DEFAULT_POOLS } from '../ipam/pools.ts';
import type { IpamPool } from '../network-driver.ts';

export interface AddressPlanInput {
  readonly enableIPv4: boolean;
  readonly enableIPv6: boolean;
  readonly pools: readonly Partial<IpamPool>[];
}

/**
 * The subnets of a new network: those asked for, checked, and for a family nobody asked a subnet of one that overlaps
 * neither the host's routes, addresses and name servers nor other networks. Throws `invalid`, `forbidden`
 * (overlap with another network: docker's kind), `exhausted`.
 */
export async function planAddresses(context: NetworkContext, input: AddressPlanInput): Promise<readonly IpamPool[]> {
  const own = context.store.networks().flatMap(({ ipam }) => ipam.map(({ subnet }) => parseCidr(subnet)));
  const asked = input.pools.filter(({ subnet }) => subnet !== undefined && subnet !== '');
  const loose = input.pools.find(
    ({ subnet, gateway, ipRange, auxAddresses }) =>
      !subnet && (gateway || ipRange || Object.keys(auxAddresses ?? {}).length > 0),
  );
  if (loose) throw invalid(`invalid network config:\nan address was given without the subnet it belongs to`);
  const planned: IpamPool[] = [];
  const taken = [...own];
  for (const pool of asked) {
    const subnet = parseCidr(pool.subnet ?? '');
    if (taken.some((other) => overlaps(subnet, other)))
      throw forbidden('invalid pool request: Pool overlaps with other one on this address space');
    taken.push(subnet);
    planned.push(checkPool(subnet, pool));
  }
  const families = ([4, 6] as const).filter((family) => (family === 4 ? input.enableIPv4 : input.enableIPv6));
  const missing = families.filter((family) => !planned.some(({ subnet }) => parseCidr(subnet).family === family));
  if (missing.length === 0) return planned;
  const occupied = [...taken, ...(await hostBlocks(context))];
  const chosen = missing.map((family) => checkPool(chooseSubnet(poolsOf(context), occupied, family), {}));
  return [...planned, ...chosen];
}

/** Checks everything against the subnet and fills in the gateway: its first address that has no other purpose. */
export function checkPool(subnet: Cidr, pool: Partial<IpamPool>): IpamPool {
  const text = formatCidr(subnet);
  const within = (address: string, what: string): string => {
    const ip = parseIp(address);
    if (!ip || !contains(subnet, ip)) throw invalid(`invalid ${what} ${address}: parent subnet is ${text}`);
    return formatIp(ip);
  };
  const aux = Object.entries(pool.auxAddresses ?? {}).map(
    ([name, address]) => [name, within(address, 'auxiliary address')] as const,
  );
  if (pool.ipRange) {
    const range = parseCidr(pool.ipRange, 'ip-range');
    if (range.prefix < subnet.prefix || !overlaps(range, subnet))
      throw invalid(`invalid ip-range ${pool.ipRange}: parent subnet is ${text}`);
  }
  const gateway = pool.gateway
    ? within(pool.gateway, 'gateway')
    : firstAddress(subnet, new Set(aux.map(([, ip]) => ip)));
  return {
    subnet: text,
    gateway,
    ...(pool.ipRange ? { ipRange: formatCidr(parseCidr(pool.ipRange)) } : {}),
    ...(aux.length > 0 ? { auxAddresses: Object.fromEntries(aux) } : {}),
  };
}

function firstAddress({ family, base, prefix }: Cidr, except: ReadonlySet<string>): string {
  const { first, last } = hostRange({ family, base, prefix });
  for (let value = first; value <= last; value++) {
    const address = formatIp({ family, value });
    if (!except.has(address)) return address;
  }
  throw invalid(`subnet ${formatCidr({ family, base, prefix })} has no address left for its gateway`);
}

function poolsOf({ bridge, options }: NetworkContext): readonly AddressPool[] {
  const pools = bridge.defaultAddressPools ?? DEFAULT_POOLS;
  const digits = createHash('sha256').update(`ula ${options.instance}`).digest('hex');
  // A unique local prefix of the instance's own (RFC 4193), for IPv6 networks without a subnet.
  const ula = `fd${digits.slice(0, 2)}:${digits.slice(2, 6)}:${digits.slice(6, 10)}::/48`;
  return [...pools, { base: ula, size: 64 }];
}

async function hostBlocks({ host, hostResolvConf }: NetworkContext): Promise<readonly Cidr[]> {
  const servers = hostResolvConf().nameservers.map((server) => `${server}/${server.includes(':') ? 128 : 32}`);
  return [...(await host.hostSubnets()), ...servers].flatMap((text) => {
    const cidr = tryParseCidr(text);
    return cidr === undefined || cidr.prefix === 0 ? [] : [cidr];
  });
}
