import type { NetworkContext } from '../context.ts';
import { bridgeSettings } from '../drivers/bridge-settings.ts';
import { closeHeld } from '../sandbox/close.ts';

/** See NetworkService.shutdown. */
export async function shutdown(context: NetworkContext, { keep }: { readonly keep: boolean }): Promise<void> {
  context.running.dispose();
  await context.pool.close();
  if (!keep) {
    for (const { containerId } of context.store.sandboxes()) closeHeld(context, containerId);
    await context.background.drain();
    const present = new Set(await context.host.interfaces());
    const bridges = context.store
      .networks()
      .filter(({ driver, foreignBridge }) => driver === 'bridge' && foreignBridge !== true)
      .map((network) => bridgeSettings(network))
      .filter(({ bridge, external }) => !external && present.has(bridge));
    if (bridges.length > 0) await context.host.ip(bridges.map(({ bridge }) => `link del ${bridge}`));
    await context.firewall.destroy();
  }
  await context.background.drain();
  context.names.close();
  await context.ports.close();
}
