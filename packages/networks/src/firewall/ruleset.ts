import { bridgeSettings } from '../drivers/bridge-settings.ts';
import { parseCidr } from '../ipam/cidr.ts';
import type { EndpointRecord, NetworkRecord, PublishedPort } from '../network-driver.ts';

/** One element of a set or map of the instance's table, as nft writes it. */
export interface Element {
  readonly set: string;
  readonly element: string;
}

/**
 * The table's fixed part. Everything that varies is an element of a set or map, so that connecting a network or
 * publishing a port is one small transaction however many there are.
 *
 * What it decides: traffic that belongs to a connection, or that a published port redirected, passes; between
 * networks, and from outside to an unpublished port, nothing does; an internal network reaches only itself. Loopback
 * addresses are kept from containers although `route_localnet` is on (needed for ports published on 127.0.0.1). IPv6
 * has no such setting: ports on ::1 are left to the daemon's relay.
 */
export function tableScript(table: string, elements: readonly Element[]): string {
  return `add table inet ${table}
delete table inet ${table}
table inet ${table} {
  map ports4 { type inet_proto . ipv4_addr . inet_service : ipv4_addr . inet_service; }
  map ports4any { type inet_proto . inet_service : ipv4_addr . inet_service; }
  map ports6 { type inet_proto . ipv6_addr . inet_service : ipv6_addr . inet_service; }
  map ports6any { type inet_proto . inet_service : ipv6_addr . inet_service; }
  set bridges { type ifname; }
  set same { type ifname . ifname; }
  set internal { type ifname; }
  set own4 { type ipv4_addr; flags interval; }
  set own6 { type ipv6_addr; flags interval; }
  set masq4 { type ipv4_addr; flags interval; }
  set masq6 { type ipv6_addr; flags interval; }
  chain loopback {
    type filter hook prerouting priority raw; policy accept;
    iifname @bridges ip daddr 127.0.0.0/8 drop
    iifname @bridges ip saddr 127.0.0.0/8 drop
  }
  chain ports {
    dnat ip to meta l4proto . ip daddr . th dport map @ports4
    dnat ip to meta l4proto . th dport map @ports4any
    dnat ip6 to meta l4proto . ip6 daddr . th dport map @ports6
    dnat ip6 to meta l4proto . th dport map @ports6any
  }
  chain arriving {
    type nat hook prerouting priority dstnat; policy accept;
    fib daddr type local jump ports
  }
  chain made_here {
    type nat hook output priority -100; policy accept;
    ip6 daddr ::1 return
    fib daddr type local jump ports
  }
  chain between {
    type filter hook forward priority filter; policy accept;
    ct state established,related accept
    iifname . oifname @same accept
    oifname @bridges ct status dnat accept
    oifname @bridges drop
    iifname @internal drop
  }
  chain leaving {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr 127.0.0.0/8 oifname @bridges masquerade
    ip saddr @own4 oifname @bridges ct status dnat masquerade
    ip6 saddr @own6 oifname @bridges ct status dnat masquerade
    ip saddr @masq4 oifname != @bridges masquerade
    ip6 saddr @masq6 oifname != @bridges masquerade
  }
}
${elementsScript(table, 'add', elements)}`;
}

export function elementsScript(table: string, verb: 'add' | 'delete', elements: readonly Element[]): string {
  const bySet = Map.groupBy(elements, ({ set }) => set);
  return [...bySet]
    .map(([set, list]) => `${verb} element inet ${table} ${set} { ${list.map(({ element }) => element).join(', ')} }\n`)
    .join('');
}

/** What a bridge network puts into the table. */
export function networkElements(network: NetworkRecord): readonly Element[] {
  const { bridge, icc, masquerade } = bridgeSettings(network);
  const name = `"${bridge}"`;
  const elements: Element[] = [{ set: 'bridges', element: name }];
  if (icc) elements.push({ set: 'same', element: `${name} . ${name}` });
  if (network.internal) elements.push({ set: 'internal', element: name });
  for (const { subnet } of network.ipam) {
    const { family } = parseCidr(subnet);
    elements.push({ set: `own${family}`, element: subnet });
    if (masquerade && !network.internal) elements.push({ set: `masq${family}`, element: subnet });
  }
  return elements;
}

/** What an endpoint's published ports put into the table; those that only the daemon's own relay serves add nothing. */
export function portElements(endpoint: EndpointRecord): readonly Element[] {
  return endpoint.published.flatMap((port) => portElement(endpoint, port) ?? []);
}

function portElement(endpoint: EndpointRecord, port: PublishedPort): Element | undefined {
  const family = port.hostIp.includes(':') ? 6 : 4;
  const target = (family === 4 ? endpoint.ipv4 : endpoint.ipv6)?.split('/')[0];
  if (target === undefined) return undefined;
  const to = `${target} . ${port.containerPort}`;
  const every = port.hostIp === '0.0.0.0' || port.hostIp === '::';
  return every
    ? { set: `ports${family}any`, element: `${port.protocol} . ${port.hostPort} : ${to}` }
    : { set: `ports${family}`, element: `${port.protocol} . ${port.hostIp} . ${port.hostPort} : ${to}` };
}

/** The key part alone: deleting an element of a map names no value. */
export function withoutValue({ set, element }: Element): Element {
  return { set, element: set.startsWith('ports') ? element.slice(0, element.indexOf(' : ')) : element };
}
