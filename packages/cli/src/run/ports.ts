import { isIP } from 'node:net';
import type { PortBinding } from '@berth/engine-api';
import { UsageError } from '../flags.ts';

export interface Ports {
  readonly exposed: Record<string, Record<string, never>>;
  readonly bindings: Record<string, PortBinding[]> | undefined;
}

/** `[[ip:][hostPort]:]containerPort[/protocol]`, each a port or a range. Throws UsageError. */
export function parsePorts(publish: readonly string[], expose: readonly string[]): Ports {
  const exposed: Record<string, Record<string, never>> = {};
  const bindings: Record<string, PortBinding[]> = {};
  for (const text of publish) {
    for (const { key, binding } of published(text)) {
      exposed[key] = {};
      bindings[key] = [...(bindings[key] ?? []), binding];
    }
  }
  for (const text of expose) for (const port of exposedPorts(text)) exposed[port] = {};
  return { exposed, bindings: publish.length === 0 ? undefined : bindings };
}

function published(text: string): readonly { readonly key: string; readonly binding: PortBinding }[] {
  const { ip, host, inside, protocol } = split(text);
  const ports = range(inside, `invalid containerPort: ${inside}`);
  const hosts = host === '' ? [] : range(host, `invalid hostPort: ${host}`);
  const dynamic = hosts.length > 1 && ports.length === 1;
  if (hosts.length > 0 && !dynamic && hosts.length !== ports.length) {
    throw new UsageError(`invalid ranges specified for container and host Ports: ${inside} and ${host}`);
  }
  return ports.map((port, at) => ({
    key: `${port}/${protocol}`,
    binding: { HostIp: ip, HostPort: dynamic ? host : String(hosts[at] ?? '') },
  }));
}

function split(text: string) {
  if (text.includes('=')) return longForm(text);
  const [, rest = '', protocol = 'tcp'] = /^(.*?)(?:\/([^/]*))?$/s.exec(text) ?? [];
  if (!['tcp', 'udp', 'sctp'].includes(protocol.toLowerCase())) throw new UsageError(`invalid proto: ${protocol}`);
  const [, ip6, afterIp6] = /^\[(.*)\]:(.*)$/.exec(rest) ?? [];
  const parts = (afterIp6 ?? rest).split(':');
  const inside = parts.pop() ?? '';
  const host = parts.pop() ?? '';
  const ip = ip6 ?? parts.join(':');
  if (inside === '') throw new UsageError(`no port specified: ${text || '<empty>'}`);
  if (ip !== '' && isIP(ip) === 0) throw new UsageError(`invalid IP address: ${ip}`);
  return { ip, host, inside, protocol: protocol.toLowerCase() };
}

/** `published=8080,target=80,protocol=tcp`. */
function longForm(text: string) {
  const fields = Object.fromEntries(text.split(',').map((field) => field.split('=') as [string, string]));
  if (!fields['target']) throw new UsageError(`no port specified: ${text}`);
  return {
    ip: '',
    host: fields['published'] ?? '',
    inside: fields['target'] ?? '',
    protocol: fields['protocol'] ?? 'tcp',
  };
}

function exposedPorts(text: string): readonly string[] {
  if (text.includes(':')) throw new UsageError(`invalid port format for --expose: ${text}`);
  const [ports = '', protocol = 'tcp'] = text.split('/');
  return range(ports, `invalid range format for --expose: ${text}`).map((port) => `${port}/${protocol}`);
}

function range(text: string, complaint: string): readonly number[] {
  const [, first, last = first] = /^(\d+)(?:-(\d+))?$/.exec(text) ?? [];
  const [from, to] = [Number(first), Number(last)];
  if (first === undefined || from > to || to > 65535) throw new UsageError(complaint);
  return Array.from({ length: to - from + 1 }, (_, at) => from + at);
}
