import { shortId } from '@berth/base';
import { formatIp, type Ip } from '../ipam/cidr.ts';
import type { EndpointRecord, NetworkRecord } from '../network-driver.ts';
import { isUserDefined } from '../user-defined.ts';

/** The part of the records that names are answered from. */
export interface ZoneRecords {
  endpointsOf(containerId: string): readonly EndpointRecord[];
  endpointsOn(networkId: string): readonly EndpointRecord[];
  network(id: string): NetworkRecord | undefined;
}

export interface Addresses {
  readonly ipv4: readonly string[];
  readonly ipv6: readonly string[];
}

/**
 * What `name` means to a container: other containers on its user-defined networks by name, alias, ID prefix or
 * hostname, alone or followed by `.<network>`, and its own links. Undefined: not ours, ask the upstream servers.
 */
export function lookupName(records: ZoneRecords, containerId: string, name: string): Addresses | undefined {
  const wanted = name.toLowerCase().replace(/\.$/, '');
  const found = records.endpointsOf(containerId).flatMap((own) => {
    const network = records.network(own.networkId);
    if (!network || !isUserDefined(network)) return [];
    const suffix = `.${network.name.toLowerCase()}`;
    const bare = wanted.endsWith(suffix) ? wanted.slice(0, -suffix.length) : undefined;
    const linked = (own.links ?? []).filter(({ alias }) => alias.toLowerCase() === wanted);
    return records.endpointsOn(network.id).filter((endpoint) => {
      const names = namesOf(endpoint);
      const isLinked = linked.some(
        ({ containerId: target }) => target === endpoint.containerId || names.has(target.toLowerCase()),
      );
      return names.has(wanted) || (bare !== undefined && names.has(bare)) || isLinked;
    });
  });
  if (found.length === 0) return undefined;
  const bareAddress = (cidr: string | undefined): string[] => (cidr === undefined ? [] : [cidr.split('/')[0] ?? cidr]);
  return {
    ipv4: [...new Set(found.flatMap(({ ipv4 }) => bareAddress(ipv4)))],
    ipv6: [...new Set(found.flatMap(({ ipv6 }) => bareAddress(ipv6)))],
  };
}

/** The names of the container that has an address on one of the asking container's networks. */
export function lookupAddress(records: ZoneRecords, containerId: string, ip: Ip): readonly string[] | undefined {
  const address = formatIp(ip);
  for (const own of records.endpointsOf(containerId)) {
    const network = records.network(own.networkId);
    if (!network || !isUserDefined(network)) continue;
    const owner = records
      .endpointsOn(network.id)
      .find(({ ipv4, ipv6 }) => [ipv4, ipv6].some((cidr) => cidr?.split('/')[0] === address));
    if (owner) return [`${owner.dnsNames[0] ?? shortId(owner.containerId)}.${network.name}`];
  }
  return undefined;
}

function namesOf(endpoint: EndpointRecord): ReadonlySet<string> {
  const names = [...endpoint.dnsNames, ...endpoint.aliases, shortId(endpoint.containerId)];
  return new Set(names.map((name) => name.toLowerCase()));
}

/** The address in `2.0.18.172.in-addr.arpa` or its `ip6.arpa` counterpart. */
export function addressOfPointer(name: string): Ip | undefined {
  const labels = name.toLowerCase().replace(/\.$/, '').split('.');
  const zone = labels.splice(-2).join('.');
  const reversed = labels.toReversed();
  if (
    zone === 'in-addr.arpa' &&
    labels.length === 4 &&
    labels.every((label) => /^\d{1,3}$/.test(label) && Number(label) < 256)
  )
    return { family: 4, value: reversed.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n) };
  if (zone === 'ip6.arpa' && labels.length === 32 && labels.every((label) => /^[0-9a-f]$/.test(label)))
    return { family: 6, value: BigInt(`0x${reversed.join('')}`) };
  return undefined;
}
