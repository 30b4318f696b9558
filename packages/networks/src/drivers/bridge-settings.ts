import { type EngineError, invalid } from '@berth/base';
import { parseIp } from '../ipam/cidr.ts';
import type { NetworkRecord } from '../network-driver.ts';

/**
 * `nat`: published ports are translated, nothing else gets in. `nat-unprotected`: the same, and every port is reached by
 * those who have a route. `routed`: nothing is translated, published ports are reached by those who have a route.
 * `isolated`: the host itself has no address in the network.
 */
export type GatewayMode = 'nat' | 'nat-unprotected' | 'routed' | 'isolated';

const GATEWAY_MODES: readonly string[] = ['nat', 'nat-unprotected', 'routed', 'isolated'] satisfies GatewayMode[];

/** A bridge network's options, read. */
export interface BridgeSettings {
  readonly bridge: string;
  /** Containers of the network may speak to each other. */
  readonly icc: boolean;
  readonly masquerade: boolean;
  readonly mtu: number | undefined;
  /** Where ports without a host address are published; '' for everywhere. */
  readonly hostIp: string;
  readonly interfacePrefix: string;
  /** How containers are reached from other networks, by family. */
  readonly gatewayMode: { readonly 4: GatewayMode; readonly 6: GatewayMode };
  /** Interfaces of the host whose traffic may go to published ports of containers directly, by their own address. */
  readonly trustedInterfaces: readonly string[];
  /** The bridge gets no IPv4 address although containers have a gateway: somebody else is it. */
  readonly inhibitIpv4: boolean;
  /** Address of this host that leaving traffic is given, instead of that of the interface it leaves by. */
  readonly sourceAddress: { readonly 4: string | undefined; readonly 6: string | undefined };
  /** The bridge is the administrator's: never made, addressed or removed. */
  readonly external: boolean;
}

export const BRIDGE_OPTIONS = {
  name: 'com.docker.network.bridge.name',
  icc: 'com.docker.network.bridge.enable_icc',
  masquerade: 'com.docker.network.bridge.enable_ip_masquerade',
  hostIp: 'com.docker.network.bridge.host_binding_ipv4',
  gatewayMode4: 'com.docker.network.bridge.gateway_mode_ipv4',
  gatewayMode6: 'com.docker.network.bridge.gateway_mode_ipv6',
  trusted: 'com.docker.network.bridge.trusted_host_interfaces',
  inhibitIpv4: 'com.docker.network.bridge.inhibit_ipv4',
  source4: 'com.docker.network.host_ipv4',
  source6: 'com.docker.network.host_ipv6',
  isDefault: 'com.docker.network.bridge.default_bridge',
  mtu: 'com.docker.network.driver.mtu',
  interfacePrefix: 'com.docker.network.container_iface_prefix',
  external: 'berth.bridge.external',
} as const;

const unreadable = (name: string, value: string, why: string): EngineError =>
  invalid(`failed to parse ${name} value: ${value} (${why})`);

function flag(options: NetworkRecord['options'], name: string, otherwise: boolean): boolean {
  const value = options[name];
  if (value === undefined) return otherwise;
  const parsed = parseFlag(value);
  if (parsed !== undefined) return parsed;
  throw unreadable(name, value, `strconv.ParseBool: parsing ${JSON.stringify(value)}: invalid syntax`);
}

/** The words Go takes for a truth value; undefined for any other. */
export function parseFlag(value: string): boolean | undefined {
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(value)) return true;
  return ['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(value) ? false : undefined;
}

function mtuOf(value: string | undefined): number | undefined {
  if (value === undefined || value === '0') return undefined;
  if (!/^[+-]?\d+$/.test(value))
    throw unreadable(BRIDGE_OPTIONS.mtu, value, `strconv.Atoi: parsing ${JSON.stringify(value)}: invalid syntax`);
  if (Number(value) < 0) throw invalid(`invalid MTU number: ${Number(value)}`);
  if (Number(value) < 68 || Number(value) > 65535) throw invalid(`invalid MTU ${value}: must be from 68 to 65535`);
  return Number(value);
}

function addressOf(options: NetworkRecord['options'], name: string, family?: 4 | 6): string | undefined {
  const value = options[name];
  if (value === undefined) return undefined;
  const ip = parseIp(value);
  if (!ip || (family !== undefined && ip.family !== family)) throw unreadable(name, value, 'nil ip');
  return value;
}

function modeOf(options: NetworkRecord['options'], name: string): GatewayMode {
  const value = options[name] ?? 'nat';
  if (!GATEWAY_MODES.includes(value)) throw unreadable(name, value, `unknown gateway mode ${value}`);
  return value as GatewayMode;
}

function interfaceName(value: string, longest: number, what: string): string {
  if (!/^[A-Za-z0-9_.-]+$/.test(value) || value.length > longest || value === '.' || value === '..')
    throw invalid(`invalid ${what} "${value}": up to ${longest} letters, digits, "_", "." and "-" are allowed`);
  return value;
}

function trustedOf(value: string): readonly string[] {
  return value
    .split(':')
    .filter((name) => name !== '')
    .map((name) => interfaceName(name, 15, 'trusted host interface'));
}

/** Whether containers of a default bridge reach only those they are linked to. */
export function keepsApart(network: Pick<NetworkRecord, 'id' | 'driver' | 'predefined' | 'options'>): boolean {
  return network.driver === 'bridge' && network.predefined && !bridgeSettings(network).icc;
}

/** Throws `invalid`. */
export function bridgeSettings(network: Pick<NetworkRecord, 'id' | 'options'>): BridgeSettings {
  const { options } = network;
  return {
    bridge: interfaceName(options[BRIDGE_OPTIONS.name] || `br-${network.id.slice(0, 12)}`, 15, 'bridge name'),
    icc: flag(options, BRIDGE_OPTIONS.icc, true),
    masquerade: flag(options, BRIDGE_OPTIONS.masquerade, true),
    mtu: mtuOf(options[BRIDGE_OPTIONS.mtu]),
    hostIp: addressOf(options, BRIDGE_OPTIONS.hostIp) ?? '',
    gatewayMode: { 4: modeOf(options, BRIDGE_OPTIONS.gatewayMode4), 6: modeOf(options, BRIDGE_OPTIONS.gatewayMode6) },
    trustedInterfaces: trustedOf(options[BRIDGE_OPTIONS.trusted] ?? ''),
    inhibitIpv4: flag(options, BRIDGE_OPTIONS.inhibitIpv4, false),
    sourceAddress: {
      4: addressOf(options, BRIDGE_OPTIONS.source4, 4),
      6: addressOf(options, BRIDGE_OPTIONS.source6, 6),
    },
    interfacePrefix: interfaceName(options[BRIDGE_OPTIONS.interfacePrefix] || 'eth', 10, 'interface prefix'),
    external: options[BRIDGE_OPTIONS.external] === 'true',
  };
}
