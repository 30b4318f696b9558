import { shortId } from '@berth/base';
import type { Container } from '@berth/containers';
import { networkModeOf, networksOf } from '@berth/containers';
import type { ContainerInspect, EndpointSettings, PortMap } from '@berth/engine-api';
import { type EndpointRecord, ON_LINK } from '@berth/networks';
import type { EngineServices } from '../services.ts';

const address = (cidr: string | undefined): string => cidr?.split('/')[0] ?? '';
/** A default route by the interface alone has no gateway to show. */
const shownGateway = (gateway: string | undefined): string => (gateway === ON_LINK ? '' : (gateway ?? ''));
const prefix = (cidr: string | undefined): number => Number(cidr?.split('/')[1] ?? 0);

/** NetworkSettings of inspect; the top-level address fields are those of the default bridge, as dockerd fills them. */
export function renderNetworkSettings(
  services: EngineServices,
  container: Container,
): ContainerInspect['NetworkSettings'] {
  const endpoints = services.networks.endpointsOf(container.id);
  const sandbox = services.networks.sandbox(container.id);
  const onBridge = endpoints.find((e) => networkName(services, e) === 'bridge');
  return {
    Bridge: '',
    SandboxID: sandbox ? container.id : '',
    SandboxKey: sandbox?.netnsPath ?? '',
    Ports: renderPorts(container, endpoints),
    HairpinMode: false,
    LinkLocalIPv6Address: '',
    LinkLocalIPv6PrefixLen: 0,
    SecondaryIPAddresses: null,
    SecondaryIPv6Addresses: null,
    EndpointID: onBridge?.id ?? '',
    Gateway: onBridge?.gateway ?? '',
    GlobalIPv6Address: address(onBridge?.ipv6),
    GlobalIPv6PrefixLen: prefix(onBridge?.ipv6),
    IPAddress: address(onBridge?.ipv4),
    IPPrefixLen: prefix(onBridge?.ipv4),
    IPv6Gateway: onBridge?.gateway6 ?? '',
    MacAddress: onBridge?.macAddress ?? '',
    Networks: renderNetworks(services, container, endpoints),
  };
}

function networkName(services: EngineServices, endpoint: EndpointRecord): string | undefined {
  return services.networks.list().find((n) => n.id === endpoint.networkId)?.name;
}

/** Only a network with a bridge has ports that could be published. */
function publishes(container: Container): boolean {
  const mode = networkModeOf(container);
  return container.isRunning && mode !== 'none' && mode !== 'host';
}

/** Published ports by container port; exposed ones without a host port are null. */
export function renderPorts(container: Container, endpoints: readonly EndpointRecord[]): NonNullable<PortMap> {
  const ports: Record<string, { HostIp: string; HostPort: string }[] | null> = {};
  if (!publishes(container)) return ports;
  for (const key of Object.keys(container.record.settings.exposedPorts))
    ports[key.includes('/') ? key : `${key}/tcp`] = null;
  for (const { published } of endpoints)
    for (const port of published) {
      const key = `${port.containerPort}/${port.protocol}`;
      ports[key] = [
        ...(ports[key] ?? []),
        { HostIp: port.hostIp, HostPort: port.hostPort === 0 ? '' : String(port.hostPort) },
      ];
    }
  return ports;
}

/** Until it first runs a container shows the address it was asked to have; later the one it has. */
const askedAddress = ({ state }: Container, { macAddress = '' }: { readonly macAddress?: string }): string =>
  state.startedAt === undefined ? macAddress : '';

