import { conflict, invalid, messageOf } from '@berth/base';
import type { ConnectInput } from '@berth/networks';
import type { Container } from './container.ts';
import type { ContainerDeps } from './deps.ts';
import type { ContainerStore } from './store.ts';
import type { HostSettings } from './types.ts';

/** `container`, `container:alias` or, as inspect shows it, `/container:/self/alias`. Throws `invalid` on anything else. */
export function parseLink(text: string): { readonly container: string; readonly alias: string } {
  const [container = '', alias = container, ...rest] = text.split(':');
  const last = alias.slice(alias.lastIndexOf('/') + 1);
  const name = container.replace(/^\//, '');
  if (rest.length > 0 || name === '' || last === '') throw invalid(`bad format for links: ${text}`);
  return { container: name, alias: last };
}

/** At create: every container that is linked to exists. */
export function checkLinks(store: ContainerStore, { links, networkMode = '' }: HostSettings): void {
  for (const text of links ?? []) {
    const { container } = parseLink(text);
    const kind = networkMode === 'host' ? 'host type networking' : 'container type network';
    if (networkMode === 'host' || networkMode.startsWith('container:'))
      throw invalid(`conflicting options: ${kind} can't be used with links. This would result in undefined behavior`);
    try {
      store.get(container);
    } catch (cause) {
      throw invalid(`could not get container for ${container}: ${messageOf(cause)}`, { cause });
    }
  }
}

/** At start: whom the names stand for. On the default bridge, where only a running container has an address, all must run. */
export function resolveLinks(
  { store }: ContainerDeps,
  container: Container,
  links: readonly string[],
  mustRun: boolean,
): NonNullable<ConnectInput['links']> {
  return links.map((text) => {
    const link = parseLink(text);
    const target = store.get(link.container);
    if (mustRun && !target.isRunning)
      throw conflict(`Cannot link to a non running container: /${target.name} AS /${container.name}/${link.alias}`);
    return { containerId: target.id, alias: link.alias };
  });
}
