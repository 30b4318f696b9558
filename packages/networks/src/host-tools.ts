import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { sleep } from '@berth/base';
import {
  createNetns,
  forgetConnectionsOf,
  forgetDatagramsTo,
  inNetns,
  ipAddresses,
  ipBatch,
  ipLinks,
  ipRoutes,
  isNetns,
  nftApply,
  nftChains,
  nftGeneration,
  openSocketIn,
  removeNetns,
  waitForFileLock,
} from '@berth/linux';

/**
 * What this package asks of the kernel, each call one command or a few system calls. The daemon uses
 * `createHostTools`; unit tests pass their own.
 */
export interface HostTools {
  /** Lines of `ip -batch` in the daemon's namespace, stopping at the first that fails. */
  ip(lines: readonly string[]): Promise<void>;
  /** The same inside a namespace. */
  ipIn(netns: string, lines: readonly string[]): Promise<void>;
  /** One nft transaction. */
  nft(script: string): Promise<void>;
  nftIn(netns: string, script: string): Promise<void>;
  /** What others do to the ruleset shows here. Undefined in tools without a kernel. */
  readonly ruleset?: {
    /** Changes with every change anybody makes. */
    generation(): number;
    /** Each chain of an inet table with its number of rules and jumps to it; empty when there is no such table. */
    chains(table: string): ReadonlyMap<string, number>;
  };
  /** The kernel forgets connections of an address that another container will have. Undefined in tools without a kernel. */
  forgetConnectionsOf?(address: string): void;
  /** The kernel forgets where datagrams to a port of the host went. */
  forgetDatagramsTo?(port: number, family: 4 | 6): void;
  /** Makes a namespace that lives while `path` is mounted, loopback up. */
  createNetns(path: string): Promise<void>;
  /** Idempotent. */
  removeNetns(path: string): Promise<void>;
  isNetns(path: string): Promise<boolean>;
  /** Subnets the host routes to or has addresses in, CIDR form. */
  hostSubnets(): Promise<readonly string[]>;
  /**
   * Held while a subnet is chosen until the kernel has it, so that two daemons of one host never choose the same.
   * Undefined in tools that have no host to share.
   */
  lockSubnets?(): Promise<Disposable>;
  interfaces(): Promise<readonly string[]>;
  /** Those that are bridges. */
  bridges(): Promise<readonly string[]>;
  /**
   * Waits until a bridge passes on what these ports of it send. The kernel switches a port on some time after its link
   * has come up (it may be tens of milliseconds on a busy machine) and drops what arrives before. Never rejects: after
   * two seconds it gives up. Undefined in tools without a kernel.
   */
  untilForwarding?(ports: readonly string[]): Promise<void>;
  /** First global IPv4 address of an interface, CIDR form. */
  addressOf(name: string): Promise<string | undefined>;
  /** Every address of every interface, CIDR form. Undefined in tools without a kernel. */
  addresses?(): Promise<readonly { readonly name: string; readonly address: string }[]>;
  /** Whether the kernel has IPv6 at all. Undefined in tools without a kernel. */
  hasIpv6?(): boolean;
  /** Largest packet of the interface the default route leaves by. */
  defaultMtu(): Promise<number | undefined>;
  /** `net/ipv4/ip_forward` in the daemon's namespace. Throws when the kernel has no such setting. */
  sysctl(name: string, value: string): Promise<void>;
  sysctlIn(netns: string, settings: Readonly<Record<string, string>>): Promise<void>;
  /** Descriptor of a socket bound inside a namespace, undefined for the daemon's own; the caller owns it. */
  openSocketIn(netns: string | undefined, kind: 'udp' | 'tcp' | 'sctp', address: string, port: number): Promise<number>;
}

/** One for the machine: whatever their roots, daemons share its routes. */
const SUBNET_LOCK = '/run/lock/berth-subnets.lock';

