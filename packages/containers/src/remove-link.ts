import { internal, notFound } from '@berth/base';
import type { ContainerDeps } from './deps.ts';
import { followNetworks } from './etc-files.ts';
import { hasLegacyLinks, linksOf, parseLink } from './links.ts';

/** `rm --link parent/alias`: the link goes, both containers stay. A running one reaches the other by it no more. */
export async function removeLink(deps: ContainerDeps, name: string): Promise<void> {
  const { store, networks } = deps;
  const [, parentName = '', alias = ''] = /^\/?([^/]+)(?:\/(.*))?$/.exec(name) ?? [];
  const path = `/${parentName}${alias === '' ? '' : `/${alias}`}`;
  if (alias === '') {
    store.get(name);
    throw internal('Conflict, cannot remove the default link name of the container');
  }
  const parent = store.find(parentName);
  if (!parent) throw internal(`Cannot get parent /${parentName} for link name ${path}`);
  using _held = await deps.lock.acquire(parent.id);
  const links = parent.record.host.links ?? [];
  const kept = links.filter((text) => parseLink(text).alias !== alias);
  if (!hasLegacyLinks(parent.record.host) || kept.length === links.length) throw notFound(`No such container: ${name}`);
  store.setRecord(parent, { host: { ...parent.record.host, links: kept } });
  if (!parent.isRunning) return;
  const left = linksOf(store, parent).map((link) => ({ containerId: link.target.id, alias: link.alias }));
  await followNetworks(deps, parent, () => networks.relink(parent.id, left));
}
