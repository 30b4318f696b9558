import { closeSync, readSync, writeSync } from 'node:fs';
import { endianness } from 'node:os';
import { internal } from '@berth/base';
import { libc } from './libc.ts';
import { check, SyscallError } from './syscall-error.ts';

/*
 * Messages of netlink(7): a header, the header of the protocol, attributes. The kernel answers these
 * requests before write(2) returns, so that all of this is a few microseconds of synchronous calls.
 */

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_FLAGS = 0o2004000; // non-blocking, close on exec
const NETLINK_SOCK_DIAG = 4;
const NETLINK_NETFILTER = 12;
const HEADER = 16;
/** nfgenmsg: family, version, resource ID. */
const NETFILTER_HEADER = 4;
/** unix_diag_msg: family, type, state, padding, inode, cookie. */
const UNIX_DIAG_HEADER = 16;
const SOCK_DIAG_BY_FAMILY = 20;
const AF_UNIX = 1;
const NO_COOKIE = 0xffffffff;
const NESTED = 0x8000;
const TYPE_MASK = 0x3fff;

const ERROR = 2;
const DONE = 3;
const REQUEST = 1;
const ACKNOWLEDGE = 4;
const DUMP = 0x300;

const littleEndian = endianness() === 'LE';
const u16 = (value: number): Buffer => {
  const bytes = Buffer.alloc(2);
  if (littleEndian) bytes.writeUInt16LE(value);
  else bytes.writeUInt16BE(value);
  return bytes;
};
const readU16 = (bytes: Buffer, at: number): number => (littleEndian ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at));
const readU32 = (bytes: Buffer, at: number): number => (littleEndian ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at));

/** Four bytes in the machine's order, as netlink's own fields have them. */
export const hostU32 = (value: number): Buffer =>
  Buffer.from(Uint8Array.from(new Uint8Array(Uint32Array.of(value).buffer)));

/** An attribute with its header and padding; several values make a nested one. */
export function attribute(type: number, value: Uint8Array | readonly Uint8Array[]): Buffer {
  const nested = !(value instanceof Uint8Array);
  const body = nested ? Buffer.concat(value) : value;
  const padding = Buffer.alloc((4 - (body.length % 4)) % 4);
  return Buffer.concat([u16(body.length + 4), u16(nested ? type | NESTED : type), body, padding]);
}

/** Attributes by type; of a type that occurs twice, the last. */
export function attributesOf(bytes: Buffer): ReadonlyMap<number, Buffer> {
  const found = new Map<number, Buffer>();
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = readU16(bytes, at);
    if (length < 4 || at + length > bytes.length) break;
    found.set(readU16(bytes, at + 2) & TYPE_MASK, bytes.subarray(at + 4, at + length));
    at += (length + 3) & ~3;
  }
  return found;
}

export interface NetfilterRequest {
  /** Subsystem and message, `NFNL_SUBSYS << 8 | MSG`. */
  readonly type: number;
  /** NFPROTO_*. */
  readonly family: number;
  readonly attributes?: readonly Uint8Array[];
  /** Every object, not one. */
  readonly dump?: boolean;
}

/**
 * One request to netfilter in this process's network namespace; the attributes of each answer. Throws
 * {@link SyscallError} with what the kernel says: `notFound` for what is not there.
 */
export function askNetfilter(request: NetfilterRequest): readonly ReadonlyMap<number, Buffer>[] {
  const { type, family, attributes = [], dump = false } = request;
  const body = Buffer.concat([Buffer.from([family, 0, 0, 0]), ...attributes]);
  const flags = REQUEST | (dump ? DUMP : ACKNOWLEDGE);
  return ask(NETLINK_NETFILTER, encode(type, flags, body), NETFILTER_HEADER);
}

/**
 * What sock_diag(7) says of one unix socket of this network namespace, by its inode; `show` is a mask of UDIAG_SHOW_*.
 * Throws {@link SyscallError}: `notFound` when there is no such socket, or the kernel has no `unix_diag`.
 */
export function askUnixSocket(inode: number, show: number): ReadonlyMap<number, Buffer> {
  const every = 0xffffffff;
  const body = Buffer.concat([
    Buffer.from([AF_UNIX, 0, 0, 0]),
    ...[every, inode, show, NO_COOKIE, NO_COOKIE].map(hostU32),
  ]);
  const request = encode(SOCK_DIAG_BY_FAMILY, REQUEST | ACKNOWLEDGE, body);
  return ask(NETLINK_SOCK_DIAG, request, UNIX_DIAG_HEADER)[0] ?? new Map();
}

function ask(protocol: number, request: Buffer, answerHeader: number): readonly ReadonlyMap<number, Buffer>[] {
  const fd = check(libc().socket(AF_NETLINK, SOCK_RAW | SOCK_FLAGS, protocol), 'socket', 'netlink');
  try {
    writeSync(fd, request);
    return answers(fd, answerHeader);
  } finally {
    closeSync(fd);
  }
}

function encode(type: number, flags: number, body: Buffer): Buffer {
  return Buffer.concat([hostU32(HEADER + body.length), u16(type), u16(flags), hostU32(1), hostU32(0), body]);
}

function answers(fd: number, answerHeader: number): readonly ReadonlyMap<number, Buffer>[] {
  const found: ReadonlyMap<number, Buffer>[] = [];
  for (;;) {
    const buffer = Buffer.allocUnsafe(65536);
    const bytes = buffer.subarray(0, readSync(fd, buffer));
    for (let at = 0; at + HEADER <= bytes.length; ) {
      const length = readU32(bytes, at);
      if (length < HEADER || at + length > bytes.length) throw internal('netlink: an answer is cut short');
      const type = readU16(bytes, at + 4);
      const body = bytes.subarray(at + HEADER, at + length);
      if (type === ERROR || type === DONE) {
        const errno = body.length < 4 ? 0 : -(littleEndian ? body.readInt32LE(0) : body.readInt32BE(0));
        if (errno > 0) throw new SyscallError('netlink', errno);
        return found;
      }
      found.push(attributesOf(body.subarray(answerHeader)));
      at += (length + 3) & ~3;
    }
  }
}