export function createHostTools(): HostTools {
  return {
    ip: (lines) => ipBatch(lines),
    ipIn: (netns, lines) => ipBatch(lines, { netns }),
    nft: (script) => nftApply(script),
    nftIn: (netns, script) => nftApply(script, { netns }),
    ruleset: { generation: nftGeneration, chains: nftChains },
    forgetConnectionsOf,
    forgetDatagramsTo,
    async createNetns(path) {
      await mkdir(dirname(path), { recursive: true });
      createNetns(path);
    },
    async removeNetns(path) {
      removeNetns(path);
    },
    isNetns: async (path) => isNetns(path),
    hostSubnets,
    async lockSubnets() {
      await mkdir(dirname(SUBNET_LOCK), { recursive: true });
      return await waitForFileLock(SUBNET_LOCK);
    },
    async addressOf(name) {
      const link = (await ipAddresses()).find(({ ifname }) => ifname === name);
      const address = link?.addr_info.find(({ family, scope }) => family === 'inet' && scope === 'global');
      return address && `${address.local}/${address.prefixlen}`;
    },
    addresses: async () =>
      (await ipAddresses()).flatMap(({ ifname, addr_info }) =>
        addr_info.map(({ local, prefixlen }) => ({ name: ifname, address: `${local}/${prefixlen}` })),
      ),
    bridges: async () => (await ipLinks({ type: 'bridge' })).map(({ ifname }) => String(ifname)),
    interfaces: async () => (await ipAddresses()).map(({ ifname }) => ifname),
    untilForwarding,
    hasIpv6: () => existsSync('/proc/sys/net/ipv6/conf'),
    defaultMtu,
    sysctl: (name, value) => writeFile(`/proc/sys/${name}`, value),
    async sysctlIn(netns, settings) {
      inNetns<void>(netns, () => {
        for (const [name, value] of Object.entries(settings)) writeFileSync(`/proc/sys/${name}`, value);
      });
    },
    async openSocketIn(netns, type, address, port) {
      return openSocketIn(netns, { type, address, port });
    },
  };
}

async function hostSubnets(): Promise<readonly string[]> {
  const [routes4, routes6, links] = await Promise.all([ipRoutes(), ipRoutes({ family: 6 }), ipAddresses()]);
  const routed = [...routes4, ...routes6].map(({ dst }) => dst).filter((dst) => dst !== 'default' && /\d|:/.test(dst));
  const own = links.flatMap(({ addr_info }) => addr_info.map(({ local, prefixlen }) => `${local}/${prefixlen}`));
  return [...routed, ...own].map((dst) => (dst.includes('/') ? dst : `${dst}/${dst.includes(':') ? 128 : 32}`));
}

async function defaultMtu(): Promise<number | undefined> {
  const device = (await ipRoutes()).find(({ dst }) => dst === 'default')?.dev;
  return device === undefined ? undefined : Number(await readFile(`/sys/class/net/${device}/mtu`, 'utf8'));
}

/** As /sys/class/net/<port>/brport/state has it. */
const FORWARDING = 3;
const IFF_UP = 1;
const PATIENCE_MS = 2000;

async function untilForwarding(ports: readonly string[]): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  for (const port of ports)
    for (let wait = 1; performance.now() < end && !isForwarding(port); wait = Math.min(wait * 2, 16)) await sleep(wait);
}

/**
 * Whether the port passes packets on and its bridge, which comes up with its first port, is up. True as well for what
 * has no such state: a port that went again, a bridge that is switched off, a `/sys` of another namespace.
 */
function isForwarding(port: string): boolean {
  const read = (name: string): string => readFileSync(`/sys/class/net/${port}/brport/${name}`, 'utf8').trim();
  try {
    if ((Number(read('bridge/flags')) & IFF_UP) === 0) return true;
    return Number(read('state')) === FORWARDING && read('bridge/operstate') !== 'down';
  } catch {
    return true;
  }
}
