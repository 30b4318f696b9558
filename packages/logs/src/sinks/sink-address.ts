import { statSync } from 'node:fs';
import { invalid, messageOf } from '@berth/base';

/** `proto://host:port` or `unix:///path` taken apart. */
export type SinkAddress =
  | { readonly scheme: 'unix'; readonly path: string }
  | { readonly scheme: 'unixgram'; readonly path: string }
  | { readonly scheme: 'tcp' | 'tcp+tls' | 'udp'; readonly host: string; readonly port: number };

const PORT = /:(\d{1,5})$/;

/** Reads `[host]:port`; brackets around an IPv6 address are taken off. Throws `invalid`. */
export function parseHostPort(
  text: string,
  defaultPort: number | undefined,
  subject: string,
): { host: string; port: number } {
  const port = PORT.exec(text)?.[1] ?? (/:/.test(text.replace(/\[.*\]/, '')) ? undefined : defaultPort);
  const host = text.replace(PORT, '').replace(/^\[(.*)\]$/, '$1');
  const number = Number(port);
  if (port === undefined || number > 65_535)
    throw invalid(`${subject}: address ${text}: missing or invalid port in address`);
  return { host: host || 'localhost', port: number };
}

/** Splits `scheme://rest`; undefined when there is no scheme. */
export function splitScheme(address: string): { readonly scheme: string; readonly rest: string } | undefined {
  const found = /^([a-z][a-z0-9+]*):\/\/(.*)$/s.exec(address);
  return found === null ? undefined : { scheme: found[1] ?? '', rest: found[2] ?? '' };
}

/** Checks that the socket is there, as dockerd does at create. Throws `invalid`. */
export function assertSocket(path: string): string {
  try {
    statSync(path);
    return path;
  } catch (cause) {
    const missing = /ENOENT/.test(messageOf(cause));
    throw invalid(`stat ${path}: ${missing ? 'no such file or directory' : messageOf(cause)}`, { cause });
  }
}
