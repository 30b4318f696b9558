import type { NetworkRecord } from './network-driver.ts';

/** Networks made by users have names for their containers; the three that come with the daemon do not. */
export function isUserDefined(network: NetworkRecord): boolean {
  return !network.predefined;
}
