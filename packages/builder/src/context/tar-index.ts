import { createHash, type Hash, hash } from 'node:crypto';
import { invalid, tooLarge } from '@berth/base';

/** What a tar header says of one member; `offset` is where its bytes start in the uncompressed archive. */
export interface TarMember {
  readonly path: string;
  readonly type: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly mtime: number;
  readonly linkTarget: string;
  readonly major: number;
  readonly minor: number;
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
  readonly offset: number;
  /** sha256 of the bytes, hex; set once they have all been seen. */
  readonly digest: string;
}

const BLOCK = 512;
const MAX_METADATA = 4 * 1024 * 1024;
const MAX_MEMBERS = 5_000_000;
const XATTR = 'SCHILY.xattr.';
const NONE: ReadonlyMap<string, Uint8Array> = new Map();
const OF_NOTHING = hash('sha256', '');

type Header = Omit<TarMember, 'digest' | 'offset'>;

/** Reads an uncompressed tar (ustar, pax, GNU long names) fed in pieces and reports its members; keeps no content. */
export class TarIndexer {
  readonly #onMember: (member: TarMember) => void;
  #offset = 0;
  #left = 0;
  #padding = 0;
  readonly #block = Buffer.alloc(BLOCK);
  #filled = 0;
  #current: { readonly header: Header; readonly offset: number; hash: Hash | string | undefined } | undefined;
  #metadata: { type: string; parts: Buffer[] } | undefined;
  #pax = new Map<string, Buffer>();
  #longName: string | undefined;
  #longLink: string | undefined;
  #members = 0;
  #ended = false;

  constructor(onMember: (member: TarMember) => void) {
    this.#onMember = onMember;
  }

