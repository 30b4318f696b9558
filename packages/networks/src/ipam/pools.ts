import { invalid } from '@berth/base';
import { type Cidr, lastOf, overlaps, parseCidr } from './cidr.ts';

/** `default-address-pools`: networks of length `size` are cut from `base`. */
export interface AddressPool {
  readonly base: string;
  readonly size: number;
}

/** The blocks dockerd starts with: sixteen-bit networks of 172.17 to 172.31, then twenty-bit ones of 192.168. */
export const DEFAULT_POOLS: readonly AddressPool[] = [
  { base: '172.17.0.0/16', size: 16 },
  { base: '172.18.0.0/16', size: 16 },
  { base: '172.19.0.0/16', size: 16 },
  { base: '172.20.0.0/14', size: 16 },
  { base: '172.24.0.0/14', size: 16 },
  { base: '172.28.0.0/14', size: 16 },
  { base: '192.168.0.0/16', size: 20 },
];

/** Throws `invalid` when a pool cannot be cut as asked. */
export function validatePools(pools: readonly AddressPool[]): void {
  for (const { base, size } of pools) {
    const block = parseCidr(base, 'address pool');
    const longest = block.family === 4 ? 30 : 126;
    if (!Number.isInteger(size) || size < block.prefix || size > longest)
      throw invalid(`invalid address pool ${base}: size must be from ${block.prefix} to ${longest}, not ${size}`);
  }
}

/** The first network of `family` that overlaps nothing in `taken`. Throws `invalid`, as dockerd has it, when there is none. */
export function chooseSubnet(pools: readonly AddressPool[], taken: readonly Cidr[], family: 4 | 6): Cidr {
  for (const { base, size } of pools) {
    const block = parseCidr(base, 'address pool');
    if (block.family !== family) continue;
    const found = firstFree(block, size, taken);
    if (found) return found;
  }
  throw invalid('all predefined address pools have been fully subnetted');
}

function firstFree(block: Cidr, size: number, taken: readonly Cidr[]): Cidr | undefined {
  const width = 1n << BigInt((block.family === 4 ? 32 : 128) - size);
  let base = block.base;
  while (base <= lastOf(block)) {
    const candidate: Cidr = { family: block.family, base, prefix: size };
    const hit = taken.find((other) => overlaps(candidate, other));
    if (!hit) return candidate;
    const past = lastOf(hit) + 1n;
    // Whole candidates inside the taken block are passed over at once; a block may hold 2^60 of them.
    base = past > base + width ? base + ((past - base + width - 1n) / width) * width : base + width;
  }
  return undefined;
}
