import { BlockList, isIP } from 'node:net';
import { DEFAULT_DOMAIN } from '@berth/oci';

/** One way to reach a registry. */
export interface Endpoint {
  /** `https://host:port`, plus a mirror's path; no slash at the end. */
  readonly base: string;
  /** `host[:port]`, for certificates. */
  readonly host: string;
  readonly verify: boolean;
  readonly mirror: boolean;
}

const DOCKER_HUB = 'registry-1.docker.io';

const splitHost = (domain: string): string => domain.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');

const inCidr = (address: string, cidr: string): boolean => {
  const [network = '', bits = ''] = cidr.split('/');
  const family = isIP(network);
  if (family === 0 || isIP(address) !== family || !/^\d+$/.test(bits)) return false;
  const kind = family === 4 ? 'ipv4' : 'ipv6';
  const list = new BlockList();
  list.addSubnet(network, Number(bits), kind);
  return list.check(address, kind);
};

/** True for loopback and for what the operator listed. */
export function isInsecure(domain: string, insecureRegistries: readonly string[]): boolean {
  const host = splitHost(domain);
  if (host === 'localhost' || host === '::1' || inCidr(host, '127.0.0.0/8')) return true;
  return insecureRegistries.some((entry) => entry === domain || entry === host || inCidr(host, entry));
}

const mirrorEndpoint = (url: string, insecureRegistries: readonly string[]): Endpoint => {
  const { host } = new URL(url);
  return { base: url.replace(/\/+$/, ''), host, verify: !isInsecure(host, insecureRegistries), mirror: true };
};

/** Ways to reach a registry, in the order in which to try them. Mirrors only serve pulls. */
export function endpointsOf(
  domain: string,
  options: { readonly insecureRegistries: readonly string[]; readonly mirrors: readonly string[] },
): readonly Endpoint[] {
  if (domain === DEFAULT_DOMAIN)
    return [
      ...options.mirrors.map((url) => mirrorEndpoint(url, options.insecureRegistries)),
      { base: `https://${DOCKER_HUB}`, host: DOCKER_HUB, verify: true, mirror: false },
    ];
  const secure: Endpoint = { base: `https://${domain}`, host: domain, verify: true, mirror: false };
  if (!isInsecure(domain, options.insecureRegistries)) return [secure];
  return [
    { ...secure, verify: false },
    { ...secure, base: `http://${domain}`, verify: false },
  ];
}
