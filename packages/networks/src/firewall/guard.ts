import { setInterval } from 'node:timers';
import type { NetworkContext } from '../context.ts';
import { linkElements } from './links.ts';
import { type Element, networkElements, portElements } from './ruleset.ts';

/** How long a foreign flush of the ruleset goes unnoticed; a look costs a few microseconds. */
const LOOK_EVERY_MS = 1000;

/** All the instance's table holds, by the records. */
export function allElements({ store }: Pick<NetworkContext, 'store'>): readonly Element[] {
  const bridges = store.networks().filter(({ driver }) => driver === 'bridge');
  return [
    ...bridges.flatMap(networkElements),
    ...bridges.flatMap((network) => linkElements(network, store.endpointsOn(network.id))),
    ...store.endpoints().flatMap(portElements),
  ];
}

/** Puts back what somebody else flushes, until disposed. */
export function guardFirewall(context: NetworkContext): Disposable {
  let repairing = false;
  const repair = async (): Promise<void> => {
    // Whoever holds these is about to change both records and table.
    using _networks = await context.locks.acquire('networks');
    using _ports = await context.locks.acquire('ports');
    if (!context.firewall.isDamaged()) return;
    await context.firewall.rebuild(allElements(context));
    context.logger.warn('the nft table was changed by somebody else, and was put back');
  };
  const look = (): void => {
    try {
      if (repairing || !context.firewall.isDamaged()) return;
    } catch (error) {
      context.logger.debug('the ruleset cannot be looked at', { error });
      return;
    }
    repairing = true;
    void context.background.run('repair of the nft table', () => repair().finally(() => (repairing = false)));
  };
  const timer = setInterval(look, LOOK_EVERY_MS).unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
