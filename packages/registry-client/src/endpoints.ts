import { BlockList, isIP } from 'node:net';
import { invalid } from '@berth/base';
import { DEFAULT_DOMAIN } from '@berth/oci';
import type { RegistrySettings } from './options.ts';

/** One way to reach a registry. */
export interface Endpoint {
  /** `https://host:port`, plus a mirror's path; no slash at the end. */
  readonly base: string;
  /** `host[:port]`, for certificates. */
  readonly host: string;
  readonly verify: boolean;
  readonly mirror: boolean;
  /** What a mirror puts before repository names: `quay-proxy/`. */
  readonly prefix?: string;
  /** What a mirror is told it stands in for (`ns=`). */
  readonly namespace?: string;
  /** The host whose answer led here; addresses further inside than that host's are refused then. */
  readonly referrer?: string;
}

/** What the operator said about registries. */
export interface EndpointOptions {
  readonly insecureRegistries: readonly string[];
  /** For docker.io, after those of `registries`. */
  readonly mirrors: readonly string[];
  readonly registries?: Readonly<Record<string, RegistrySettings>>;
}

const DOCKER_HUB = 'registry-1.docker.io';

const splitHost = (domain: string): string => domain.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');

const inCidr = (address: string, cidr: string): boolean => {
  const [network = '', bits = ''] = cidr.split('/');
  const family = isIP(network);
  if (family === 0 || isIP(address) !== family || !/^\d{1,3}$/.test(bits)) return false;
  if (Number(bits) > (family === 4 ? 32 : 128)) return false;
  const kind = family === 4 ? 'ipv4' : 'ipv6';
  const list = new BlockList();
  list.addSubnet(network, Number(bits), kind);
  return list.check(address, kind);
};

/** True for what the operator listed, by `host[:port]` or CIDR. */
export function isListed(domain: string, insecureRegistries: readonly string[]): boolean {
  const host = splitHost(domain);
  return insecureRegistries.some((entry) => entry === domain || entry === host || inCidr(host, entry));
}

/** True for loopback and for what the operator listed. */
export function isInsecure(domain: string, insecureRegistries: readonly string[]): boolean {
  const host = splitHost(domain);
  if (host === 'localhost' || host === '::1' || inCidr(host, '127.0.0.0/8')) return true;
  return isListed(domain, insecureRegistries);
}

const mirrorEndpoint = (text: string, domain: string, insecureRegistries: readonly string[]): Endpoint => {
  const { base, host, prefix } = parseMirror(text);
  const verify = !isInsecure(host, insecureRegistries);
  return { base, host, verify, mirror: true, prefix, namespace: domain };
};

/**
 * Takes a mirror's address apart: below a path, `/v2/` of the protocol comes after it, unless the path begins with
 * `/v2/` itself; what follows that goes before the repository's name. Throws `invalid`.
 */
export function parseMirror(text: string): { readonly base: string; readonly host: string; readonly prefix: string } {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol))
    throw invalid(`invalid mirror ${JSON.stringify(text)}: expected http://host[:port] or https://host[:port]`);
  if (url.username !== '' || url.password !== '') throw invalid('invalid mirror: it must not hold a user or password');
  if (url.search !== '' || url.hash !== '')
    throw invalid(`invalid mirror ${text}: it must not hold a query or fragment`);
  const path = url.pathname.replace(/\/+$/, '');
  const inside = /^\/v2(?:\/(.*))?$/.exec(path);
  if (inside === null) return { base: url.origin + path, host: url.host, prefix: '' };
  return { base: url.origin, host: url.host, prefix: inside[1] === undefined ? '' : `${inside[1]}/` };
}

/** Ways to reach a registry, in the order in which to try them. Mirrors only serve pulls. */
export function endpointsOf(domain: string, options: EndpointOptions): readonly Endpoint[] {
  const { registries = {} } = options;
  const own = Object.hasOwn(registries, domain) ? registries[domain] : undefined;
  const urls = [...(own?.mirrors ?? []), ...(domain === DEFAULT_DOMAIN ? options.mirrors : [])];
  const mirrors = [...new Set(urls)].map((url) => mirrorEndpoint(url, domain, options.insecureRegistries));
  const host = domain === DEFAULT_DOMAIN ? DOCKER_HUB : domain;
  const secure: Endpoint = { base: `https://${host}`, host, verify: true, mirror: false };
  if (domain === DEFAULT_DOMAIN || !isInsecure(domain, options.insecureRegistries)) return [...mirrors, secure];
  return [...mirrors, { ...secure, verify: false }, { ...secure, base: `http://${host}`, verify: false }];
}
