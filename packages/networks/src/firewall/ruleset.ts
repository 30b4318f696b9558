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
 * networks, and from outside to an unpublished port, nothing does; an internal network reaches only itself. Networks
 * that are routed, or not protected, or trust an interface of the host, are exceptions by set. Loopback
 * addresses are kept from containers although `route_localnet` is on (needed for ports published on 127.0.0.1). IPv6
 * has no such setting: ports on ::1 are left to the daemon's relay, and those on link-local addresses as well, which
 * containers could not answer.
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
  set links { type ipv4_addr . ipv4_addr . inet_proto . inet_service; }
  set own4 { type ipv4_addr; flags interval; }
  set own6 { type ipv6_addr; flags interval; }
  set masq4 { type ipv4_addr; flags interval; }
  set masq6 { type ipv6_addr; flags interval; }
  map snat4 { type ipv4_addr : ipv4_addr; flags interval; }
  map snat6 { type ipv6_addr : ipv6_addr; flags interval; }
  set trusted { type ifname . ifname; }
  set direct4 { type ipv4_addr . inet_proto . inet_service; }
  set direct6 { type ipv6_addr . inet_proto . inet_service; }
  set routed4 { type ifname; }
  set routed6 { type ifname; }
  set open4 { type ifname; }
  set open6 { type ifname; }
  chain loopback {
    type filter hook prerouting priority raw; policy accept;
    iifname @bridges ip daddr 127.0.0.0/8 drop
    iifname @bridges ip saddr 127.0.0.0/8 drop
  }
  chain ports {
    ip6 daddr fe80::/10 return
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
    iifname @bridges oifname @bridges ip saddr . ip daddr . meta l4proto . th dport @links accept
    iifname @internal drop
    oifname @bridges ct status dnat accept
    iifname . oifname @trusted ip daddr . meta l4proto . th dport @direct4 accept
    iifname . oifname @trusted ip6 daddr . meta l4proto . th dport @direct6 accept
    oifname @routed4 ip daddr . meta l4proto . th dport @direct4 accept
    oifname @routed6 ip6 daddr . meta l4proto . th dport @direct6 accept
    oifname @routed4 icmp type echo-request accept
    oifname @routed6 icmpv6 type echo-request accept
    meta nfproto ipv4 oifname @open4 iifname != @bridges accept
    meta nfproto ipv6 oifname @open6 iifname != @bridges accept
    oifname @bridges drop
  }
  chain leaving {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr 127.0.0.0/8 oifname @bridges masquerade
    ip saddr @own4 oifname @bridges ct status dnat masquerade
    ip6 saddr @own6 oifname @bridges ct status dnat masquerade
    oifname != @bridges snat ip to ip saddr map @snat4
    oifname != @bridges snat ip6 to ip6 saddr map @snat6
    ip saddr @masq4 oifname != @bridges masquerade
    ip6 saddr @masq6 oifname != @bridges masquerade
  }
}
${elementsScript(table, 'add', elements)}`;
}

export function elementsScript(table: string, verb: 'add' | 'delete', elements: readonly Element[]): string {
  const bySet = Map.groupBy(elements, ({ set }) => set);
  return [...bySet]
    .map(([set, list]) => [set, [...new Set(list.map(({ element }) => element))].join(', ')] as const)
    .map(([set, all]) => `${verb} element inet ${table} ${set} { ${all} }\n`)
    .join('');
}

/** What a bridge network puts into the table. */
export function networkElements(network: NetworkRecord): readonly Element[] {
  const { bridge, icc, masquerade, gatewayMode, trustedInterfaces, sourceAddress } = bridgeSettings(network);
  const name = `"${bridge}"`;
  const elements: Element[] = [{ set: 'bridges', element: name }];
  if (icc) elements.push({ set: 'same', element: `${name} . ${name}` });
  if (network.internal) elements.push({ set: 'internal', element: name });
  for (const { subnet } of network.ipam) {
    const { family } = parseCidr(subnet);
    elements.push({ set: `own${family}`, element: subnet });
    const source = sourceAddress[family];
    if (!masquerade || network.internal || gatewayMode[family] === 'routed') continue;
    if (source === undefined) elements.push({ set: `masq${family}`, element: subnet });
    else elements.push({ set: `snat${family}`, element: `${subnet} : ${source}` });
  }
  for (const family of [4, 6] as const) {
    if (network.internal) break;
    if (gatewayMode[family] === 'routed') elements.push({ set: `routed${family}`, element: name });
    if (gatewayMode[family] === 'nat-unprotected') elements.push({ set: `open${family}`, element: name });
  }
  for (const from of trustedInterfaces) elements.push({ set: 'trusted', element: `"${from}" . ${name}` });
  return elements;
}

/** What an endpoint's published ports put into the table; those that only the daemon's own relay serves add nothing. */
export function portElements(endpoint: EndpointRecord): readonly Element[] {
  return endpoint.published.flatMap((port) => portElement(endpoint, port) ?? []);
}

const isIPv6 = ({ hostIp }: PublishedPort): boolean => hostIp.includes(':');

function portElement(endpoint: EndpointRecord, port: PublishedPort): readonly Element[] | undefined {
  const family = isIPv6(port) ? 6 : 4;
  const target = (family === 4 ? endpoint.ipv4 : endpoint.ipv6)?.split('/')[0];
  if (target === undefined) return undefined;
  const to = `${target} . ${port.containerPort}`;
  const direct = { set: `direct${family}`, element: `${target} . ${port.protocol} . ${port.containerPort}` };
  if (port.hostPort === 0) return [direct];
  const every = port.hostIp === '0.0.0.0' || port.hostIp === '::';
  const translated = every
    ? { set: `ports${family}any`, element: `${port.protocol} . ${port.hostPort} : ${to}` }
    : { set: `ports${family}`, element: `${port.protocol} . ${port.hostIp} . ${port.hostPort} : ${to}` };
  return port.direct === true ? [translated, direct] : [translated];
}

const MAPS = /^(ports|snat)/;

/** The key part alone: deleting an element of a map names no value. */
export function withoutValue({ set, element }: Element): Element {
  return { set, element: MAPS.test(set) ? element.slice(0, element.indexOf(' : ')) : element };
}
