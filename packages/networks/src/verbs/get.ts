import { invalid, notFound } from '@berth/base';
import type { NetworkContext } from '../context.ts';
import type { NetworkRecord } from '../network-driver.ts';

/** By full ID, name, or unique ID prefix. Throws `notFound`, or `invalid` when a prefix fits several. */
export function getNetwork({ store }: Pick<NetworkContext, 'store'>, nameOrId: string): NetworkRecord {
  const all = store.networks();
  const exact = store.network(nameOrId) ?? all.find(({ name }) => name === nameOrId);
  if (exact) return exact;
  const [found, ...others] = nameOrId === '' ? [] : all.filter(({ id }) => id.startsWith(nameOrId));
  if (!found) throw notFound(`network ${nameOrId} not found`);
  if (others.length > 0)
    throw invalid(`network ${nameOrId} is ambiguous (${others.length + 1} matches found based on ID prefix)`);
  return found;
}
