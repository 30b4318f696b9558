import { isIPv4, isIPv6 } from 'node:net';
import { invalid, isKind } from '@berth/base';
import { containsAddress, ENDPOINT_OPTIONS, isMacAddress, type NetworkRecord } from '@berth/networks';
import type { ContainerDeps } from './deps.ts';
import type { EndpointSettings } from './types.ts';

type Networks = Pick<ContainerDeps['networks'], 'get'>;

/** At create: what was asked of each network, whether it is there yet or not. Throws `invalid` with all that is wrong. */
export function validateEndpoints(networks: Networks, networking: Readonly<Record<string, EndpointSettings>>): void {
  const wrong = Object.entries(networking).flatMap(([name, settings]) => {
    const faults = faultsOf(name, settings, known(networks, name));
    return faults.length === 0 ? [] : [`invalid config for network ${name}: ${describe(faults)}`];
  });
  if (wrong.length > 0) throw invalid(wrong.join('\n'));
}

/** At connect. Throws `invalid`. */
export function validateEndpoint(networks: Networks, name: string, settings: EndpointSettings): void {
  const faults = faultsOf(name, settings, known(networks, name));
  if (faults.length > 0) throw invalid(describe(faults));
}

/** The settings of the mode's own network under the mode's word for it: there it may be the ID, here the name. */
export function keyedByMode(
  networks: Networks,
  mode: string | undefined,
  networking: Readonly<Record<string, EndpointSettings>>,
): Readonly<Record<string, EndpointSettings>> {
  if (mode === undefined || isPredefined(mode) || mode in networking) return networking;
  const own = known(networks, mode)?.id;
  const keyOf = (name: string): string => (own !== undefined && known(networks, name)?.id === own ? mode : name);
  return Object.fromEntries(Object.entries(networking).map(([name, settings]) => [keyOf(name), settings]));
}

const describe = (faults: readonly string[]): string => `invalid endpoint settings:\n${faults.join('\n')}`;

function known(networks: Networks, name: string): NetworkRecord | undefined {
  try {
    return networks.get(name === 'default' ? 'bridge' : name);
  } catch (error) {
    if (isKind(error, 'notFound', 'invalid')) return undefined;
    throw error;
  }
}

const isPredefined = (name: string): boolean => /^(|default|bridge|host|none|container:.*)$/.test(name);
const isUnspecified = (ip: string): boolean => /^[0.:]+$/.test(ip);

function faultsOf(name: string, settings: EndpointSettings, network: NetworkRecord | undefined): readonly string[] {
  const { ipv4Address = '', ipv6Address = '', linkLocalIPs } = settings.ipamConfig ?? {};
  if (settings.macAddress && !isMacAddress(settings.macAddress))
    throw invalid(`invalid MAC address ${settings.macAddress}`);
  const predefined = isPredefined(name);
  const outside = (address: string, family: 4 | 6): string[] => {
    if (address === '' || !network) return [];
    const pools = network.ipam.filter(({ subnet }) => subnet.includes(':') === (family === 6));
    if (network.subnetConfigured !== true)
      return ['user specified IP address is supported only when connecting to networks with user configured subnets'];
    if (pools.some(({ subnet }) => containsAddress(subnet, address))) return [];
    return [`no configured subnet or ip-range contain the IP address ${address}`];
  };
  return [
    ...(predefined && (ipv4Address || ipv6Address)
      ? ['user specified IP address is supported on user defined networks only']
      : []),
    ...(predefined && (settings.aliases ?? []).length > 0
      ? ['network-scoped alias is supported only for containers in user defined networks']
      : []),
    ...(ipv4Address && (!isIPv4(ipv4Address) || isUnspecified(ipv4Address))
      ? [`invalid IPv4 address: ${ipv4Address}`]
      : []),
    ...(ipv6Address && (!isIPv6(ipv6Address) || isUnspecified(ipv6Address))
      ? [`invalid IPv6 address: ${ipv6Address}`]
      : []),
    ...(linkLocalIPs ?? [])
      .filter((ip) => !(isIPv4(ip) || isIPv6(ip)) || isUnspecified(ip))
      .map((ip) => `invalid link-local IP address: ${ip}`),
    ...(predefined ? [] : [...outside(ipv4Address, 4), ...outside(ipv6Address, 6)]),
    ...sysctlFaults(settings.driverOpts?.[ENDPOINT_OPTIONS.sysctls]),
  ];
}

function sysctlFaults(given: string | undefined): readonly string[] {
  if (given === undefined) return [];
  return given
    .split(',')
    .filter((sysctl) => !/^[^.]*\.(ipv4|ipv6|mpls)\.[^.]*\.(IFNAME|ifname)\..+$/.test(sysctl))
    .map(
      (sysctl) =>
        `unrecognised network interface sysctl '${sysctl}'; represent 'net.X.Y.ethN.Z=V' as 'net.X.Y.IFNAME.Z=V', 'X' must be 'ipv4', 'ipv6' or 'mpls'`,
    );
}
