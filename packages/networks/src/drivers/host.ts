import type { NetworkDriver } from '../network-driver.ts';

const nothing = (): Promise<void> => Promise.resolve();

/** The network `host`: the daemon's own namespace, which nothing is done to. */
export function createHostDriver(): NetworkDriver {
  return {
    name: 'host',
    hasAddresses: false,
    create: nothing,
    remove: nothing,
    attach: nothing,
    detach: nothing,
    route: nothing,
  };
}
