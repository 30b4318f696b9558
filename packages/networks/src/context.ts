import { createHash, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { type EmitEvent, invalid, KeyedLock, type Logger, notFound } from '@berth/base';
import { type Background, createBackground } from './background.ts';
import { createNameServer, type NameServer } from './dns/name-server.ts';
import { type ResolvConf, readHostResolvConf } from './dns/resolv-conf.ts';
import { type BridgeDriver, createBridgeDriver } from './drivers/bridge.ts';
import { createHostDriver } from './drivers/host.ts';
import { createNullDriver } from './drivers/null.ts';
import { createVlanDriver } from './drivers/vlan.ts';
import { createFirewall, createNoFirewall, type Firewall } from './firewall/firewall.ts';
import { allElements } from './firewall/guard.ts';
import { createHostTools, type HostTools } from './host-tools.ts';
import { AddressAllocator } from './ipam/allocator.ts';
import { LastAddresses } from './ipam/last-addresses.ts';
import { DEFAULT_POOLS, validatePools } from './ipam/pools.ts';
import type { NetworkDriver, NetworkRecord } from './network-driver.ts';
import type { BridgeOptions, NetworkServiceOptions } from './options.ts';
import { createPortHolder, type PortHolder } from './ports/port-holder.ts';
import { createSandboxPool, type SandboxPool } from './sandbox/pool.ts';
import { NetworkStore } from './store.ts';

/** What the verbs of the service share. */
export interface NetworkContext {
  readonly store: NetworkStore;
  readonly allocator: AddressAllocator;
  readonly lastAddresses: LastAddresses;
  readonly host: HostTools;
  readonly firewall: Firewall;
  readonly bridgeDriver: BridgeDriver;
  readonly ports: PortHolder;
  readonly names: NameServer;
  readonly pool: SandboxPool;
  readonly background: Background;
  readonly locks: KeyedLock;
  /** IDs of networks whose removal is under way: nobody connects to them any more. */
  readonly removing: Set<string>;
  /** Work that goes on until shutdown. */
  readonly running: DisposableStack;
  readonly logger: Logger;
  readonly emit: EmitEvent;
  readonly options: NetworkServiceOptions;
  readonly bridge: BridgeOptions;
  readonly netnsDirectory: string;
  driver(name: string): NetworkDriver;
  newInterfaceName(): string;
  /** Whether an interface of the host was made by this instance for an endpoint. */
  isOwnInterface(name: string): boolean;
  hostResolvConf(): ResolvConf;
}

/** Name of the instance's nft table. */
export function tableName(instance: string): string {
  return `berth_${instance}`;
}

export function createContext(options: NetworkServiceOptions): NetworkContext {
  const { state, instance, logger } = options;
  if (!/^[a-z0-9]{1,16}$/.test(instance)) throw invalid(`invalid instance name "${instance}" for networks`);
  const bridge = options.bridge ?? {};
  validatePools(bridge.defaultAddressPools ?? DEFAULT_POOLS);
  const host = options.host ?? createHostTools();
  const store = new NetworkStore(state);
  const allocator = new AddressAllocator(state);
  const firewall =
    bridge.firewall === false
      ? createNoFirewall()
      : createFirewall(host, tableName(instance), () => allElements({ store }));
  const background = createBackground(logger);
  const netnsDirectory = join(options.execRoot, 'netns');
  const mark = createHash('sha256').update(instance).digest('hex').slice(0, 5);
  const prefix = `bv${mark}`;
  const newInterfaceName = (): string => `${prefix}${randomBytes(4).toString('hex')}`;
  const bridgeDriver = createBridgeDriver({
    host,
    firewall,
    logger,
    endpointsOn: (id) => store.endpointsOn(id),
    forwardIpv6: bridge.ipForward !== false,
    defaultMtu: mtuSource(host, bridge),
  });
  const drivers = new Map<string, NetworkDriver>(
    [
      bridgeDriver,
      createHostDriver(),
      createNullDriver(),
      createVlanDriver('macvlan', { host, networks: () => store.networks() }),
      createVlanDriver('ipvlan', { host, networks: () => store.networks() }),
    ].map((driver) => [driver.name, driver]),
  );
  const pool = createSandboxPool({
    logger,
    directory: netnsDirectory,
    sizes: { connected: options.ready?.connected ?? 4, plain: options.ready?.plain ?? 2 },
    host,
    bridge: bridgeDriver,
    allocator,
    background,
    defaultNetwork: () => defaultNetwork(store),
    newInterfaceName,
  });
  const hostResolvConf = (): ResolvConf => readHostResolvConf(options.resolvConfPath);
  return {
    store,
    allocator,
    lastAddresses: new LastAddresses(),
    host,
    firewall,
    bridgeDriver,
    ports: createPortHolder(host, logger),
    names: createNameServer({ host, logger }),
    pool,
    background,
    locks: new KeyedLock(),
    removing: new Set(),
    running: new DisposableStack(),
    logger,
    emit: options.emit,
    options,
    bridge,
    netnsDirectory,
    newInterfaceName,
    isOwnInterface: (name) => name.startsWith(prefix),
    hostResolvConf,
    driver(name) {
      const driver = drivers.get(name);
      if (!driver) throw notFound(`could not find plugin ${name} in v1 plugin registry: plugin "${name}" not found`);
      return driver;
    },
  };
}

export function defaultNetwork(store: NetworkStore): NetworkRecord | undefined {
  return store
    .networks()
    .find(({ name, predefined, driver }) => predefined && driver === 'bridge' && name === 'bridge');
}

function mtuSource(host: HostTools, bridge: BridgeOptions): () => Promise<number> {
  let known: number | undefined;
  return async () => {
    known ??= bridge.mtu ?? Math.min((await host.defaultMtu().catch(() => undefined)) ?? 1500, 1500);
    return known;
  };
}
