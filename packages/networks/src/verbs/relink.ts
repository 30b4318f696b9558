import { defaultNetwork, type NetworkContext } from '../context.ts';
import { linkElementsOf } from '../firewall/links.ts';
import type { ConnectInput } from '../network-service.ts';

/** See NetworkService.relink. */
export async function relink(
  context: NetworkContext,
  containerId: string,
  links: NonNullable<ConnectInput['links']>,
): Promise<void> {
  using _held = await context.locks.acquire(`sandbox:${containerId}`);
  const { store, firewall } = context;
  const network = defaultNetwork(store);
  const endpoint = store.endpointsOf(containerId).find(({ networkId }) => networkId === network?.id);
  if (!network || !endpoint) return;
  const changed = { ...endpoint, links };
  const before = linkElementsOf(context, network, endpoint);
  const after = linkElementsOf(context, network, changed);
  const isIn = (list: typeof before) => (one: (typeof before)[number]) =>
    list.some(({ element }) => element === one.element);
  store.putEndpoint(changed);
  await firewall.add(after.filter((each) => !isIn(before)(each)));
  await firewall.remove(before.filter((each) => !isIn(after)(each)));
}
