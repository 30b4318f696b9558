import type { FileHandle } from 'node:fs/promises';
import { promisify } from 'node:util';
import { crc32, deflateRaw, inflateRaw } from 'node:zlib';
import { dataLoss } from '@berth/base';

const FIXED = 12;
const EXTRA = 28;
const HEAD = FIXED + EXTRA;
const TAIL = 8;
const SUBFIELD_HEAD = 4;
const PREFIX = Buffer.from([0x1f, 0x8b, 8, 4]);
/** Nothing written here has a larger one: bounds what a damaged file makes the daemon allocate. */
const MAX_MEMBER = 4 << 20;
const HALF = 64n;

const deflate = promisify<Buffer, Buffer>(deflateRaw);
const inflate = promisify<Buffer, { readonly maxOutputLength: number }, Buffer>(inflateRaw);

/** One gzip member of a compressed log (RFC 1952), which says in its extra field how long it is. */
export interface Member {
  /** Offset of the compressed data in the file. */
  readonly at: number;
  readonly packed: number;
  /** Offset of the contents in the file that was compressed. */
  readonly rawAt: number;
  readonly raw: number;
}

/** What a compressed file holds. */
export interface MemberIndex {
  readonly members: readonly Member[];
  /** Bytes of the file that was compressed. */
  readonly size: number;
  /** Of the file that was compressed; undefined when there is not one member. */
  readonly identity: bigint | undefined;
}

/** A part of a log as a gzip member. Extra field `BL`: the file's identity, bytes compressed, bytes of contents. */
export async function gzipMember(data: Buffer, identity: bigint): Promise<Buffer> {
  const packed = await deflate(data);
  const head = Buffer.alloc(HEAD);
  head.set(PREFIX);
  head.writeUInt8(255, 9);
  head.writeUInt16LE(EXTRA, 10);
  head.write('BL', FIXED, 'latin1');
  head.writeUInt16LE(EXTRA - SUBFIELD_HEAD, FIXED + 2);
  head.writeBigUInt64LE(BigInt.asUintN(64, identity), 16);
  head.writeBigUInt64LE(BigInt.asUintN(64, identity >> HALF), 24);
  head.writeUInt32LE(packed.length, 32);
  head.writeUInt32LE(data.length, 36);
  const tail = Buffer.alloc(TAIL);
  tail.writeUInt32LE(crc32(data), 0);
  tail.writeUInt32LE(data.length, 4);
  return Buffer.concat([head, packed, tail]);
}

/** Finds the members of a compressed log by their heads alone. Throws `dataLoss` where there is something else. */
export async function readMembers(handle: FileHandle): Promise<MemberIndex> {
  const members: Member[] = [];
  const head = Buffer.alloc(HEAD);
  let identity: bigint | undefined;
  let size = 0;
  for (let at = 0; ; ) {
    const { bytesRead } = await handle.read(head, 0, HEAD, at);
    if (bytesRead === 0) return { members, size, identity };
    const packed = head.readUInt32LE(32);
    const raw = head.readUInt32LE(36);
    const known = bytesRead === HEAD && head.subarray(0, PREFIX.length).equals(PREFIX) && head[FIXED] === 0x42;
    if (!known || packed > MAX_MEMBER || raw > MAX_MEMBER || raw === 0)
      throw dataLoss(`a compressed log is damaged at byte ${at}`);
    identity ??= (head.readBigUInt64LE(24) << HALF) | head.readBigUInt64LE(16);
    members.push({ at: at + HEAD, packed, rawAt: size, raw });
    size += raw;
    at += HEAD + packed + TAIL;
  }
}

/** The contents of one member. Throws `dataLoss` when they are not what was compressed. */
export async function readMember(handle: FileHandle, { at, packed, raw }: Member): Promise<Buffer> {
  const buffer = Buffer.alloc(packed + TAIL);
  try {
    await handle.read(buffer, 0, buffer.length, at);
    const data = await inflate(buffer.subarray(0, packed), { maxOutputLength: raw });
    if (data.length === raw && crc32(data) === buffer.readUInt32LE(packed)) return data;
  } catch (cause) {
    throw dataLoss(`a compressed log is damaged at byte ${at}`, { cause });
  }
  throw dataLoss(`a compressed log is damaged at byte ${at}`);
}
