import { invalid } from '@berth/base';

/** Size of a tar block. */
export const BLOCK = 512;

/** The fields of a ustar, GNU or v7 header block, before extensions. */
export interface RawHeader {
  readonly name: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
  readonly flag: string;
  readonly linkName: string;
  readonly isGnu: boolean;
  readonly major: number;
  readonly minor: number;
}

export function cString(block: Buffer, start: number, end: number): string {
  let stop = start;
  while (stop < end && block[stop] !== 0) stop++;
  return block.toString('utf8', start, stop);
}

const base256 = (block: Buffer, start: number, end: number): number => {
  const first = block[start] ?? 0;
  const negative = (first & 0x40) !== 0;
  let value = negative ? -1n : 0n;
  value = (value << 7n) | BigInt(first & 0x7f);
  for (let i = start + 1; i < end; i++) value = (value << 8n) | BigInt(block[i] ?? 0);
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw invalid('archive: number out of range in a header');
  return number;
};

/** An octal or base-256 number field. */
export function numberField(block: Buffer, start: number, end: number): number {
  if (((block[start] ?? 0) & 0x80) !== 0) return base256(block, start, end);
  let value = 0;
  let at = start;
  while (at < end && (block[at] === 0x20 || block[at] === 0)) at++;
  for (; at < end; at++) {
    const digit = (block[at] ?? 0) - 0x30;
    if (digit === -0x30 || digit === -0x10) break;
    if (digit < 0 || digit > 7) throw invalid('archive: malformed number in a header');
    value = value * 8 + digit;
  }
  return value;
}

const checksumHolds = (block: Buffer): boolean => {
  let unsigned = 256;
  let signed = 256;
  for (let i = 0; i < BLOCK; i++) {
    if (i === 148) i = 156;
    const byte = block[i] ?? 0;
    unsigned += byte;
    signed += byte < 128 ? byte : byte - 256;
  }
  const stored = numberField(block, 148, 156);
  return stored === unsigned || stored === signed;
};

export function isZeroBlock(block: Buffer): boolean {
  for (let i = 0; i < BLOCK; i += 4) if (block.readInt32LE(i) !== 0) return false;
  return true;
}

/** Reads a header block. Throws `invalid`. */
export function parseHeader(block: Buffer): RawHeader {
  if (!checksumHolds(block)) throw invalid('archive: header checksum does not match, this is no tar archive');
  const magic = block.toString('latin1', 257, 263);
  const isUstar = magic === 'ustar\0';
  const name = cString(block, 0, 100);
  const prefix = isUstar ? cString(block, 345, 500) : '';
  const flag = String.fromCharCode(block[156] ?? 0);
  const isDevice = flag === '3' || flag === '4';
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    mode: numberField(block, 100, 108),
    uid: numberField(block, 108, 116),
    gid: numberField(block, 116, 124),
    size: numberField(block, 124, 136),
    mtime: numberField(block, 136, 148),
    flag,
    linkName: cString(block, 157, 257),
    isGnu: magic === 'ustar ',
    major: isDevice ? numberField(block, 329, 337) : 0,
    minor: isDevice ? numberField(block, 337, 345) : 0,
  };
}
