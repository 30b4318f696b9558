import { type CallOptions, conflict, forbidden, invalid, randomId, throwIfAborted } from '@berth/base';
import type { NetworkContext } from '../context.ts';
import { BRIDGE_OPTIONS, bridgeSettings, parseFlag } from '../drivers/bridge-settings.ts';
import type { NetworkRecord } from '../network-driver.ts';
import type { CreateNetwork } from '../network-service.ts';
import { askedPools, refuseOperatorFields, withConfiguration } from './configuration.ts';
import { planAddresses } from './plan-addresses.ts';

const FAMILY_OPTIONS = { 4: 'com.docker.network.enable_ipv4', 6: 'com.docker.network.enable_ipv6' } as const;

const PREDEFINED = new Set(['bridge', 'host', 'none', 'default']);

/** Creates a network of a user. The record comes first: what the kernel holds without one could not be found again. */
export async function createNetwork(
  context: NetworkContext,
  given: CreateNetwork,
  { signal }: CallOptions = {},
): Promise<{ readonly network: NetworkRecord; readonly warning: string }> {
  const { store, allocator } = context;
  const driver = context.driver(checkInput(given));
  if (given.configOnly) refuseOperatorFields(given);
  using _held = await context.locks.acquire('networks', { signal });
  if (store.networks().some(({ name }) => name === given.name))
    throw conflict(`network with name ${given.name} already exists`);
  const input = withConfiguration(context, given);
  if (input.configOnly) return createConfiguration(context, input);
  const asked = draftOf(withDefaults(context, input));
  checkBridge(context, asked);
  const draft: NetworkRecord = { ...asked, ...(await driver.check?.(asked)) };
  using _subnets = await context.host.lockSubnets?.();
  const ipam = await planAddresses(context, {
    ...draft,
    pools: input.ipam ?? [],
    ...(driver.allocatesGateway
      ? { gateways: ([4, 6] as const).filter((f) => driver.allocatesGateway?.(draft, f)) }
      : {}),
  });
  throwIfAborted(signal);
  const network: NetworkRecord = { ...draft, ipam };
  store.state.transaction(() => {
    store.putNetwork(network);
    allocator.reserve(network.id, ipam);
  });
  try {
    await driver.create(network);
  } catch (error) {
    await driver.remove(network).catch(() => undefined);
    forgetNetwork(context, network.id);
    throw error;
  }
  context.emit('network', 'create', network.id, { name: network.name, type: network.driver });
  return { network, warning: '' };
}

/** The daemon's default options of the driver, but for networks that take theirs from another. */
function withDefaults({ options: { defaultOptions } }: NetworkContext, input: CreateNetwork): CreateNetwork {
  const defaults = defaultOptions?.[input.driver || 'bridge'];
  const options = input.configFrom ? input.options : { ...defaults, ...input.options };
  return withFamilies({ ...input, ...(options === undefined ? {} : { options }) });
}

/** Options may say which families a network has, where nothing else does; then they say nothing any more. */
function withFamilies(input: CreateNetwork): CreateNetwork {
  const options = { ...input.options };
  const family = (given: boolean | undefined, option: string): boolean | undefined => {
    const text = options[option];
    if (given === undefined) return text === undefined ? undefined : flagOption(options, option);
    delete options[option];
    return given;
  };
  const enableIPv4 = family(input.enableIPv4, FAMILY_OPTIONS[4]);
  const enableIPv6 = family(input.enableIPv6, FAMILY_OPTIONS[6]);
  return {
    ...input,
    options,
    ...(enableIPv4 === undefined ? {} : { enableIPv4 }),
    ...(enableIPv6 === undefined ? {} : { enableIPv6 }),
  };
}

function flagOption(options: Readonly<Record<string, string>>, name: string): boolean {
  const value = parseFlag(options[name] ?? '');
  if (value === undefined) throw invalid(`driver-opt ${JSON.stringify(name)} is not a valid bool`);
  return value;
}

/** Settings for other networks: a record and nothing else. */
function createConfiguration(
  context: NetworkContext,
  input: CreateNetwork,
): { readonly network: NetworkRecord; readonly warning: string } {
  const draft = draftOf(input);
  const network = { ...draft, driver: 'null', configOnly: true, ipam: askedPools(input.ipam ?? []) };
  context.store.putNetwork(network);
  context.emit('network', 'create', network.id, { name: network.name, type: network.driver });
  return { network, warning: '' };
}

export function forgetNetwork({ store, allocator }: NetworkContext, id: string): void {
  store.state.transaction(() => {
    allocator.forget(id);
    store.deleteNetwork(id);
  });
}

/** Returns the driver's name. */
function checkInput(input: CreateNetwork): string {
  const driver = input.driver || 'bridge';
  if (PREDEFINED.has(input.name)) throw forbidden(`operation is not permitted on predefined ${input.name} network`);
  if (input.name.trim() === '') throw invalid('invalid name: name is empty');
  if (driver === 'host' || driver === 'null') throw forbidden(`only one instance of "${driver}" network is allowed`);
  return driver;
}

function draftOf(input: CreateNetwork): NetworkRecord {
  const isBridge = (input.driver || 'bridge') === 'bridge';
  if (isBridge && input.enableIPv4 === false && input.enableIPv6 !== true)
    throw invalid('IPv4 or IPv6 must be enabled');
  checkAdvertising(input.options ?? {});
  const pools = (input.ipam ?? []).filter(({ subnet }) => subnet !== undefined && subnet !== '');
  return {
    id: randomId(),
    name: input.name,
    driver: input.driver || 'bridge',
    createdAt: new Date(),
    internal: input.internal ?? false,
    attachable: input.attachable ?? false,
    enableIPv4: input.enableIPv4 ?? true,
    enableIPv6: input.enableIPv6 ?? false,
    options: input.options ?? {},
    labels: input.labels ?? {},
    ipam: [],
    predefined: false,
    ...(input.ipamOptions === undefined ? {} : { ipamOptions: input.ipamOptions }),
    ...(input.configFrom === undefined ? {} : { configFrom: input.configFrom }),
    subnetConfigured: pools.length > 0,
  };
}

const ADVERTISING = [
  { name: 'com.docker.network.advertise_addr_nmsgs', least: 0, most: 3, kind: 'an integer' },
  { name: 'com.docker.network.advertise_addr_ms', least: 100, most: 2000, kind: 'integer milliseconds' },
];

/** Addresses are not advertised: a container's hardware address follows from its IPv4 one, so that no cache is wrong. */
function checkAdvertising(options: Readonly<Record<string, string>>): void {
  for (const { name, least, most, kind } of ADVERTISING) {
    const value = options[name];
    if (value === undefined) continue;
    if (!/^[+-]?\d+$/.test(value)) throw invalid(`value for option ${name} ${JSON.stringify(value)} must be ${kind}`);
    if (Number(value) < least || Number(value) > most)
      throw invalid(`${name} must be in the range ${least} to ${most}`);
  }
}

function checkBridge({ store }: NetworkContext, draft: NetworkRecord): void {
  if (draft.driver !== 'bridge') return;
  const { [BRIDGE_OPTIONS.external]: reserved } = draft.options;
  if (reserved !== undefined) throw invalid(`the option ${BRIDGE_OPTIONS.external} cannot be set`);
  const { bridge } = bridgeSettings(draft);
  const owner = store.networks().find((other) => other.driver === 'bridge' && bridgeSettings(other).bridge === bridge);
  if (owner)
    throw forbidden(
      `cannot create network ${draft.id} (${bridge}): conflicts with network ${owner.id} (${bridge}): networks have same bridge name`,
    );
}
