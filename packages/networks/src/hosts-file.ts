import { invalid } from '@berth/base';
import { parseIp } from './ipam/cidr.ts';
import type { HostsFileInput } from './network-service.ts';

export interface HostsFacts {
  /** The container's addresses, without prefix length. */
  readonly addresses: readonly string[];
  /** Further lines: linked containers. */
  readonly links: readonly { readonly address: string; readonly names: readonly string[] }[];
  /** What `host-gateway` stands for: a line for each. */
  readonly hostGateway: readonly string[];
  /** Whether the container's loopback has IPv6. */
  readonly ipv6: boolean;
}

const LOCALHOST6: [string, ...string[]][] = [
  ['::1', 'localhost', 'ip6-localhost', 'ip6-loopback'],
  ['fe00::', 'ip6-localnet'],
  ['ff00::', 'ip6-mcastprefix'],
  ['ff02::1', 'ip6-allnodes'],
  ['ff02::2', 'ip6-allrouters'],
];

/** Content of /etc/hosts. Throws `invalid` for an extra host that is not `name:address`. */
export function formatHosts(input: HostsFileInput, facts: HostsFacts): string {
  const lines: [string, ...string[]][] = [];
  const localhost: [string, ...string[]][] = [['127.0.0.1', 'localhost'], ...(facts.ipv6 ? LOCALHOST6 : [])];
  if (input.base === undefined) lines.push(...localhost);
  for (const extra of input.extraHosts ?? []) lines.push(...extraHost(extra, facts.hostGateway));
  for (const { address, names } of facts.links) lines.push([address, ...names]);
  const own = input.domainname ? [`${input.hostname}.${input.domainname}`, input.hostname] : [input.hostname];
  for (const address of facts.addresses) lines.push([address, ...own]);
  const text = lines.map(([address, ...names]) => `${address}\t${names.join(' ')}\n`).join('');
  return input.base === undefined ? text : input.base.replace(/\n*$/, '\n') + text;
}

function extraHost(text: string, hostGateway: readonly string[]): [string, string][] {
  const at = text.search(/[:=]/);
  const name = text.slice(0, at);
  const given = text.slice(at + 1).replace(/^\[(.*)\]$/, '$1');
  if (at <= 0 || /\s/.test(name)) throw invalid(`bad format for add-host: "${text}"`);
  if (given === 'host-gateway') {
    if (hostGateway.length === 0)
      throw invalid('unable to derive the IP value for host-gateway: the container has no gateway');
    return hostGateway.map((address) => [address, name]);
  }
  if (!parseIp(given)) throw invalid(`invalid IP address in add-host: "${given}"`);
  return [[given, name]];
}
