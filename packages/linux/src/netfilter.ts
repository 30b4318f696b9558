import { isIPv4 } from 'node:net';
import { askNetfilter, attribute, hostU32 } from './netlink.ts';
import { inetAddress } from './socket-address.ts';

// linux/netfilter/nfnetlink.h, nf_tables.h, nfnetlink_conntrack.h
const NFTABLES = 10 << 8;
const GET_CHAIN = NFTABLES | 4;
const GET_GENERATION = NFTABLES | 16;
const GENERATION_ID = 1;
const CHAIN_TABLE = 1;
const CHAIN_NAME = 3;
const CHAIN_USE = 6;
const INET = 1;

const DELETE_CONNTRACK = (1 << 8) | 2;
const TUPLE_ORIGINAL = 1;
const TUPLE_REPLY = 2;
const FILTER = 25;
const FILTER_ORIGINAL = 1;
const FILTER_REPLY = 2;
const TUPLE_IP = 1;
const TUPLE_PROTOCOL = 2;
const IPV4_SOURCE = 1;
const IPV6_SOURCE = 3;
const PROTOCOL_NUMBER = 1;
const DESTINATION_PORT = 3;
const MATCH_SOURCE = 1 << 0;
const MATCH_PROTOCOL = 1 << 3;
const MATCH_DESTINATION_PORT = 1 << 5;
const FAMILY = { 4: 2, 6: 10 } as const;

/** A number that changes with every transaction of anybody on the namespace's nftables ruleset. */
export function nftGeneration(): number {
  const [answer] = askNetfilter({ type: GET_GENERATION, family: 0 });
  return answer?.get(GENERATION_ID)?.readUInt32BE(0) ?? 0;
}

/** Each chain of an `inet` table with how many rules it has and other chains jump to it; empty when there is no table. */
export function nftChains(table: string): ReadonlyMap<string, number> {
  const text = (bytes: Buffer | undefined): string => bytes?.toString('latin1').replace(/\0$/, '') ?? '';
  const chains = askNetfilter({ type: GET_CHAIN, family: INET, dump: true }).filter(
    (chain) => text(chain.get(CHAIN_TABLE)) === table,
  );
  return new Map(chains.map((chain) => [text(chain.get(CHAIN_NAME)), chain.get(CHAIN_USE)?.readUInt32BE(0) ?? 0]));
}

const addressBytes = (address: string): Buffer => {
  const { bytes } = inetAddress(address, 0);
  return isIPv4(address) ? bytes.subarray(4, 8) : bytes.subarray(8, 24);
};

/**
 * Makes the kernel forget the connections in which `address` takes part, as the one who began them or as the one they
 * were translated to: of an address that somebody else will have. Kernels before 5.8 know no such filter (`notImplemented`).
 */
export function forgetConnectionsOf(address: string): void {
  const family = isIPv4(address) ? 4 : 6;
  const source = attribute(family === 4 ? IPV4_SOURCE : IPV6_SOURCE, addressBytes(address));
  for (const [tuple, flags] of [
    [TUPLE_ORIGINAL, FILTER_ORIGINAL],
    [TUPLE_REPLY, FILTER_REPLY],
  ] as const)
    forget(family, tuple, flags, [attribute(TUPLE_IP, [source])], MATCH_SOURCE);
}

/** The same for datagrams to a port of this host, whoever sent them: of a port that leads somewhere else from now on. */
export function forgetDatagramsTo(port: number, family: 4 | 6): void {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(port);
  const protocol = [attribute(PROTOCOL_NUMBER, Uint8Array.of(17)), attribute(DESTINATION_PORT, bytes)];
  forget(
    family,
    TUPLE_ORIGINAL,
    FILTER_ORIGINAL,
    [attribute(TUPLE_PROTOCOL, protocol)],
    MATCH_PROTOCOL | MATCH_DESTINATION_PORT,
  );
}

function forget(family: 4 | 6, tuple: number, side: number, parts: readonly Buffer[], match: number): void {
  const flags = [FILTER_ORIGINAL, FILTER_REPLY].map((each) => attribute(each, hostU32(each === side ? match : 0)));
  askNetfilter({
    type: DELETE_CONNTRACK,
    family: FAMILY[family],
    attributes: [attribute(tuple, parts), attribute(FILTER, flags)],
  });
}
