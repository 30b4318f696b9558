import {
  type Answer,
  AUTHORITATIVE_ANSWER,
  decode,
  encode,
  type Packet,
  RECURSION_AVAILABLE,
  RECURSION_DESIRED,
  TRUNCATED_RESPONSE,
} from 'dns-packet';
import { addressOfPointer, lookupAddress, lookupName, type ZoneRecords } from './zone.ts';

export const RCODE = { formatError: 1, serverFailure: 2, nameError: 3, notImplemented: 4 } as const;

const SECONDS_TO_LIVE = 600;

/**
 * Answers a query from the records, or returns undefined for one that belongs to the upstream servers. Addresses come
 * in random order, so that clients which take the first one spread over a name's containers.
 */
export function answerLocally(records: ZoneRecords, containerId: string, query: Packet): readonly Answer[] | undefined {
  const [question] = query.questions ?? [];
  if (!question || (question.class ?? 'IN') !== 'IN') return undefined;
  const { name, type } = question;
  if (type === 'PTR') {
    const ip = addressOfPointer(name);
    const names = ip && lookupAddress(records, containerId, ip);
    return names?.map((data) => ({ type, name, ttl: SECONDS_TO_LIVE, data }));
  }
  const addresses = lookupName(records, containerId, name);
  if (!addresses) return undefined;
  // A name of ours with no record of the type asked for is an empty answer, never a question for somebody else.
  const data = type === 'A' ? addresses.ipv4 : type === 'AAAA' ? addresses.ipv6 : [];
  return shuffle(data).map((address) => ({
    type: type === 'A' ? 'A' : 'AAAA',
    name,
    ttl: SECONDS_TO_LIVE,
    data: address,
  }));
}

function shuffle<T>(items: readonly T[]): readonly T[] {
  return items
    .map((item) => ({ item, at: Math.random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

/** The packet, or undefined when it is not a query that can be replied to. */
export function parseQuery(message: Uint8Array): Packet | undefined {
  if (message.length < 12) return undefined;
  try {
    const packet = decode(Buffer.from(message));
    return packet.type === 'query' ? packet : undefined;
  } catch {
    return undefined;
  }
}

/** A response that fits `limit` bytes, truncated (and marked so) when the answers do not. */
export function encodeAnswer(query: Packet, answers: readonly Answer[], limit: number): Uint8Array {
  const desired = (query.flags ?? 0) & RECURSION_DESIRED;
  const flags = AUTHORITATIVE_ANSWER | RECURSION_AVAILABLE | desired;
  const packet: Packet = {
    id: query.id ?? 0,
    type: 'response',
    flags,
    questions: query.questions ?? [],
    answers: [...answers],
  };
  const whole = encode(packet);
  if (whole.length <= limit) return whole;
  return encode({ ...packet, flags: flags | TRUNCATED_RESPONSE, answers: [] });
}

/** A response without answers saying why. Works on any message with a header. */
export function encodeFailure(message: Uint8Array, rcode: number): Uint8Array {
  const query = parseQuery(message);
  const desired = (query?.flags ?? 0) & RECURSION_DESIRED;
  const flags = RECURSION_AVAILABLE | desired | rcode;
  return encode({
    id: query?.id ?? Buffer.from(message).readUInt16BE(0),
    type: 'response',
    flags,
    questions: query?.questions ?? [],
  });
}

/** Bytes a UDP client takes: 512 unless its query has an OPT record saying more (RFC 6891). */
export function udpLimit(query: Packet): number {
  const option = query.additionals?.find((record) => record.type === 'OPT');
  const size = option !== undefined && 'udpPayloadSize' in option ? option.udpPayloadSize : 512;
  return Math.min(Math.max(size, 512), 4096);
}
