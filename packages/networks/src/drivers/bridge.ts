import type { Logger } from '@berth/base';
import { conflict, invalid } from '@berth/base';
import type { Firewall } from '../firewall/firewall.ts';
import { networkElements } from '../firewall/ruleset.ts';
import type { HostTools } from '../host-tools.ts';
import { macFor } from '../ipam/mac.ts';
import type { EndpointRecord, Family, NetworkDriver, NetworkRecord } from '../network-driver.ts';
import type { PreparedLink } from '../sandbox/sandbox-record.ts';
import { type BridgeSettings, bridgeSettings, keepsApart } from './bridge-settings.ts';
import { configureInside, routeLines } from './inside.ts';

export interface BridgeDriverOptions {
  readonly host: HostTools;
  readonly firewall: Firewall;
  readonly logger: Logger;
  /** Who is on a network, for a bridge that has to be made anew. */
  readonly endpointsOn?: (networkId: string) => readonly EndpointRecord[];
  /** Switch on IPv6 forwarding with the first network that has IPv6; default true. */
  readonly forwardIpv6?: boolean;
  /** Packet size of networks that name none. */
  readonly defaultMtu: () => Promise<number>;
}

/** A Linux bridge per network, a veth pair per endpoint. */
export interface BridgeDriver extends NetworkDriver {
  /** Gives namespaces their interface on `network` before any container asks: address, default route, all up. */
  prepare(
    network: NetworkRecord,
    links: readonly { readonly netns: string; readonly link: PreparedLink }[],
  ): Promise<void>;
}

interface Link {
  readonly hostInterface: string;
  readonly interfaceName: string;
  readonly macAddress: string;
}

/** A link with smaller packets carries no IPv6. */
const MIN_MTU6 = 1280;

export function createBridgeDriver(driverOptions: BridgeDriverOptions): BridgeDriver {
  const { host, firewall, defaultMtu } = driverOptions;
  const portLines = (settings: BridgeSettings, hostInterface: string, mtu: number): string[] => [
    // A device without IPv6 has no such mode: the kernel refuses the word.
    `link set ${hostInterface} master ${settings.bridge}${mtu >= MIN_MTU6 && host.hasIpv6?.() !== false ? ' addrgenmode none' : ''} up`,
    // Hairpin: where br_netfilter is loaded, a container's own published port comes back on the port it left by.
    `link set ${hostInterface} type bridge_slave hairpin on${settings.icc ? '' : ' isolated on'}`,
  ];
  const pairLine = (netns: string, settings: BridgeSettings, link: Link, mtu: number): string[] => [
    `link add ${link.hostInterface} mtu ${mtu} type veth peer name ${link.interfaceName} mtu ${mtu} address ${link.macAddress} netns ${netns}`,
    ...portLines(settings, link.hostInterface, mtu),
  ];
  /** Somebody removed the bridge below its containers: they come to the new one. */
  const adopt = async (network: NetworkRecord, settings: BridgeSettings, present: readonly string[]): Promise<void> => {
    const ports = driverOptions
      .endpointsOn?.(network.id)
      .flatMap(({ hostInterface }) => hostInterface ?? [])
      .filter((port) => present.includes(port));
    const mtu = await mtuOf(settings);
    if (ports && ports.length > 0) await host.ip(ports.flatMap((port) => portLines(settings, port, mtu)));
  };
  const mtuOf = async (settings: BridgeSettings): Promise<number> => settings.mtu ?? (await defaultMtu());

  return {
    name: 'bridge',
    hasAddresses: true,

    async check(draft) {
      const { gatewayMode } = bridgeSettings(draft);
      if (!draft.internal && (gatewayMode[4] === 'isolated' || gatewayMode[6] === 'isolated'))
        throw invalid("gateway mode 'isolated' can only be used for an internal network");
      const { bridge } = bridgeSettings(draft);
      if (!(await host.interfaces()).includes(bridge)) return {};
      if (!(await host.bridges()).includes(bridge))
        throw conflict(`an interface named ${bridge} exists already and is no bridge`);
      return { foreignBridge: true };
    },

    allocatesGateway(network, family) {
      const { gatewayMode, inhibitIpv4 } = bridgeSettings(network);
      return gatewayMode[family] !== 'isolated' && !(family === 4 && inhibitIpv4 && network.internal);
    },

    gatewayOf,

    async create(network) {
      const settings = bridgeSettings(network);
      const present = await host.interfaces();
      const existing = present.includes(settings.bridge);
      if (settings.external && !existing) throw conflict(`bridge ${settings.bridge} does not exist`);
      if (!settings.external) await host.ip(bridgeLines(network, settings, existing, await mtuOf(settings)));
      if (!existing) await adopt(network, settings, present);
      await bridgeSysctls(driverOptions, network, settings.bridge);
      await firewall.add(networkElements(network));
    },

    async remove(network) {
      const settings = bridgeSettings(network);
      await firewall.remove(networkElements(network));
      const isOurs = !settings.external && network.foreignBridge !== true;
      if (isOurs && (await host.interfaces()).includes(settings.bridge)) await host.ip([`link del ${settings.bridge}`]);
    },

    async attach(network, netns, endpoint, options = {}) {
      const settings = bridgeSettings(network);
      const hostInterface = endpoint.hostInterface;
      if (hostInterface === undefined) throw conflict(`endpoint ${endpoint.id} has no host interface name`);
      const mtu = await mtuOf(settings);
      await host.ip(pairLine(netns, settings, { ...endpoint, hostInterface }, mtu));
      try {
        await configureInside(host, netns, network, endpoint, options);
        await host.untilForwarding?.([hostInterface]);
      } catch (error) {
        await host.ip([`link del ${hostInterface}`]).catch(() => undefined);
        throw error;
      }
    },

    async detach(_network, endpoint) {
      const name = endpoint.hostInterface;
      if (name === undefined) return;
      await host.ip([`link del ${name}`]).catch(async (error: unknown) => {
        if ((await host.interfaces()).includes(name)) throw error;
      });
    },

    async route(network, netns, endpoint, families = [4, 6]) {
      const lines = routeLines(network, endpoint, families);
      if (lines.length > 0) await host.ipIn(netns, lines);
    },

    async prepare(network, links) {
      const settings = bridgeSettings(network);
      const mtu = await mtuOf(settings);
      await host.ip(
        links.flatMap(({ netns, link }) => pairLine(netns, settings, { ...link, interfaceName: 'eth0' }, mtu)),
      );
      const [gateway, gateway6] = ([4, 6] as const).map((family) => gatewayOf(network, family));
      for (const { netns, link } of links) {
        const endpoint = {
          interfaceName: 'eth0',
          ipv4: link.ipv4,
          ...(link.ipv6 === undefined ? {} : { ipv6: link.ipv6 }),
          ...(gateway === undefined ? {} : { gateway }),
          ...(gateway6 === undefined ? {} : { gateway6 }),
        };
        await configureInside(host, netns, network, endpoint, { defaultRoutes: [4, 6] });
      }
      await host.untilForwarding?.(links.map(({ link }) => link.hostInterface));
    },
  };
}

