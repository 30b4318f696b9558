/**
 * A network driver turns a network's record into kernel objects and connects namespaces to it. It keeps no state of
 * its own: everything is derived from the records it is handed, so `create` and `attach` after a daemon restart repair
 * what is missing and leave what is there.
 *
 *     await driver.create(network);
 *     const link = await driver.attach(network, '/run/berth/netns/abc', endpoint);
 *     await driver.detach(network, endpoint);
 *     await driver.remove(network);
 *
 * Errors: `conflict` (bridge name or subnet taken), `exhausted` (no address left), `invalid` (option), `unavailable`.
 */
export interface NetworkDriver {
  readonly name: string;
  /** Whether networks of this driver have subnets and give out addresses. */
  readonly hasAddresses: boolean;
  /**
   * Refuses a network that cannot be, before anything of it is written, and says what its record has to hold besides.
   * Throws `invalid`, `forbidden`.
   */
  check?(draft: NetworkRecord): Promise<Pick<Partial<NetworkRecord>, 'internal' | 'ownsParent' | 'foreignBridge'>>;
  /** Whether the network has a gateway address of a family when none was asked for; default yes. */
  allocatesGateway?(network: NetworkRecord, family: Family): boolean;
  /** The gateway of its containers; by default the one of the subnet, and none on an internal network. */
  gatewayOf?(network: NetworkRecord, family: Family): string | undefined;
  create(network: NetworkRecord): Promise<void>;
  remove(network: NetworkRecord): Promise<void>;
  attach(network: NetworkRecord, netns: string, endpoint: EndpointRecord, options?: AttachOptions): Promise<void>;
  /** Idempotent: a link that went with its namespace is no error. */
  detach(network: NetworkRecord, endpoint: EndpointRecord, netns?: string): Promise<void>;
  /** Makes an attached endpoint the one the namespace's default routes go through; of both families unless told. */
  route(network: NetworkRecord, netns: string, endpoint: EndpointRecord, families?: readonly Family[]): Promise<void>;
}

export type Family = 4 | 6;

export interface AttachOptions {
  /** Families whose default route goes by this endpoint. */
  readonly defaultRoutes?: readonly Family[];
}

export interface NetworkRecord {
  readonly id: string;
  readonly name: string;
  readonly driver: string;
  readonly createdAt: Date;
  readonly internal: boolean;
  readonly attachable: boolean;
  readonly enableIPv4: boolean;
  readonly enableIPv6: boolean;
  readonly options: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly ipam: readonly IpamPool[];
  /** Created by the daemon itself (bridge, host, none): cannot be removed. */
  readonly predefined: boolean;
  /** The network's parent interface was made for it, and goes with it. */
  readonly ownsParent?: boolean;
  /** The bridge was there before the network and stays after it. */
  readonly foreignBridge?: boolean;
  /** No network but settings for others: nobody connects to it, and its subnets are not taken. */
  readonly configOnly?: boolean;
  /** Name of the configuration network the settings came from. */
  readonly configFrom?: string;
  /** Undefined when none were given at all. */
  readonly ipamOptions?: Readonly<Record<string, string>>;
  /** The subnet was asked for, not chosen: only then may containers ask for an address. */
  readonly subnetConfigured?: boolean;
}

export interface IpamPool {
  readonly subnet: string;
  readonly gateway?: string;
  readonly ipRange?: string;
  readonly auxAddresses?: Readonly<Record<string, string>>;
}

export interface PortBinding {
  readonly containerPort: number;
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  /** '' or undefined: every address. */
  readonly hostIp?: string;
  /** 0 or undefined: any free port. */
  readonly hostPort?: number;
  /** End of a host port range to choose from. */
  readonly hostPortEnd?: number;
}

export interface ExposedPort {
  readonly port: number;
  readonly protocol: 'tcp' | 'udp' | 'sctp';
}

export interface PublishedPort {
  readonly containerPort: number;
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  readonly hostIp: string;
  /** 0: the port is reached by the container's own address, which the network routes. */
  readonly hostPort: number;
  /** Trusted interfaces of the host reach the port by the container's own address as well. */
  readonly direct?: boolean;
}

export interface EndpointRecord {
  readonly id: string;
  readonly networkId: string;
  readonly containerId: string;
  readonly macAddress: string;
  /** CIDR form, `172.18.0.2/16`. */
  readonly ipv4?: string;
  readonly ipv6?: string;
  readonly gateway?: string;
  readonly gateway6?: string;
  /** Further addresses of the interface, CIDR form. */
  readonly linkLocal?: readonly string[];
  /** Interface name inside the namespace, `eth0`. */
  readonly interfaceName: string;
  readonly aliases: readonly string[];
  readonly dnsNames: readonly string[];
  readonly published: readonly PublishedPort[];
  /** The host's end of the pair, where the driver made one. */
  readonly hostInterface?: string;
  readonly gatewayPriority?: number;
  readonly links?: readonly { readonly containerId: string; readonly alias: string }[];
  /** Ports that containers linked to this one reach where a default bridge keeps its containers apart. */
  readonly exposed?: readonly ExposedPort[];
  readonly driverOptions?: Readonly<Record<string, string>>;
}
