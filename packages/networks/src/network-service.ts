import type { CallOptions } from '@berth/base';
import type { EndpointRecord, ExposedPort, IpamPool, NetworkRecord, PortBinding } from './network-driver.ts';

/**
 * Networks and the connection of containers to them. A *sandbox* is a container's network namespace with its
 * endpoints; it exists from `openSandbox` (before the container's process is created) to `closeSandbox`.
 *
 *     const sandbox = await networks.openSandbox(containerId, { mode: 'private' });
 *     const endpoint = await networks.connect(containerId, 'frontend', { dnsNames: ['web'] });
 *     // ... runtime joins sandbox.netnsPath ...
 *     await networks.closeSandbox(containerId);
 */
export interface NetworkService {
  create(
    input: CreateNetwork,
    options?: CallOptions,
  ): Promise<{ readonly network: NetworkRecord; readonly warning: string }>;
  /** By name, full ID or unique ID prefix; `notFound` with text `network <x> not found`. */
  get(nameOrId: string): NetworkRecord;
  list(): readonly NetworkRecord[];
  endpoints(networkId: string): readonly EndpointRecord[];
  /** In the order their interfaces were made. */
  endpointsOf(containerId: string): readonly EndpointRecord[];
  /** The same of every container that has any, for lists. */
  endpointsByContainer(): ReadonlyMap<string, readonly EndpointRecord[]>;
  remove(nameOrId: string, options?: CallOptions): Promise<void>;
  prune(matches: (network: NetworkRecord) => boolean): Promise<readonly string[]>;

  openSandbox(containerId: string, input: SandboxInput, options?: CallOptions): Promise<Sandbox>;
  sandbox(containerId: string): Sandbox | undefined;
  /** Detaches every endpoint, withdraws its ports and names, frees its addresses, removes the namespace. Idempotent. */
  closeSandbox(containerId: string): Promise<void>;
  connect(containerId: string, nameOrId: string, input: ConnectInput, options?: CallOptions): Promise<EndpointRecord>;
  disconnect(containerId: string, nameOrId: string, options?: { readonly force?: boolean }): Promise<void>;
  /** A container has other names now: user-defined networks answer to these and no longer to the old ones. */
  rename(containerId: string, dnsNames: readonly string[]): Promise<void>;
  /** A container on the default bridge is linked to these now, and to no others. */
  relink(containerId: string, links: NonNullable<ConnectInput['links']>): Promise<void>;
  /** Publishes on the endpoint that carries the container's default route; `conflict` when a host port is taken (docker's text). */
  publish(containerId: string, ports: readonly PortBinding[]): Promise<EndpointRecord>;
  /** The container's /etc/hosts: localhost, extra hosts, links on the default bridge, then its own names. */
  hostsFile(containerId: string, names: HostsFileInput): string;

  /** After a daemon start: recreates bridges, nft tables, maps and name servers for what the records say; drops records of containers not in `liveContainers`. */
  restore(liveContainers: ReadonlySet<string>): Promise<void>;
  /** Clean stop. With `keep` (containers go on running) bridges and rules stay; otherwise everything this instance made goes. */
  shutdown(options: { readonly keep: boolean }): Promise<void>;
}

export interface HostsFileInput {
  readonly hostname: string;
  readonly domainname?: string;
  /** `--add-host`: `name:ip`; the address may be `host-gateway`. */
  readonly extraHosts?: readonly string[];
  /** What the file begins with in place of localhost's lines: the host's own, for containers on its network. */
  readonly base?: string;
}

export interface CreateNetwork {
  readonly name: string;
  readonly driver?: string;
  readonly internal?: boolean;
  readonly attachable?: boolean;
  readonly enableIPv4?: boolean;
  readonly enableIPv6?: boolean;
  readonly options?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly ipam?: readonly Partial<IpamPool>[];
  readonly ipamOptions?: Readonly<Record<string, string>>;
  /** Settings for other networks (`--config-only`), or the name of those to take (`--config-from`). */
  readonly configOnly?: boolean;
  readonly configFrom?: string;
}

/** `private`: an own namespace (bridge networks, or none). `host`: the daemon's. `container`: another container's. */
export type SandboxInput =
  | {
      readonly mode: 'private';
      /** Upstream servers for the container's name server; default the host's. */
      readonly dns?: readonly string[];
      readonly sysctls?: Readonly<Record<string, string>>;
      /** The container will switch IPv6 off: it gets no addresses of that family. */
      readonly withoutIpv6?: boolean;
      /** resolv.conf's search list and options; default the host's. */
      readonly dnsSearch?: readonly string[];
      readonly dnsOptions?: readonly string[];
      /**
       * The network `connect` will be called with first (`none` for no network). With it the sandbox can come from the
       * pool of ready namespaces, which takes network set-up off the start path; without it nothing else differs.
       */
      readonly network?: string;
    }
  | { readonly mode: 'host' }
  | { readonly mode: 'container'; readonly containerId: string };

export interface Sandbox {
  readonly containerId: string;
  /** Undefined for the host's namespace. */
  readonly netnsPath: string | undefined;
  /** What the container's resolv.conf must hold now: user-defined networks point at 127.0.0.11. Read it after `connect`. */
  readonly resolvConf: {
    readonly nameservers: readonly string[];
    readonly search: readonly string[];
    readonly options: readonly string[];
  };
}

export interface ConnectInput {
  readonly ipv4?: string;
  readonly ipv6?: string;
  readonly macAddress?: string;
  /** Further addresses, of the link alone. */
  readonly linkLocal?: readonly string[];
  readonly aliases?: readonly string[];
  /** Names this container answers to on user-defined networks: container name, ID prefix, hostname. */
  readonly dnsNames?: readonly string[];
  readonly links?: readonly { readonly containerId: string; readonly alias: string }[];
  /** For those that are linked to this container. */
  readonly exposed?: readonly ExposedPort[];
  readonly gatewayPriority?: number;
  readonly driverOptions?: Readonly<Record<string, string>>;
}
