import { join } from 'node:path';
import { type Logger, randomId } from '@berth/base';
import type { Background } from '../background.ts';
import type { BridgeDriver } from '../drivers/bridge.ts';
import type { HostTools } from '../host-tools.ts';
import type { AddressAllocator } from '../ipam/allocator.ts';
import { macFor } from '../ipam/mac.ts';
import type { NetworkRecord } from '../network-driver.ts';
import type { PreparedLink } from './sandbox-record.ts';

/** A namespace made before anybody asked: loopback up and, when `link` is there, connected to the default bridge. */
export interface ReadyNamespace {
  /** File name below the namespace directory. */
  readonly netns: string;
  readonly link?: PreparedLink;
}

export interface SandboxPool {
  /** The oldest ready one, or undefined; either way a new one is made in the background. */
  take(kind: 'connected' | 'plain'): ReadyNamespace | undefined;
  /** Starts filling. */
  start(): void;
  /** Stops filling and removes what nobody took. */
  close(): Promise<void>;
  /** Gives back the addresses held, for a network that ran out of them; filling goes on only with what stays free. */
  surrender(): Promise<void>;
}

export interface SandboxPoolOptions {
  readonly directory: string;
  readonly sizes: { readonly connected: number; readonly plain: number };
  readonly host: HostTools;
  readonly bridge: BridgeDriver;
  readonly allocator: AddressAllocator;
  readonly background: Background;
  /** The network `connected` namespaces are on; undefined when there is none. */
  readonly defaultNetwork: () => NetworkRecord | undefined;
  readonly newInterfaceName: () => string;
  readonly logger: Logger;
}

export const poolOwner = (netns: string): string => `pool:${netns}`;

export function createSandboxPool(options: SandboxPoolOptions): SandboxPool {
  const { host, allocator, background, bridge, directory } = options;
  const ready = { connected: [] as ReadyNamespace[], plain: [] as ReadyNamespace[] };
  let filling = false;
  let open = false;
  let surrendered = false;

  const discard = async (namespace: ReadyNamespace): Promise<void> => {
    allocator.release(poolOwner(namespace.netns));
    // One that somebody holds in a mount namespace of his own is left to the next start.
    await host
      .removeNetns(join(directory, namespace.netns))
      .catch((error: unknown) => options.logger.warn('a ready namespace stays', { netns: namespace.netns, error }));
  };

  const make = async (connected: number, plain: number): Promise<void> => {
    const network = connected > 0 ? options.defaultNetwork() : undefined;
    const made: ReadyNamespace[] = [];
    try {
      for (let i = 0; i < plain + (network ? connected : 0); i++) {
        const netns = `ready-${randomId().slice(0, 16)}`;
        await host.createNetns(join(directory, netns));
        made.push({ netns });
        if (!network) await host.ipIn(join(directory, netns), ['link set lo up']);
      }
      const linked = network ? made.splice(0, connected).map((it) => withLink(network, it)) : [];
      made.push(...linked);
      if (network)
        await bridge.prepare(
          network,
          linked.flatMap(({ netns, link }) => (link ? [{ netns: join(directory, netns), link }] : [])),
        );
      if (!open) throw new Error('closed');
      for (const it of made) ready[it.link ? 'connected' : 'plain'].push(it);
    } catch (error) {
      for (const it of made) await discard(it);
      if (open) throw error;
    }
  };

  const withLink = (network: NetworkRecord, { netns }: ReadyNamespace): ReadyNamespace => {
    const ipv4 = allocator.allocate(network, 4, poolOwner(netns));
    if (ipv4 === undefined) return { netns };
    const ipv6 = network.enableIPv6 ? allocator.allocate(network, 6, poolOwner(netns)) : undefined;
    return {
      netns,
      link: {
        hostInterface: options.newInterfaceName(),
        macAddress: macFor(ipv4),
        ipv4,
        ...(ipv6 === undefined ? {} : { ipv6 }),
      },
    };
  };

  const fill = (): void => {
    if (filling || !open) return;
    filling = true;
    void background.run('filling the pool of network namespaces', async () => {
      try {
        for (;;) {
          const connected =
            !surrendered && options.defaultNetwork() ? options.sizes.connected - ready.connected.length : 0;
          const plain = options.sizes.plain - ready.plain.length;
          if (!open || (connected <= 0 && plain <= 0)) return;
          // One at a time keeps the event loop free for the starts that emptied the pool.
          await make(connected > 0 ? 1 : 0, connected > 0 ? 0 : 1);
        }
      } finally {
        filling = false;
      }
    });
  };

  const empty = async (list: ReadyNamespace[]): Promise<void> => {
    for (const it of list.splice(0)) await discard(it);
  };

  return {
    take(kind) {
      const found = ready[kind].shift();
      if (found) queueRefill(fill);
      return found;
    },
    start() {
      open = true;
      fill();
    },
    async close() {
      open = false;
      await background.drain();
      await empty(ready.connected);
      await empty(ready.plain);
    },
    async surrender() {
      surrendered = true;
      await empty(ready.connected);
    },
  };
}

/** Refilling waits until the start that took from the pool, and the exit of a short run, are over. */
const REFILL_DELAY_MS = 35;

function queueRefill(fill: () => void): void {
  setTimeout(fill, REFILL_DELAY_MS).unref();
}
