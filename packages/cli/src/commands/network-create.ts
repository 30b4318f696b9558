import type { IPAMConfig, NetworkCreateBody } from '@berth/engine-api';
import { command as define } from '../command.ts';
import { choice, list, text, toggle, UsageError } from '../flags.ts';
import { compact } from '../run/body.ts';
import { mapOf } from '../table.ts';

export const command = define({
  usage: '[OPTIONS] NETWORK',
  summary: 'Create a network',
  flags: {
    attachable: toggle(undefined, 'Enable manual container attachment'),
    'aux-address': list(undefined, 'Auxiliary IPv4 or IPv6 addresses used by network driver', 'map'),
    driver: text('d', 'Driver to manage the network'),
    gateway: list(undefined, 'IPv4 or IPv6 gateway for the subnet'),
    ingress: toggle(undefined, 'Create swarm routing-mesh network'),
    internal: toggle(undefined, 'Restrict external access to the network'),
    'ip-range': list(undefined, 'Allocate container ip from a sub-range'),
    'ipam-driver': text(undefined, 'IP address management driver'),
    'ipam-opt': list(undefined, 'Set IPAM driver specific options', 'map'),
    ipv4: choice(undefined, 'Enable or disable IPv4 address assignment'),
    ipv6: choice(undefined, 'Enable or disable IPv6 address assignment'),
    label: list(undefined, 'Set metadata on a network'),
    opt: list('o', 'Set driver specific options', 'map'),
    subnet: list(undefined, 'Subnet in CIDR format that represents a network segment'),
  },
  args: [1, 1],
  async run({ context, flags, args: [Name = ''] }) {
    const body = compact<NetworkCreateBody>({
      Name,
      Driver: flags.driver ?? 'bridge',
      Internal: flags.internal,
      Attachable: flags.attachable,
      Ingress: flags.ingress,
      EnableIPv4: flags.ipv4,
      EnableIPv6: flags.ipv6,
      Options: mapOf(flags.opt),
      Labels: mapOf(flags.label),
      CheckDuplicate: true,
      IPAM: {
        Driver: flags['ipam-driver'] ?? 'default',
        Options: mapOf(flags['ipam-opt']),
        Config: pools(flags.subnet, flags['ip-range'], flags.gateway, mapOf(flags['aux-address'])),
      },
    });
    const { Id, Warning } = await (await context.client()).call('NetworkCreate', { body });
    if (Warning) context.warn(`WARNING: ${Warning}`);
    context.print(Id);
    return 0;
  },
});

/** One pool a subnet; ranges, gateways and further addresses go to the subnet of the same family, in order. */
function pools(
  subnets: readonly string[],
  ranges: readonly string[],
  gateways: readonly string[],
  aux: Record<string, string>,
): IPAMConfig[] {
  const pools: IPAMConfig[] = subnets.map((Subnet) => ({ Subnet }));
  const isV6 = (address: string): boolean => address.includes(':');
  const place = (address: string, set: (pool: IPAMConfig) => void, taken: (pool: IPAMConfig) => boolean): void => {
    const pool = pools.find((candidate) => isV6(candidate.Subnet ?? '') === isV6(address) && !taken(candidate));
    if (pool === undefined) throw new UsageError(`no matching subnet for ${address}`);
    set(pool);
  };
  for (const range of ranges)
    place(
      range,
      (pool) => {
        pool.IPRange = range;
      },
      (pool) => pool.IPRange !== undefined,
    );
  for (const gateway of gateways)
    place(
      gateway,
      (pool) => {
        pool.Gateway = gateway;
      },
      (pool) => pool.Gateway !== undefined,
    );
  for (const [name, address] of Object.entries(aux)) {
    place(
      address,
      (pool) => {
        pool.AuxiliaryAddresses = { ...pool.AuxiliaryAddresses, [name]: address };
      },
      () => false,
    );
  }
  return pools;
}
