import { readFileSync } from 'node:fs';
import { parseIp } from '../ipam/cidr.ts';

/** resolv.conf(5) as data. */
export interface ResolvConf {
  readonly nameservers: readonly string[];
  readonly search: readonly string[];
  readonly options: readonly string[];
}

export function parseResolvConf(text: string): ResolvConf {
  const nameservers: string[] = [];
  const options: string[] = [];
  let search: readonly string[] = [];
  for (const line of text.split('\n')) {
    const [keyword, ...words] = line
      .replace(/[#;].*/, '')
      .trim()
      .split(/\s+/);
    if (keyword === 'nameserver' && words[0] !== undefined) nameservers.push(words[0]);
    else if (keyword === 'search' || keyword === 'domain') search = words;
    else if (keyword === 'options') options.push(...words);
  }
  return { nameservers, search, options };
}

export function formatResolvConf({ nameservers, search, options }: ResolvConf): string {
  return [
    ...nameservers.map((server) => `nameserver ${server}\n`),
    ...(search.length > 0 ? [`search ${search.join(' ')}\n`] : []),
    ...(options.length > 0 ? [`options ${options.join(' ')}\n`] : []),
  ].join('');
}

/** A missing file reads as empty, as the C library takes it. */
export function readHostResolvConf(path = '/etc/resolv.conf'): ResolvConf {
  try {
    return parseResolvConf(readFileSync(path, 'utf8'));
  } catch {
    return { nameservers: [], search: [], options: [] };
  }
}

/** Whether a container cannot reach the server at this address: it would be its own loopback. */
export function isLoopback(server: string): boolean {
  const address = server.split(/[%#]/)[0] ?? '';
  const ip = parseIp(address);
  return ip !== undefined && (ip.family === 4 ? ip.value >> 24n === 127n : ip.value === 1n);
}
