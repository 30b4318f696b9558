import type { NetworkDriver } from '../network-driver.ts';

const nothing = (): Promise<void> => Promise.resolve();

/** The network `none`: a namespace with loopback only. */
export function createNullDriver(): NetworkDriver {
  return {
    name: 'null',
    hasAddresses: false,
    create: nothing,
    remove: nothing,
    attach: nothing,
    detach: nothing,
    route: nothing,
  };
}
