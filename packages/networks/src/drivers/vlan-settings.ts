import { invalid } from '@berth/base';
import type { NetworkRecord } from '../network-driver.ts';

/** A macvlan or ipvlan network's options, read. */
export interface VlanSettings {
  /** Interface of the host the network is a part of; its own, made for it, when none was named. */
  readonly parent: string;
  readonly mode: string;
  /** ipvlan only. */
  readonly flag: string;
  /** No parent was named: the network reaches nobody but its own containers. */
  readonly isolated: boolean;
}

const MODES: Readonly<Record<string, readonly string[]>> = {
  macvlan: ['bridge', 'private', 'vepa', 'passthru'],
  ipvlan: ['l2', 'l3', 'l3s'],
};
const FLAGS = ['bridge', 'private', 'vepa'];

/** Throws `invalid` in dockerd's words. */
export function vlanSettings({ id, driver, options }: Pick<NetworkRecord, 'id' | 'driver' | 'options'>): VlanSettings {
  const modes = MODES[driver] ?? [];
  const mode = options[`${driver}_mode`] || modes[0] || '';
  if (!modes.includes(mode))
    throw invalid(
      `requested ${driver} mode '${mode}' is not valid, '${modes[0]}' mode is the ${driver} driver default`,
    );
  const flag = options['ipvlan_flag'] || 'bridge';
  if (driver === 'ipvlan' && !FLAGS.includes(flag))
    throw invalid(`requested ipvlan flag '${flag}' is not valid, 'bridge' is the ipvlan driver default`);
  const given = options['parent'] ?? '';
  if (given === 'lo') throw invalid(`loopback interface is not a valid ${driver} parent link`);
  if (given !== '' && (given.length > 15 || !/^[A-Za-z0-9_.@-]+$/.test(given)))
    throw invalid(`invalid subinterface vlan name ${given}, example formatting is eth0.10`);
  return { parent: given || dummyName(id), mode, flag, isolated: given === '' };
}

/** Interface made for a network that names none. */
function dummyName(id: string): string {
  return `dm-${id.slice(0, 12)}`;
}

/** `eth0.10`: VLAN 10 of eth0. Throws `invalid` in dockerd's words. */
export function parseVlan(name: string): { readonly parent: string; readonly id: number } {
  if (!name.includes('.')) throw invalid(`invalid subinterface vlan name ${name}, example formatting is eth0.10`);
  const [parent = '', text = '', ...more] = name.split('.');
  if (more.length > 0)
    throw invalid(`required interface name format is: name.vlan_id, ex. eth0.10 for vlan 10, instead received ${name}`);
  if (!/^\d+$/.test(text)) throw invalid(`unable to parse a valid vlan id from: ${text} (ex. eth0.10 for vlan 10)`);
  const id = Number(text);
  if (id < 1 || id > 4094) throw invalid(`vlan id must be between 1-4094, received: ${id}`);
  return { parent, id };
}