export function renderNetworks(
  services: EngineServices,
  container: Container,
  endpoints: readonly EndpointRecord[],
): Record<string, EndpointSettings> {
  const mode = networkModeOf(container);
  if (mode.startsWith('container:')) return {};
  const known = services.networks.list();
  const entries = networksOf(container, mode).map(([name, settings]): [string, EndpointSettings] => {
    const network = known.find((n) => n.name === name) ?? known.find((n) => n.id.startsWith(name));
    const endpoint = endpoints.find((e) => e.networkId === network?.id);
    return [
      network?.name ?? name,
      {
        IPAMConfig: settings.ipamConfig
          ? {
              ...(settings.ipamConfig.ipv4Address ? { IPv4Address: settings.ipamConfig.ipv4Address } : {}),
              ...(settings.ipamConfig.ipv6Address ? { IPv6Address: settings.ipamConfig.ipv6Address } : {}),
              ...(settings.ipamConfig.linkLocalIPs?.length
                ? { LinkLocalIPs: [...settings.ipamConfig.linkLocalIPs] }
                : {}),
            }
          : null,
        Links: settings.links ? [...settings.links] : null,
        Aliases: settings.aliases ? [...settings.aliases] : null,
        MacAddress: endpoint?.macAddress ?? askedAddress(container, settings),
        DriverOpts: settings.driverOpts ? { ...settings.driverOpts } : null,
        GwPriority: settings.gwPriority ?? 0,
        NetworkID: network?.id ?? '',
        EndpointID: endpoint?.id ?? '',
        Gateway: shownGateway(endpoint?.gateway),
        IPAddress: address(endpoint?.ipv4),
        IPPrefixLen: prefix(endpoint?.ipv4),
        IPv6Gateway: shownGateway(endpoint?.gateway6),
        GlobalIPv6Address: address(endpoint?.ipv6),
        GlobalIPv6PrefixLen: prefix(endpoint?.ipv6),
        DNSNames: endpoint && network && !network.predefined ? namesOf(endpoint) : null,
      },
    ];
  });
  return Object.fromEntries(entries);
}

/** Before API 1.45 ID and host name were among the aliases on user-defined networks. */
export function withOldAliases({ id, record }: Container, shown: ContainerInspect): ContainerInspect {
  const networks = Object.entries(shown.NetworkSettings.Networks ?? {}).map(([name, endpoint]) => {
    if (['bridge', 'host', 'none', 'default'].includes(name)) return [name, endpoint] as const;
    const aliases = new Set([...(endpoint.Aliases ?? []), shortId(id), record.settings.hostname]);
    return [name, { ...endpoint, Aliases: [...aliases] }] as const;
  });
  return { ...shown, NetworkSettings: { ...shown.NetworkSettings, Networks: Object.fromEntries(networks) } };
}

/** Name, aliases, ID, host name: dockerd's order. */
function namesOf({ dnsNames: [name, ...others], aliases }: EndpointRecord): string[] {
  return [...new Set([...(name === undefined ? [] : [name]), ...aliases, ...others])];
}

/** `Ports` of the container list. */
export function renderPortList(
  container: Container,
  endpoints: readonly EndpointRecord[],
): { IP?: string; PrivatePort: number; PublicPort?: number; Type: 'tcp' | 'udp' | 'sctp' }[] {
  if (!publishes(container)) return [];
  const published = endpoints.flatMap((e) => e.published);
  // An image may name a port `80/tcp` that is `80` where the container was asked for.
  const keys = Object.keys(container.record.settings.exposedPorts).map((key) =>
    key.includes('/') ? key : `${key}/tcp`,
  );
  const exposed = [...new Set(keys)].map((key) => {
    const [port = '0', protocol = 'tcp'] = key.split('/');
    return { port: Number(port), protocol: protocol as 'tcp' | 'udp' | 'sctp' };
  });
  const silent = exposed.filter((e) => !published.some((p) => p.containerPort === e.port && p.protocol === e.protocol));
  return [
    ...published.map((p) =>
      p.hostPort === 0
        ? { PrivatePort: p.containerPort, Type: p.protocol }
        : { IP: p.hostIp, PrivatePort: p.containerPort, PublicPort: p.hostPort, Type: p.protocol },
    ),
    ...silent.map((e) => ({ PrivatePort: e.port, Type: e.protocol })),
  ];
}
