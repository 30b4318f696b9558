import { EngineError, invalid, messageOf } from '@berth/base';
import type { HostTools } from '../host-tools.ts';
import type { AttachOptions, EndpointRecord, Family, NetworkRecord } from '../network-driver.ts';

/** Options of an endpoint that every driver with an interface understands. */
export const ENDPOINT_OPTIONS = {
  sysctls: 'com.docker.network.endpoint.sysctls',
  interfaceName: 'com.docker.network.endpoint.ifname',
} as const;

export type Inside = Pick<
  EndpointRecord,
  'interfaceName' | 'ipv4' | 'ipv6' | 'gateway' | 'gateway6' | 'linkLocal' | 'driverOptions'
>;

/** Gives the interface that is in the namespace already its addresses and routes, and switches it and loopback on. */
export async function configureInside(
  host: Pick<HostTools, 'ipIn' | 'sysctlIn'>,
  netns: string,
  network: NetworkRecord,
  endpoint: Inside,
  options: AttachOptions = {},
): Promise<void> {
  if (endpoint.ipv6 === undefined && !endpoint.linkLocal?.some(isIPv6))
    await withoutIpv6(host, netns, endpoint.interfaceName);
  const sysctls = interfaceSysctls(endpoint);
  if (sysctls.length > 0) await setSysctls(host, netns, sysctls);
  await host.ipIn(netns, insideLines(network, endpoint, options));
}

function insideLines(network: NetworkRecord, endpoint: Inside, { defaultRoutes = [] }: AttachOptions): string[] {
  const dev = endpoint.interfaceName;
  const add = (cidr: string): string =>
    `addr add ${cidr} ${isIPv6(cidr) ? '' : 'broadcast + '}dev ${dev}${isIPv6(cidr) ? ' nodad' : ''}`;
  const addresses = [endpoint.ipv4, endpoint.ipv6, ...(endpoint.linkLocal ?? [])];
  return [
    'link set lo up',
    ...addresses.flatMap((cidr) => (cidr === undefined ? [] : [add(cidr)])),
    `link set ${dev} up`,
    ...routeLines(network, endpoint, defaultRoutes),
  ];
}

/** Default routes, by the gateway or, where the network has none and needs none, by the interface alone. */
export function routeLines(network: NetworkRecord, endpoint: Inside, families: readonly Family[]): string[] {
  if (network.internal) return [];
  const { interfaceName, gateway, gateway6, ipv4, ipv6 } = endpoint;
  const via = { 4: gateway, 6: gateway6 };
  const has = { 4: ipv4 !== undefined, 6: ipv6 !== undefined };
  return families.flatMap((family) => {
    const by = via[family];
    if (!has[family] || by === undefined) return [];
    return [
      by === ON_LINK
        ? `route replace ${family === 4 ? '0.0.0.0/0' : '::/0'} dev ${interfaceName}`
        : `route replace default via ${by} dev ${interfaceName}`,
    ];
  });
}

/** A gateway that is the interface itself: whatever leaves by it is carried on by who is behind it. */
export const ON_LINK = 'on-link';

const isIPv6 = (cidr: string): boolean => cidr.includes(':');

async function withoutIpv6(host: Pick<HostTools, 'sysctlIn'>, netns: string, device: string): Promise<void> {
  // A kernel without IPv6 has no such file, and nothing to switch off.
  await host.sysctlIn(netns, { [`net/ipv6/conf/${device}/disable_ipv6`]: '1' }).catch(() => undefined);
}

/** `net.ipv4.conf.IFNAME.log_martians=1,…` as paths below /proc/sys and their values. */
function interfaceSysctls({ interfaceName, driverOptions = {} }: Inside): readonly (readonly [string, string])[] {
  const given = driverOptions[ENDPOINT_OPTIONS.sysctls] ?? '';
  return given
    .split(',')
    .filter((each) => each !== '')
    .map((each) => {
      const [name = '', value = ''] = each.split(/=(.*)/s);
      // Nothing in it may lead out of the namespace's own settings.
      if (!/^net(\.[a-zA-Z0-9_-]+){4,}$/.test(name)) throw invalid(`invalid interface sysctl "${each}"`);
      const [net, family, kind, , ...rest] = name.split('.');
      return [[net, family, kind, interfaceName, ...rest].join('/'), value] as const;
    });
}

async function setSysctls(
  host: Pick<HostTools, 'sysctlIn'>,
  netns: string,
  sysctls: readonly (readonly [string, string])[],
): Promise<void> {
  for (const [path, value] of sysctls)
    await host.sysctlIn(netns, { [path]: value }).catch((cause: unknown) => {
      throw new EngineError(
        'invalid',
        `failed to set interface sysctl ${path.replaceAll('/', '.')}: ${messageOf(cause)}`,
        {
          cause,
        },
      );
    });
}
