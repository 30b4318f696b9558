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
import type { Family, IpamPool } from '../network-driver.ts';

export interface AddressPlanInput {
  readonly enableIPv4: boolean;
  readonly enableIPv6: boolean;
  readonly pools: readonly Partial<IpamPool>[];
  /** Families that get a gateway address when none was asked for; default both. */
  readonly gateways?: readonly Family[];
}

/**
 * The subnets of a new network: those asked for, checked, and for a family nobody asked a subnet of one that overlaps
 * neither the host's routes, addresses and name servers nor other networks. Subnets of a family that is off are left
 * out. Throws `invalid`, `forbidden` (overlap with another network: docker's kind).
 */
export async function planAddresses(context: NetworkContext, input: AddressPlanInput): Promise<readonly IpamPool[]> {
  const { gateways = [4, 6] } = input;
  const families = ([4, 6] as const).filter((family) => (family === 4 ? input.enableIPv4 : input.enableIPv6));
  const asked = input.pools.filter(isGiven);
  refuseFaults(asked.flatMap((pool) => faultsOf(pool, families)));
  const networks = context.store.networks().filter(({ configOnly }) => configOnly !== true);
  const taken = networks.flatMap(({ ipam }) => ipam.map(({ subnet }) => parseCidr(subnet)));
  const planned: IpamPool[] = [];
  for (const pool of asked) {
    const subnet = parseCidr(pool.subnet ?? '');
    if (!families.includes(subnet.family)) continue;
    if (taken.some((other) => overlaps(subnet, other)))
      throw forbidden('invalid pool request: Pool overlaps with other one on this address space');
    taken.push(subnet);
    planned.push(completePool(subnet, pool, gateways));
  }
  const missing = families.filter((family) => !planned.some(({ subnet }) => parseCidr(subnet).family === family));
  if (missing.length === 0) return planned;
  const occupied = [...taken, ...(await hostBlocks(context))];
  const chosen = missing.map((family) => completePool(chooseSubnet(poolsOf(context), occupied, family), {}, gateways));
  return [...planned, ...chosen];
}

/** Clients send an empty pool for "any". */
function isGiven({ subnet, gateway, ipRange, auxAddresses }: Partial<IpamPool>): boolean {
  return Boolean(subnet || gateway || ipRange || Object.keys(auxAddresses ?? {}).length > 0);
}

function refuseFaults(faults: readonly string[]): void {
  if (faults.length > 0) throw invalid(`invalid network config:\n${faults.join('\n')}`);
}

/** Everything dockerd objects to in a pool, in its words. */
function faultsOf(pool: Partial<IpamPool>, families: readonly Family[]): readonly string[] {
  const { subnet: text = '', gateway, ipRange, auxAddresses = {} } = pool;
  const subnet = tryParseCidr(text);
  if (!subnet) return [`invalid subnet ${text}: invalid CIDR block notation`];
  if (!families.includes(subnet.family) && subnet.family === 6) return [];
  const outside = (address: string): string | undefined => {
    const ip = parseIp(address);
    if (!ip) return 'invalid address';
    if (ip.family !== subnet.family) return `parent subnet is an IPv${subnet.family} block`;
    return contains(subnet, ip) ? undefined : `parent subnet ${text} doesn't contain this address`;
  };
  const masked = formatCidr(subnet);
  const isMasked = parseIp(text.split('/')[0] ?? '')?.value === subnet.base;
  const wrongGateway = gateway ? outside(gateway) : undefined;
  const wrongAddresses = Object.entries(auxAddresses).flatMap(([name, address]) => {
    const wrong = address === '' ? undefined : outside(address);
    return wrong === undefined ? [] : [`invalid auxiliary address ${name}: ${wrong}`];
  });
  return [
    ...(isMasked ? [] : [`invalid subnet ${text}: it should be ${masked}`]),
    ...(ipRange ? rangeFaults(ipRange, subnet, text) : []),
    ...(wrongGateway === undefined ? [] : [`invalid gateway ${gateway}: ${wrongGateway}`]),
    ...wrongAddresses,
  ];
}

function rangeFaults(text: string, subnet: Cidr, parent: string): readonly string[] {
  const range = tryParseCidr(text);
  if (!range) return [`invalid ip-range ${text}: invalid CIDR block notation`];
  if (range.family !== subnet.family)
    return [`invalid ip-range ${text}: parent subnet is an IPv${subnet.family} block`];
  const isMasked = parseIp(text.split('/')[0] ?? '')?.value === range.base;
  return [
    ...(range.prefix < subnet.prefix
      ? [`invalid ip-range ${text}: CIDR block is bigger than its parent subnet ${parent}`]
      : []),
    ...(isMasked ? [] : [`invalid ip-range ${text}: it should be ${formatCidr(range)}`]),
    ...(overlaps(subnet, range) ? [] : [`invalid ip-range ${text}: parent subnet ${parent} doesn't contain ip-range`]),
  ];
}

/** Checks a pool for `subnet` and fills in the gateway. Throws `invalid`. */
export function checkPool(subnet: Cidr, pool: Partial<IpamPool>): IpamPool {
  refuseFaults(faultsOf({ ...pool, subnet: formatCidr(subnet) }, [4, 6]));
  return completePool(subnet, pool, [4, 6]);
}

/** The gateway is, unless one was asked for, the first address that has no other purpose. */
function completePool(subnet: Cidr, pool: Partial<IpamPool>, gateways: readonly Family[]): IpamPool {
  const normal = (address: string): string => {
    const ip = parseIp(address);
    return ip ? formatIp(ip) : address;
  };
  const aux = Object.entries(pool.auxAddresses ?? {})
    .filter(([, address]) => address !== '')
    .map(([name, address]) => [name, normal(address)] as const);
  const gateway = pool.gateway
    ? normal(pool.gateway)
    : gateways.includes(subnet.family)
      ? firstAddress(subnet, new Set(aux.map(([, ip]) => ip)))
      : undefined;
  return {
    subnet: formatCidr(subnet),
    ...(gateway === undefined ? {} : { gateway }),
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
