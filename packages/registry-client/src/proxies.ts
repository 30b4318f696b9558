import { BlockList, isIP } from 'node:net';
import { invalid } from '@berth/base';
import { bareHost, isLoopbackHost } from './hosts.ts';

/** Proxies for what leaves this host, as the environment variables of the same names mean them. */
export interface ProxySettings {
  /** URL for `http:` targets; may hold `user:password@`. */
  readonly http?: string | undefined;
  /** URL for `https:` targets. */
  readonly https?: string | undefined;
  /** Comma-separated hosts, `.domain`s, addresses and CIDRs reached directly, each with an optional port; `*` is all. */
  readonly none?: string | undefined;
}

/** `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`, in either case. */
export function proxiesFromEnvironment(environment: Readonly<Record<string, string | undefined>>): ProxySettings {
  const read = (name: string): string | undefined => environment[name] || environment[name.toLowerCase()] || undefined;
  return { http: read('HTTP_PROXY'), https: read('HTTPS_PROXY'), none: read('NO_PROXY') };
}

/** Throws `invalid`, which shows nothing of it, for what is no proxy's address. */
export function parseProxy(text: string): URL {
  const url = URL.parse(/^[a-z0-9+]+:\/\//i.test(text) ? text : `http://${text}`);
  if (url === null || !/^(https?|socks5):$/.test(url.protocol) || url.hostname === '')
    throw invalid('invalid proxy address: expected http://host:port, https://host:port or socks5://host:port');
  return url;
}

/** A proxy's address to show to users: user and password, and what cannot be read, are crossed out. */
export function maskProxy(text: string | undefined): string {
  if (text === undefined || text === '') return '';
  const url = URL.parse(/^[a-z0-9+]+:\/\//i.test(text) ? text : `http://${text}`);
  if (url === null) return 'xxxxx';
  const secret = url.username !== '' || url.password !== '';
  return `${url.protocol}//${secret ? 'xxxxx:xxxxx@' : ''}${url.host}`;
}

const inSubnet = (host: string, entry: string): boolean => {
  const [network = '', bits = ''] = entry.split('/');
  const family = isIP(network);
  if (family === 0 || isIP(host) !== family || !/^\d{1,3}$/.test(bits) || Number(bits) > (family === 4 ? 32 : 128))
    return false;
  const list = new BlockList();
  list.addSubnet(network, Number(bits), family === 4 ? 'ipv4' : 'ipv6');
  return list.check(host, family === 4 ? 'ipv4' : 'ipv6');
};

const splitPort = (entry: string): readonly [string, string | undefined] => {
  if (isIP(entry) === 6) return [entry, undefined];
  const found = /^(.*):(\d+)$/.exec(entry);
  return found === null ? [bareHost(entry), undefined] : [bareHost(found[1] ?? ''), found[2]];
};

const matches = (host: string, port: string, entry: string): boolean => {
  if (entry === '*') return true;
  if (entry.includes('/')) return inSubnet(host, entry);
  const [name, only] = splitPort(entry);
  if (name === '' || (only !== undefined && only !== port)) return false;
  if (isIP(name) !== 0) return name === host;
  const domain = name.replace(/^\*?\./, '');
  return host.endsWith(`.${domain}`) || (!/^\*?\./.test(name) && host === domain);
};

/** The proxy for a URL; undefined to go there directly, as loopback always is. */
export function proxyFor(url: URL, settings: ProxySettings): URL | undefined {
  const proxy = url.protocol === 'https:' ? settings.https : settings.http;
  if (proxy === undefined || proxy === '') return undefined;
  const host = bareHost(url.hostname).toLowerCase();
  if (isLoopbackHost(host)) return undefined;
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  const listed = (settings.none ?? '').split(',').map((entry) => entry.trim().toLowerCase());
  return listed.some((entry) => matches(host, port, entry)) ? undefined : parseProxy(proxy);
}
