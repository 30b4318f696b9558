import type { EmitEvent, Logger } from '@berth/base';
import type { State } from '@berth/state';
import type { HostTools } from './host-tools.ts';
import type { AddressPool } from './ipam/pools.ts';

/** dockerd's bridge flags, read by the daemon. */
export interface BridgeOptions {
  /** Name of the default bridge, at most 15 characters; undefined: no default bridge (`--bridge=none`). */
  readonly name?: string;
  /** `--bridge`: the administrator made the bridge and its address; it is used as it is. */
  readonly external?: boolean;
  /** Address and length of the default bridge, `10.5.0.1/16`. */
  readonly bip?: string;
  /** Range of the default bridge's subnet to give addresses from. */
  readonly fixedCidr?: string;
  readonly defaultGateway?: string;
  /** The default bridge has IPv6 as well (`--ipv6`). */
  readonly ipv6?: boolean;
  /** IPv6 address and length of the default bridge. */
  readonly bip6?: string;
  /** The default bridge's IPv6 subnet or, with `bip6`, the range of it to give addresses from. */
  readonly fixedCidrV6?: string;
  readonly defaultGatewayV6?: string;
  /** Default: that of the interface of the default route, at most 1500. */
  readonly mtu?: number;
  /** Containers on the default bridge may speak to each other, default true. */
  readonly icc?: boolean;
  readonly ipMasq?: boolean;
  /** Switch on forwarding in the kernel, default true. */
  readonly ipForward?: boolean;
  /** Maintain the nft table, default true (`--iptables`). */
  readonly firewall?: boolean;
  /** `--ip`: where ports without an address are published. */
  readonly hostIp?: string;
  readonly defaultAddressPools?: readonly AddressPool[];
}

export interface NetworkServiceOptions {
  readonly state: State;
  readonly execRoot: string;
  /** Distinguishes daemons of one host: names of the nft table and interfaces are made from it. `[a-z0-9]{1,16}`. */
  readonly instance: string;
  readonly bridge?: BridgeOptions;
  /** By driver: options of every new network that does not name them itself. */
  readonly defaultOptions?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** `--dns`, `--dns-search`, `--dns-opt`. */
  readonly dns?: {
    readonly servers?: readonly string[];
    readonly search?: readonly string[];
    readonly options?: readonly string[];
  };
  /** How many namespaces are kept ready; default 4 connected to the default bridge and 2 without a network. */
  readonly ready?: { readonly connected?: number; readonly plain?: number };
  readonly logger: Logger;
  readonly emit: EmitEvent;
  /** For tests. */
  readonly host?: HostTools;
  readonly resolvConfPath?: string;
}
