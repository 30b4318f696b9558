import type { NetworkContext } from '../context.ts';

/** See NetworkService.rename. Name servers answer from the records, so the next question finds the new names. */
export async function rename(
  { locks, store }: NetworkContext,
  containerId: string,
  dnsNames: readonly string[],
): Promise<void> {
  using _held = await locks.acquire(`sandbox:${containerId}`);
  store.state.transaction(() => {
    for (const endpoint of store.endpointsOf(containerId)) store.putEndpoint({ ...endpoint, dnsNames });
  });
}
