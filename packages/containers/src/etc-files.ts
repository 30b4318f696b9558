import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Container } from './container.ts';
import type { ContainerDeps } from './deps.ts';
import { followHosts, renewAddresses } from './hosts-edit.ts';
import { linksOf } from './links.ts';
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
  const { hostname } = container.record.settings;
  const { hosts, resolv } = await networkFiles(deps, container);
  await Promise.all([
    writeFile(join(directory, 'hostname'), `${hostname}\n`, { mode: 0o644 }),
    writeFile(join(directory, 'hosts'), hosts, { mode: 0o644 }),
    writeFile(join(directory, 'resolv.conf'), resolv, { mode: 0o644 }),
  ]);
}

/** Makes a change to a running container's networks and brings its files up to it; what the container wrote into them stays. */
export async function followNetworks(
  deps: ContainerDeps,
  container: Container,
  change: () => Promise<unknown>,
): Promise<void> {
  const before = await networkFiles(deps, container);
  await change();
  const after = await networkFiles(deps, container);
  const directory = containerDirectory(deps, container.id);
  await edit(join(directory, 'hosts'), (text) => followHosts(text, before.hosts, after.hosts));
  await edit(join(directory, 'resolv.conf'), (text) => (text === before.resolv ? after.resolv : text));
}

/** Once a container has its address: those that run and are linked to it find it there. */
export async function tellLinked(deps: ContainerDeps, container: Container): Promise<void> {
  for (const other of deps.store.list()) {
    if (!other.isRunning || !linksOf(deps.store, other).some(({ target }) => target === container)) continue;
    const { hosts } = await networkFiles(deps, other);
    await edit(join(containerDirectory(deps, other.id), 'hosts'), (text) => renewAddresses(text, hosts)).catch(
      (error: unknown) =>
        deps.logger.warn('the hosts file of a linked container stays', { container: other.id, error }),
    );
  }
}

interface NetworkFiles {
  readonly hosts: string;
  readonly resolv: string;
}

async function networkFiles(deps: ContainerDeps, container: Container): Promise<NetworkFiles> {
  const { settings, host } = container.record;
  const hosts = deps.networks.hostsFile(container.id, {
    hostname: settings.hostname,
    ...(settings.domainname ? { domainname: settings.domainname } : {}),
    extraHosts: host.extraHosts ?? [],
    ...(networkModeOf(container) === 'host' ? { base: await readFile('/etc/hosts', 'utf8').catch(() => '') } : {}),
  });
  return { hosts, resolv: resolvConf(deps, container) };
}

/** In place: the file is mounted. */
async function edit(path: string, change: (text: string) => string): Promise<void> {
  const text = await readFile(path, 'utf8');
  const changed = change(text);
  if (changed !== text) await writeFile(path, changed);
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
