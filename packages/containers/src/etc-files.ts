import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { invalid } from '@berth/base';
import type { EndpointRecord, Sandbox } from '@berth/networks';
import type { Container } from './container.ts';
import type { ContainerDeps } from './deps.ts';
import { containerDirectory } from './paths.ts';

/** Files mounted over the image's, in the order they are mounted. */
export const ETC_FILES = ['resolv.conf', 'hostname', 'hosts'] as const;

/** Writes /etc/hostname, /etc/hosts and /etc/resolv.conf for a start. Existing files are rewritten in place: a running container keeps seeing them. */
export async function writeEtcFiles(
  deps: ContainerDeps,
  container: Container,
  sandbox: Sandbox,
  endpoints: readonly EndpointRecord[],
): Promise<void> {
  const directory = containerDirectory(deps, container.id);
  const { settings, host } = container.record;
  await Promise.all([
    writeFile(join(directory, 'hostname'), `${settings.hostname}\n`, { mode: 0o644 }),
    writeFile(join(directory, 'hosts'), hostsFile(container, endpoints, host.extraHosts ?? []), { mode: 0o644 }),
    writeFile(join(directory, 'resolv.conf'), resolvConf(deps, container, sandbox), { mode: 0o644 }),
  ]);
}

export function hostsFile(container: Container, endpoints: readonly EndpointRecord[], extraHosts: readonly string[]): string {
  const { hostname, domainname } = container.record.settings;
  const lines = [
    '127.0.0.1\tlocalhost',
    '::1\tlocalhost ip6-localhost ip6-loopback',
    'fe00::\tip6-localnet',
    'ff00::\tip6-mcastprefix',
    'ff02::1\tip6-allnodes',
    'ff02::2\tip6-allrouters',
  ];
  const names = domainname ? `${hostname}.${domainname} ${hostname}` : hostname;
  const gateway = endpoints.find((e) => e.gateway !== undefined)?.gateway;
  for (const entry of extraHosts) lines.push(extraHostLine(entry, gateway));
  for (const endpoint of endpoints) {
    if (endpoint.ipv4) lines.push(`${addressOf(endpoint.ipv4)}\t${names}`);
    if (endpoint.ipv6) lines.push(`${addressOf(endpoint.ipv6)}\t${names}`);
  }
  return `${lines.join('\n')}\n`;
}

const addressOf = (cidr: string): string => cidr.split('/')[0] ?? cidr;

function extraHostLine(entry: string, gateway: string | undefined): string {
  const at = entry.indexOf(':') >= 0 ? entry.indexOf(':') : entry.indexOf('=');
  const name = entry.slice(0, at);
  const address = entry.slice(at + 1);
  if (at <= 0 || address === '') throw invalid(`bad format for add-host: "${entry}"`);
  if (address !== 'host-gateway') return `${address.replace(/^\[|\]$/g, '')}\t${name}`;
  if (gateway === undefined) throw invalid('unable to derive the IP value for host-gateway');
  return `${gateway}\t${name}`;
}

function resolvConf(deps: ContainerDeps, container: Container, sandbox: Sandbox): string {
  const { host } = container.record;
  const { nameservers, search, options } = sandbox.resolvConf;
  // On a user-defined network the container asks the daemon's name server, which was given --dns as its upstreams.
  const servers = nameservers.includes('127.0.0.11') ? nameservers : pick(host.dns, deps.defaults.dns, nameservers);
  const domains = pick(host.dnsSearch, deps.defaults.dnsSearch, search).filter((d) => d !== '.');
  const flags = pick(host.dnsOptions, deps.defaults.dnsOptions, options);
  return [
    ...servers.map((server) => `nameserver ${server}`),
    ...(domains.length > 0 ? [`search ${domains.join(' ')}`] : []),
    ...(flags.length > 0 ? [`options ${flags.join(' ')}`] : []),
    '',
  ].join('\n');
}

const pick = (...choices: readonly (readonly string[] | null | undefined)[]): readonly string[] =>
  choices.find((choice) => choice && choice.length > 0) ?? [];
