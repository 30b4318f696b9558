import { invalid } from '@berth/base';
import type { NetworkRecord } from '../network-driver.ts';

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
  /** The bridge is the administrator's: never made, addressed or removed. */
  readonly external: boolean;
}

export const BRIDGE_OPTIONS = {
  name: 'com.docker.network.bridge.name',
  icc: 'com.docker.network.bridge.enable_icc',
  masquerade: 'com.docker.network.bridge.enable_ip_masquerade',
  hostIp: 'com.docker.network.bridge.host_binding_ipv4',
  isDefault: 'com.docker.network.bridge.default_bridge',
  mtu: 'com.docker.network.driver.mtu',
  interfacePrefix: 'com.docker.network.container_iface_prefix',
  external: 'berth.bridge.external',
} as const;

function flag(options: NetworkRecord['options'], name: string): boolean {
  const value = options[name];
  if (value === undefined || value === '') return true;
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(value)) return true;
  if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(value)) return false;
  throw invalid(`invalid value for ${name}: ${value} is not a boolean`);
}

function mtuOf(value: string | undefined): number | undefined {
  if (value === undefined || value === '' || value === '0') return undefined;
  if (!/^\d{2,5}$/.test(value) || Number(value) < 68 || Number(value) > 65535)
    throw invalid(`invalid MTU ${value}: must be from 68 to 65535`);
  return Number(value);
}

function interfaceName(value: string, longest: number, what: string): string {
  if (!/^[A-Za-z0-9_.-]+$/.test(value) || value.length > longest || value === '.' || value === '..')
    throw invalid(`invalid ${what} "${value}": up to ${longest} letters, digits, "_", "." and "-" are allowed`);
  return value;
}

/** Throws `invalid`. */
export function bridgeSettings(network: Pick<NetworkRecord, 'id' | 'options'>): BridgeSettings {
  const { options } = network;
  return {
    bridge: interfaceName(options[BRIDGE_OPTIONS.name] || `br-${network.id.slice(0, 12)}`, 15, 'bridge name'),
    icc: flag(options, BRIDGE_OPTIONS.icc),
    masquerade: flag(options, BRIDGE_OPTIONS.masquerade),
    mtu: mtuOf(options[BRIDGE_OPTIONS.mtu]),
    hostIp: options[BRIDGE_OPTIONS.hostIp] ?? '',
    interfacePrefix: interfaceName(options[BRIDGE_OPTIONS.interfacePrefix] || 'eth', 10, 'interface prefix'),
    external: options[BRIDGE_OPTIONS.external] === 'true',
  };
}
