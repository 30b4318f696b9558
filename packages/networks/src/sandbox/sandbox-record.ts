import type { PortBinding } from '../network-driver.ts';

/** What must be known of a sandbox after a daemon restart. */
export interface SandboxRecord {
  readonly containerId: string;
  readonly mode: 'private' | 'host' | 'container';
  /** The container whose namespace is shared, for `container`. */
  readonly target?: string;
  /** File name below `<exec-root>/netns`, for `private`. */
  readonly netns?: string;
  readonly dns?: readonly string[];
  readonly dnsSearch?: readonly string[];
  readonly dnsOptions?: readonly string[];
  /** The container asked for settings of the kernel that switch IPv6 off. */
  readonly withoutIpv6?: true;
  /** The container is about to be connected to a user-defined network. */
  readonly expectsNames?: boolean;
  /** Set while the namespace still has the ready made interface of the default bridge that no endpoint took yet. */
  readonly prepared?: PreparedLink;
  /** Ports asked to be published; they follow the default route from network to network. */
  readonly ports?: readonly PortBinding[];
  /** Port on 127.0.0.11 in the namespace where the name server listens, once it does. */
  readonly dnsPort?: number;
}

/** An interface `eth0` on the default bridge with its address and default route in place. */
export interface PreparedLink {
  readonly hostInterface: string;
  readonly macAddress: string;
  /** CIDR form. */
  readonly ipv4: string;
  readonly ipv6?: string;
}