  write(chunk: Uint8Array): void {
    const data = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let at = 0;
    while (at < data.length && !this.#ended) {
      if (this.#left > 0) at += this.#body(data.subarray(at, at + this.#left));
      else if (this.#padding > 0) {
        const skip = Math.min(this.#padding, data.length - at);
        this.#padding -= skip;
        this.#offset += skip;
        at += skip;
      } else at += this.#header(data, at);
    }
  }

  end(): void {
    if (this.#members === 0 && this.#filled > 0 && !this.#ended)
      throw invalid('the archive is not a tar: it is shorter than a header');
    if (this.#left > 0 || (this.#filled > 0 && !this.#ended)) throw invalid('the archive is cut off: unexpected EOF');
  }

  #body(piece: Buffer): number {
    if (this.#metadata) this.#metadata.parts.push(Buffer.from(piece));
    else if (this.#current) this.#current.hash = addTo(this.#current.hash, piece, this.#left);
    this.#left -= piece.length;
    this.#offset += piece.length;
    if (this.#left === 0) this.#finish();
    return piece.length;
  }

  #header(data: Buffer, at: number): number {
    const take = Math.min(BLOCK - this.#filled, data.length - at);
    data.copy(this.#block, this.#filled, at, at + take);
    this.#filled += take;
    this.#offset += take;
    if (this.#filled === BLOCK) {
      this.#filled = 0;
      this.#open(this.#block);
    }
    return take;
  }

  #open(block: Buffer): void {
    if (block[0] === 0 && block.every((byte) => byte === 0)) {
      this.#ended = true;
      return;
    }
    if (!checksumHolds(block)) throw invalid('the archive is not a tar: a header has a wrong checksum');
    if (++this.#members > MAX_MEMBERS) throw tooLarge(`the archive has more than ${MAX_MEMBERS} members`);
    const type = String.fromCharCode(block[156] ?? 0);
    const size = numberAt(block, 124, 12);
    if (type === 'x' || type === 'g' || type === 'L' || type === 'K') {
      if (size > MAX_METADATA) throw tooLarge('the archive has a header of more than 4 MiB');
      this.#metadata = { type, parts: [] };
      this.#begin(size);
      return;
    }
    const header = this.#describe(block, type, size);
    this.#current = { header, offset: this.#offset, hash: undefined };
    const hasBody = type === '0' || type === '\0' || type === '7' || type === 'S';
    this.#begin(hasBody ? header.size : 0);
  }

  #begin(size: number): void {
    this.#left = size;
    this.#padding = (BLOCK - (size % BLOCK)) % BLOCK;
    if (size === 0) this.#finish();
  }

  #describe(block: Buffer, type: string, size: number): Header {
    const pax = (key: string): string | undefined => this.#pax.get(key)?.toString('utf8');
    const prefix = block.toString('latin1', 257, 262) === 'ustar' && block[263] === 0x30 ? textAt(block, 345, 155) : '';
    const name = textAt(block, 0, 100);
    const attributes = [...this.#pax].filter(([key]) => key.startsWith(XATTR));
    return {
      path: pax('path') ?? this.#longName ?? (prefix === '' ? name : `${prefix}/${name}`),
      linkTarget: pax('linkpath') ?? this.#longLink ?? textAt(block, 157, 100),
      type: type === '\0' || type === '7' ? '0' : type,
      mode: numberAt(block, 100, 8) & 0o7777,
      uid: whole(pax('uid')) ?? numberAt(block, 108, 8),
      gid: whole(pax('gid')) ?? numberAt(block, 116, 8),
      size: whole(pax('size')) ?? size,
      mtime: Math.trunc(Number(pax('mtime') ?? numberAt(block, 136, 12)) * 1000) || 0,
      major: numberAt(block, 329, 8),
      minor: numberAt(block, 337, 8),
      xattrs:
        attributes.length === 0 ? NONE : new Map(attributes.map(([key, value]) => [key.slice(XATTR.length), value])),
    };
  }

  #finish(): void {
    if (this.#metadata) {
      const { type, parts } = this.#metadata;
      this.#metadata = undefined;
      const bytes = Buffer.concat(parts);
      if (type === 'x') readPax(bytes, this.#pax);
      else if (type === 'L') this.#longName = untilNul(bytes);
      else if (type === 'K') this.#longLink = untilNul(bytes);
      return;
    }
    const current = this.#current;
    this.#current = undefined;
    if (this.#pax.size > 0) this.#pax = new Map();
    this.#longName = undefined;
    this.#longLink = undefined;
    if (current) this.#onMember({ ...current.header, offset: current.offset, digest: digestOf(current.hash) });
  }
}

/** Hashes on; a file that is there at once, as small ones are, needs no object that would have to be collected. */
function addTo(state: Hash | string | undefined, piece: Buffer, left: number): Hash | string {
  if (state === undefined && piece.length === left) return hash('sha256', piece);
  const hashing = state === undefined || typeof state === 'string' ? createHash('sha256') : state;
  return hashing.update(piece);
}

const digestOf = (state: Hash | string | undefined): string =>
  typeof state === 'object' ? state.digest('hex') : (state ?? OF_NOTHING);

function whole(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,15}$/.test(text)) throw invalid('the archive has a header with a bad number');
  return Number(text);
}

function textAt(block: Buffer, at: number, length: number): string {
  return untilNul(block.subarray(at, at + length));
}

function untilNul(bytes: Buffer): string {
  const nul = bytes.indexOf(0);
  return bytes.toString('utf8', 0, nul < 0 ? bytes.length : nul);
}

/** Octal text, or base-256 when the first bit is set. */
function numberAt(block: Buffer, at: number, length: number): number {
  const first = block[at] ?? 0;
  if (first & 0x80) {
    let value = first & 0x7f;
    for (let i = 1; i < length; i++) value = value * 256 + (block[at + i] ?? 0);
    if (!Number.isSafeInteger(value)) throw invalid('the archive has a header with a bad number');
    return value;
  }
  const text = textAt(block, at, length).trim();
  if (text === '') return 0;
  if (!/^[0-7]+$/.test(text)) throw invalid('the archive has a header with a bad number');
  return Number.parseInt(text, 8);
}

function checksumHolds(block: Buffer): boolean {
  let sum = 0;
  for (let i = 0; i < BLOCK; i++) sum += i >= 148 && i < 156 ? 0x20 : (block[i] ?? 0);
  const stated = textAt(block, 148, 8).trim();
  return /^[0-7]+$/.test(stated) && Number.parseInt(stated, 8) === sum;
}

function readPax(bytes: Buffer, into: Map<string, Buffer>): void {
  let at = 0;
  while (at < bytes.length) {
    const space = bytes.indexOf(0x20, at);
    const length = Number(bytes.toString('latin1', at, space));
    if (space < 0 || !Number.isSafeInteger(length) || length <= space - at || at + length > bytes.length)
      throw invalid('the archive has a malformed extended header');
    const record = bytes.subarray(space + 1, at + length - 1);
    const equals = record.indexOf(0x3d);
    if (equals < 0) throw invalid('the archive has a malformed extended header');
    into.set(record.toString('utf8', 0, equals), record.subarray(equals + 1));
    at += length;
  }
}
