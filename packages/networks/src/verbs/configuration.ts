import { forbidden, notFound } from '@berth/base';
import type { NetworkContext } from '../context.ts';
import type { IpamPool, NetworkRecord } from '../network-driver.ts';
import type { CreateNetwork } from '../network-service.ts';

/** Fields a configuration network cannot have, as they belong to the networks made from it. */
export function refuseOperatorFields({ internal, attachable, configFrom }: CreateNetwork): void {
  if (internal || attachable)
    throw forbidden(
      'configuration network can only contain network specific fields. Network operator fields like [ ingress | internal | attachable | scope ] are not supported.',
    );
  if (configFrom) throw forbidden('a configuration network cannot depend on another configuration network');
}

/** What is asked for, with the configuration network's settings. Throws `forbidden`, `notFound`. */
export function withConfiguration({ store }: NetworkContext, input: CreateNetwork): CreateNetwork {
  const { configFrom, enableIPv6, labels = {}, ipam = [], ipamOptions = {}, options = {} } = input;
  if (!configFrom) return input;
  if (enableIPv6 || ipam.length > 0 || [labels, ipamOptions].some((map) => Object.keys(map).length > 0))
    throw forbidden(
      'user specified configurations are not supported if the network depends on a configuration network',
    );
  if (Object.keys(options).length > 0)
    throw forbidden('network driver options are not supported if the network depends on a configuration network');
  const source = store.networks().find(({ name, configOnly }) => configOnly === true && name === configFrom);
  if (!source) throw notFound(`configuration network "${configFrom}" does not exist`);
  return {
    ...input,
    enableIPv4: source.enableIPv4,
    enableIPv6: source.enableIPv6,
    options: source.options,
    labels: source.labels,
    ipam: source.ipam,
    ...(source.ipamOptions === undefined ? {} : { ipamOptions: source.ipamOptions }),
  };
}

/** Subnets of a configuration network are kept as they were asked for: nothing is taken for it. */
export function askedPools(pools: readonly Partial<IpamPool>[]): readonly IpamPool[] {
  return pools.flatMap(({ subnet, ...rest }) => (subnet ? [{ ...rest, subnet }] : []));
}

/** Throws `forbidden` while other networks are made from it. */
export function refuseRemoval({ store }: NetworkContext, { configOnly, name }: NetworkRecord): void {
  if (configOnly === true && store.networks().some(({ configFrom }) => configFrom === name))
    throw forbidden(`configuration network "${name}" is in use`);
}
