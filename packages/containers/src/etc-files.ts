import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Container } from './container.ts';
import type { ContainerDeps } from './deps.ts';
import { networkModeOf } from './network.ts';
import { containerDirectory } from './paths.ts';

/** Files mounted over the image's. */
export const ETC_FILES = ['resolv.conf', 'hostname', 'hosts'] as const;

/** Where a container's files are: who shares another's network sees that one's. */
export const etcDirectory = (deps: ContainerDeps, container: Container): string =>
  containerDirectory(deps, networkOwner(deps, container).id);

function networkOwner(deps: ContainerDeps, container: Container): Container {
  const mode = networkModeOf(container);
  if (!mode.startsWith('container:')) return container;
  const target = deps.store.get(mode.slice('container:'.length));
  return target === container ? container : networkOwner(deps, target);
}

/** Writes /etc/hostname, /etc/hosts and /etc/resolv.conf, in place: a running container keeps seeing the same files. */
export async function writeEtcFiles(deps: ContainerDeps, container: Container): Promise<void> {
  const owner = networkOwner(deps, container);
  if (owner !== container) return shareIdentity(deps, container, owner);
  const directory = containerDirectory(deps, container.id);
  const { settings, host } = container.record;
  const hosts = deps.networks.hostsFile(container.id, {
    hostname: settings.hostname,
    ...(settings.domainname ? { domainname: settings.domainname } : {}),
    extraHosts: host.extraHosts ?? [],
    ...(networkModeOf(container) === 'host' ? { base: await readFile('/etc/hosts', 'utf8').catch(() => '') } : {}),
  });
  await Promise.all([
    writeFile(join(directory, 'hostname'), `${settings.hostname}\n`, { mode: 0o644 }),
    writeFile(join(directory, 'hosts'), hosts, { mode: 0o644 }),
    writeFile(join(directory, 'resolv.conf'), resolvConf(deps, container), { mode: 0o644 }),
  ]);
}

function shareIdentity(deps: ContainerDeps, container: Container, { record }: Container): void {
  const { hostname, domainname } = record.settings;
  deps.store.setRecord(container, { settings: { ...container.record.settings, hostname, domainname } });
}

function resolvConf(deps: ContainerDeps, container: Container): string {
  const { nameservers = [], search = [], options = [] } = deps.networks.sandbox(container.id)?.resolvConf ?? {};
  return [
    ...nameservers.map((server) => `nameserver ${server}`),
    ...(search.length > 0 ? [`search ${search.join(' ')}`] : []),
    ...(options.length > 0 ? [`options ${options.join(' ')}`] : []),
    '',
  ].join('\n');
}
