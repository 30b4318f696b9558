import { exhausted, forbidden, invalid } from '@berth/base';
import type { State } from '@berth/state';
import type { IpamPool, NetworkRecord } from '../network-driver.ts';
import { type Cidr, contains, formatIp, hostRange, parseCidr, parseIp, tryParseCidr } from './cidr.ts';

/** Who holds an address that no endpoint has: the network itself (gateway, auxiliary addresses). */
const RESERVED = 'reserved';

interface Row {
  readonly address: string;
  readonly endpoint_id: string | null;
}

/**
 * Addresses of every network, in the `addresses` table. All calls are synchronous and may run inside a caller's
 * transaction. Addresses are given out round robin: one just freed comes last.
 */
export class AddressAllocator {
  readonly #state: State;
  /** Network and subnet to the last address given. */
  readonly #cursors = new Map<string, bigint>();

  constructor(state: State) {
    this.#state = state;
  }

  /** Takes the gateway's and auxiliary addresses of a new network. */
  reserve(networkId: string, pools: readonly IpamPool[]): void {
    for (const pool of pools)
      for (const address of [pool.gateway, ...Object.values(pool.auxAddresses ?? {})])
        if (address !== undefined) this.#insert(networkId, address, RESERVED);
  }

  /**
   * The next free address of a family, in CIDR form with the subnet's length; undefined when the network has no pool of
   * that family. Throws `exhausted`.
   */
  allocate(network: NetworkRecord, family: 4 | 6, owner: string): string | undefined {
    const pools = network.ipam.filter((pool) => parseCidr(pool.subnet).family === family);
    if (pools.length === 0) return undefined;
    const used = this.#used(network.id);
    for (const pool of pools) {
      const subnet = parseCidr(pool.subnet);
      const value = this.#next(network.id, subnet, tryParseCidr(pool.ipRange ?? '') ?? subnet, used);
      if (value === undefined) continue;
      const address = formatIp({ family, value });
      this.#insert(network.id, address, owner);
      return `${address}/${subnet.prefix}`;
    }
    throw exhausted(
      `no available IPv${family} addresses on this network's address pools: ${network.name} (${network.id})`,
    );
  }

  /** Takes one given address. Throws `invalid` when outside the network, `forbidden` (docker's kind) when taken. */
  claim(network: NetworkRecord, address: string, owner: string): string {
    const ip = parseIp(address);
    if (!ip) throw invalid(`invalid endpoint settings:\ninvalid IPv4 or IPv6 address: ${address}`);
    const pool = network.ipam.find(({ subnet }) => contains(parseCidr(subnet), ip));
    if (!pool)
      throw invalid(
        `invalid config for network ${network.name}: invalid endpoint settings:\nno configured subnet or ip-range contain the IP address ${address}`,
      );
    const text = formatIp(ip);
    if (this.#isTaken(network.id, text)) throw forbidden('Address already in use');
    this.#insert(network.id, text, owner);
    return `${text}/${parseCidr(pool.subnet).prefix}`;
  }

  /** Takes an address its owner had before; undefined where somebody else has it or the network is another by now. */
  reclaim(network: NetworkRecord, address: string, owner: string): string | undefined {
    const ip = parseIp(address);
    const pool = ip && network.ipam.find(({ subnet }) => contains(parseCidr(subnet), ip));
    if (!ip || !pool || this.#isTaken(network.id, formatIp(ip))) return undefined;
    const range = tryParseCidr(pool.ipRange ?? '');
    if (range && !contains(range, ip)) return undefined;
    this.#insert(network.id, formatIp(ip), owner);
    return `${formatIp(ip)}/${parseCidr(pool.subnet).prefix}`;
  }

  #isTaken(networkId: string, address: string): boolean {
    return (
      this.#state.get('SELECT 1 FROM addresses WHERE network_id = ? AND address = ?', networkId, address) !== undefined
    );
  }

  /** Hands an address from one owner to another. */
  transfer(networkId: string, cidr: string, owner: string): void {
    this.#state.run(
      'UPDATE addresses SET endpoint_id = ? WHERE network_id = ? AND address = ?',
      owner,
      networkId,
      cidr.split('/')[0] ?? cidr,
    );
  }

  /** Hands all addresses of an owner to another. */
  transferOwner(from: string, to: string): void {
    this.#state.run('UPDATE addresses SET endpoint_id = ? WHERE endpoint_id = ?', to, from);
  }

  release(owner: string): void {
    this.#state.run('DELETE FROM addresses WHERE endpoint_id = ?', owner);
  }

  /** Drops what belongs to no known owner: left by a daemon that was killed. */
  releaseAllBut(owners: ReadonlySet<string>): void {
    for (const row of this.#state.all<Row>('SELECT address, endpoint_id FROM addresses'))
      if (row.endpoint_id !== null && row.endpoint_id !== RESERVED && !owners.has(row.endpoint_id))
        this.release(row.endpoint_id);
  }

  forget(networkId: string): void {
    this.#state.run('DELETE FROM addresses WHERE network_id = ?', networkId);
    for (const key of this.#cursors.keys()) if (key.startsWith(networkId)) this.#cursors.delete(key);
  }

  #used(networkId: string): ReadonlySet<string> {
    const rows = this.#state.all<Row>('SELECT address, endpoint_id FROM addresses WHERE network_id = ?', networkId);
    return new Set(rows.map((row) => row.address));
  }

  #next(networkId: string, subnet: Cidr, range: Cidr, used: ReadonlySet<string>): bigint | undefined {
    const hosts = hostRange(subnet);
    const within =
      range === subnet
        ? hosts
        : { first: range.base, last: range.base + (1n << BigInt((range.family === 4 ? 32 : 128) - range.prefix)) - 1n };
    const first = within.first < hosts.first ? hosts.first : within.first;
    const last = within.last > hosts.last ? hosts.last : within.last;
    const key = `${networkId} ${first}`;
    const start = this.#cursors.get(key) ?? first - 1n;
    const tries = last - first + 1n;
    for (let i = 1n, at = start; i <= tries; i++) {
      at = at >= last ? first : at + 1n;
      if (used.has(formatIp({ family: subnet.family, value: at }))) continue;
      this.#cursors.set(key, at);
      return at;
    }
    return undefined;
  }

  #insert(networkId: string, address: string, owner: string): void {
    this.#state.run('INSERT INTO addresses VALUES (?, ?, ?)', networkId, address, owner);
  }
}
