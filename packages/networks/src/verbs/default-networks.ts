import { createHash } from 'node:crypto';
import { conflict, invalid } from '@berth/base';
import { defaultNetwork, type NetworkContext } from '../context.ts';
import { BRIDGE_OPTIONS } from '../drivers/bridge-settings.ts';
import { formatCidr, formatIp, overlaps, parseCidr, parseIp, tryParseCidr } from '../ipam/cidr.ts';
import type { IpamPool, NetworkRecord } from '../network-driver.ts';
import { forgetNetwork } from './create.ts';
import { checkPool, planAddresses } from './plan-addresses.ts';

/** Writes the records of `bridge`, `host` and `none` as the options ask for them now. */
export async function ensureDefaultNetworks(context: NetworkContext): Promise<void> {
  for (const [name, driver] of [
    ['host', 'host'],
    ['none', 'null'],
  ] as const)
    if (!context.store.networks().some((network) => network.predefined && network.name === name))
      context.store.putNetwork(predefined(context, name, driver, {}, []));
  await ensureBridge(context);
}

async function ensureBridge(context: NetworkContext): Promise<void> {
  const { bridge, store, allocator } = context;
  const before = defaultNetwork(store);
  if (bridge.name === undefined) {
    if (before) await drop(context, before);
    return;
  }
  const options = {
    [BRIDGE_OPTIONS.isDefault]: 'true',
    [BRIDGE_OPTIONS.icc]: String(bridge.icc ?? true),
    [BRIDGE_OPTIONS.masquerade]: String(bridge.ipMasq ?? true),
    [BRIDGE_OPTIONS.hostIp]: bridge.hostIp ?? '0.0.0.0',
    [BRIDGE_OPTIONS.name]: bridge.name,
    ...(bridge.mtu === undefined ? {} : { [BRIDGE_OPTIONS.mtu]: String(bridge.mtu) }),
    ...(bridge.external === true ? { [BRIDGE_OPTIONS.external]: 'true' } : {}),
  };
  const enableIPv6 = bridge.ipv6 === true;
  const asked = [await askedPool(context, bridge.name), askedPool6(context)].filter((pool) => pool !== undefined);
  if (before && before.enableIPv6 === enableIPv6 && (await mayStay(context, before, asked, bridge.name))) {
    store.putNetwork({ ...before, options });
    return;
  }
  if (before) await drop(context, before);
  const missing = await planAddresses(context, {
    enableIPv4: !asked.some(({ subnet }) => !subnet.includes(':')),
    enableIPv6: enableIPv6 && !asked.some(({ subnet }) => subnet.includes(':')),
    pools: [],
  });
  const ipam = [...asked, ...missing].toSorted(
    (a, b) => Number(a.subnet.includes(':')) - Number(b.subnet.includes(':')),
  );
  const network = { ...predefined(context, 'bridge', 'bridge', options, ipam), enableIPv6 };
  store.state.transaction(() => {
    store.putNetwork(network);
    allocator.reserve(network.id, ipam);
  });
}

async function askedPool({ bridge, host }: NetworkContext, name: string): Promise<IpamPool | undefined> {
  const own = bridge.bip ?? (bridge.external === true ? await host.addressOf(name) : undefined);
  if (own === undefined && bridge.external === true) throw invalid(`bridge ${name} has no IPv4 address`);
  if (bridge.bip !== undefined) await refuseTaken(host, name, bridge.bip);
  return poolFrom(own, bridge.fixedCidr, bridge.defaultGateway, 'fixed-cidr');
}

/** Of two interfaces with one subnet the older one gets all packets: containers would be there and out of reach. */
async function refuseTaken(host: NetworkContext['host'], name: string, bip: string): Promise<void> {
  const wanted = tryParseCidr(bip);
  if (!wanted) return;
  const other = (await host.addresses?.())?.find((each) => {
    const block = each.name === name ? undefined : tryParseCidr(each.address);
    return block && formatCidr(block) === formatCidr(wanted);
  });
  if (other)
    throw conflict(
      `the bridge cannot have ${bip}: interface ${other.name} has ${other.address} already. Choose another --bip, or remove what is left of a daemon that is no more: ip link del ${other.name}`,
    );
}

function askedPool6({ bridge }: NetworkContext): IpamPool | undefined {
  if (bridge.ipv6 !== true) return undefined;
  return poolFrom(bridge.bip6, bridge.fixedCidrV6, bridge.defaultGatewayV6, 'fixed-cidr-v6');
}

/** A bridge's subnet from its own address, or from the range its containers are to have alone. */
function poolFrom(
  own: string | undefined,
  fixed: string | undefined,
  gateway: string | undefined,
  what: string,
): IpamPool | undefined {
  if (own === undefined) {
    if (fixed === undefined) return undefined;
    return checkPool(parseCidr(fixed, what), gateway === undefined ? {} : { gateway });
  }
  const ip = parseIp(own.split('/')[0] ?? '');
  const subnet = tryParseCidr(own);
  if (!ip || !subnet)
    throw invalid(`invalid bridge address ${own}: an address with its length, as 10.5.0.1/16, is needed`);
  return checkPool(subnet, { gateway: formatIp(ip), ...(fixed === undefined ? {} : { ipRange: fixed }) });
}

/** The subnet of the last run stays unless other options ask for another or the host has come to use it elsewhere. */
async function mayStay(
  context: NetworkContext,
  before: NetworkRecord,
  asked: readonly IpamPool[],
  name: string,
): Promise<boolean> {
  if (before.ipam.length === 0 || before.options[BRIDGE_OPTIONS.name] !== name) return false;
  const has = (pool: IpamPool): boolean => before.ipam.some((own) => JSON.stringify(own) === JSON.stringify(pool));
  if (!asked.every(has)) return false;
  const chosen = before.ipam.filter((pool) => !asked.some((each) => each.subnet === pool.subnet));
  if (chosen.length === 0) return true;
  if ((await context.host.interfaces()).includes(name) || context.store.endpointsOn(before.id).length > 0) return true;
  const subnets = chosen.map(({ subnet }) => parseCidr(subnet));
  const blocks = (await context.host.hostSubnets()).flatMap((text) => tryParseCidr(text) ?? []);
  return !blocks.some((block) => block.prefix > 0 && subnets.some((subnet) => overlaps(block, subnet)));
}

async function drop(context: NetworkContext, network: NetworkRecord): Promise<void> {
  if (context.store.endpointsOn(network.id).length > 0)
    throw invalid(
      `the default bridge cannot change from ${network.ipam.map(({ subnet }) => formatCidr(parseCidr(subnet))).join(', ')} while containers run on it: stop them first`,
    );
  await context
    .driver(network.driver)
    .remove(network)
    .catch(() => undefined);
  forgetNetwork(context, network.id);
}

function predefined(
  { options: { instance }, store }: NetworkContext,
  name: string,
  driver: string,
  options: Readonly<Record<string, string>>,
  ipam: readonly IpamPool[],
): NetworkRecord {
  return {
    id: createHash('sha256').update(`${store.state.instanceId} ${instance} ${name}`).digest('hex'),
    name,
    driver,
    createdAt: new Date(),
    internal: false,
    attachable: false,
    enableIPv4: true,
    enableIPv6: false,
    options,
    labels: {},
    ipam,
    predefined: true,
  };
}