function gatewayOf(network: NetworkRecord, family: Family): string | undefined {
  if (network.internal || bridgeSettings(network).gatewayMode[family] === 'isolated') return undefined;
  return network.ipam.find(({ subnet }) => subnet.includes(':') === (family === 6))?.gateway;
}

function bridgeLines(network: NetworkRecord, settings: BridgeSettings, existing: boolean, mtu: number): string[] {
  const { bridge, gatewayMode, inhibitIpv4 } = settings;
  const isOurs = (gateway: string): boolean =>
    gateway.includes(':') ? gatewayMode[6] !== 'isolated' : gatewayMode[4] !== 'isolated' && !inhibitIpv4;
  const gateways = network.ipam.flatMap(({ subnet, gateway }) =>
    gateway === undefined || !isOurs(gateway) ? [] : [`${gateway}/${subnet.split('/')[1]}`],
  );
  const address = existing ? '' : ` address ${macFor(gateways.find((g) => !g.includes(':')))}`;
  return [
    ...(existing ? [] : [`link add ${bridge} mtu ${mtu}${address} type bridge`]),
    ...gateways.map(
      (gateway) => `addr replace ${gateway} ${gateway.includes(':') ? 'nodad' : 'broadcast +'} dev ${bridge}`,
    ),
    `link set ${bridge} up`,
  ];
}

async function bridgeSysctls(
  { host, logger, forwardIpv6 = true }: BridgeDriverOptions,
  network: NetworkRecord,
  bridge: string,
): Promise<void> {
  const settings: Record<string, string> = {
    [`net/ipv4/conf/${bridge}/route_localnet`]: '1',
    [`net/ipv6/conf/${bridge}/${network.enableIPv6 ? 'accept_ra' : 'disable_ipv6'}`]: network.enableIPv6 ? '0' : '1',
  };
  if (keepsApart(network)) {
    // Ports of the bridge that are kept apart hear no questions for each other's addresses. The host answers in their
    // place and at once, so that what linked containers say goes by its rules; nor does it point out the direct way.
    settings[`net/ipv4/conf/${bridge}/proxy_arp_pvlan`] = '1';
    settings[`net/ipv4/conf/${bridge}/send_redirects`] = '0';
    settings[`net/ipv4/neigh/${bridge}/proxy_delay`] = '0';
  }
  if (network.enableIPv6 && forwardIpv6) {
    settings['net/ipv6/conf/default/forwarding'] = '1';
    settings['net/ipv6/conf/all/forwarding'] = '1';
  }
  for (const [name, value] of Object.entries(settings))
    await host
      .sysctl(name, value)
      .catch((error: unknown) => logger.warn('cannot set kernel parameter', { name, error }));
}
