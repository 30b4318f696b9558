import { conflict, invalid, messageOf } from '@berth/base';
import type { ConnectInput } from '@berth/networks';
import type { Container } from './container.ts';
import type { ContainerDeps } from './deps.ts';
import type { ContainerStore } from './store.ts';
import type { HostSettings } from './types.ts';

/** A container another one is linked to on the default bridge, and its name there. */
export interface Link {
  readonly target: Container;
  readonly alias: string;
}

/** `container`, `container:alias` or, as inspect shows it, `/container:/self/alias`. Throws `invalid` on anything else. */
export function parseLink(text: string): { readonly container: string; readonly alias: string } {
  const [container = '', alias = container, ...rest] = text.split(':');
  const last = alias.slice(alias.lastIndexOf('/') + 1);
  const name = container.replace(/^\//, '');
  if (rest.length > 0 || name === '' || last === '') throw invalid(`bad format for links: ${text}`);
  return { container: name, alias: last };
}

/** Links belong to the default bridge; on a network of the user's they are names of that network alone. */
export function hasLegacyLinks({ networkMode = '' }: HostSettings): boolean {
  return ['', 'default', 'bridge'].includes(networkMode);
}

/** At create: every container that is linked to exists. Links of the default bridge are kept by ID, as names change. */
export function bindLinks(store: ContainerStore, host: HostSettings): HostSettings {
  const { links, networkMode = '' } = host;
  if (!links || links.length === 0) return host;
  const refuse = (kind: string): never => {
    throw invalid(`conflicting options: ${kind} can't be used with links. This would result in undefined behavior`);
  };
  if (networkMode === 'host') refuse('host type networking');
  if (networkMode.startsWith('container:')) refuse('container type network');
  const bound = links.map((text) => {
    const { container, alias } = parseLink(text);
    const target = ownerOfNetwork(store, known(store, container));
    if (target.record.host.networkMode === 'host') refuse('host type networking');
    return `${target.id}:${alias}`;
  });
  return hasLegacyLinks(host) ? { ...host, links: bound } : host;
}

function known(store: ContainerStore, name: string): Container {
  try {
    return store.get(name);
  } catch (cause) {
    throw invalid(`could not get container for ${name}: ${messageOf(cause)}`, { cause });
  }
}

function ownerOfNetwork(store: ContainerStore, container: Container): Container {
  const { networkMode = '' } = container.record.host;
  return networkMode.startsWith('container:')
    ? ownerOfNetwork(store, known(store, networkMode.slice('container:'.length)))
    : container;
}

/** The links of the default bridge whose containers are still there. */
export function linksOf(store: ContainerStore, { record }: Container): readonly Link[] {
  if (!record.host.links?.length || !hasLegacyLinks(record.host)) return [];
  return record.host.links.flatMap((text) => {
    const { container, alias } = parseLink(text);
    const target = store.find(container);
    return target ? [{ target, alias }] : [];
  });
}

/** As inspect shows them: `/target:/this/alias`. */
export function describeLinks(store: ContainerStore, container: Container): readonly string[] {
  return linksOf(store, container).map(({ target, alias }) => `/${target.name}:/${container.name}/${alias}`);
}

/** The names that containers have by others' links to them, by container ID: `/other/alias`. */
export function linkNames(store: ContainerStore): ReadonlyMap<string, readonly string[]> {
  const names = new Map<string, string[]>();
  for (const other of store.list())
    for (const { target, alias } of linksOf(store, other)) {
      const known = names.get(target.id) ?? [];
      names.set(target.id, [...known, `/${other.name}/${alias}`]);
    }
  return names;
}

/** At start: whom the names stand for on the default bridge, where only a running container has an address. */
export function resolveLegacyLinks(
  { store, networks }: ContainerDeps,
  container: Container,
): NonNullable<ConnectInput['links']> {
  return linksOf(store, container).map(({ target, alias }) => {
    if (!target.isRunning)
      throw conflict(`Cannot link to a non running container: /${target.name} AS /${container.name}/${alias}`);
    const bridge = networks.get('bridge').id;
    if (!networks.endpointsOf(target.id).some(({ networkId }) => networkId === bridge))
      throw conflict(`container ${target.id} not attached to default bridge network`);
    return { containerId: target.id, alias };
  });
}

/** At start, on a network of the user's: names for this container alone, of containers that may come and go. */
export function resolveLinks({ store }: ContainerDeps, links: readonly string[]): NonNullable<ConnectInput['links']> {
  return links.map((text) => {
    const { container, alias } = parseLink(text);
    return { containerId: store.find(container)?.id ?? container, alias };
  });
}
