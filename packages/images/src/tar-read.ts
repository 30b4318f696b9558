import { invalid, tooLarge } from '@berth/base';
import type { ByteStream } from '@berth/oci';

export interface TarEntry {
  /** As written, not yet made safe. */
  readonly path: string;
  readonly type: 'file' | 'directory' | 'symlink' | 'hardlink' | 'other';
  readonly size: number;
  readonly linkPath: string;
  /** Must be read before the next entry is asked for; what is left unread is skipped. */
  readonly body: ByteStream;
}

const BLOCK = 512;
/** Bytes of an extended header or long name. */
const MAX_EXTENDED = 1024 * 1024;

/**
 * Entries of a ustar, pax or GNU archive, in one pass over a stream. Image archives only hold blobs and JSON, so
 * ownership, times and sparse files mean nothing here. Throws `invalid` (not a tar, damaged, cut short) and `tooLarge`.
 */
export async function* readTar(source: ByteStream): AsyncGenerator<TarEntry> {
  const blocks = new BlockReader(source);
  try {
    let extended: Extended = {};
    for (let block = await blocks.take(BLOCK); block; block = await blocks.take(BLOCK)) {
      if (block.every((byte) => byte === 0)) return;
      const header = parseHeader(block);
      if ('xgLK'.includes(header.flag)) {
        extended = { ...extended, ...(await readExtended(blocks, header)) };
        continue;
      }
      const size = extended.size ?? header.size;
      const body = blocks.body(size);
      yield {
        path: extended.path ?? header.path,
        linkPath: extended.linkPath ?? header.linkPath,
        type: TYPES[header.flag] ?? 'other',
        size,
        body,
      };
      extended = {};
      await blocks.finishBody();
    }
  } finally {
    await blocks.close();
  }
}

const TYPES: Readonly<Record<string, TarEntry['type']>> = {
  '0': 'file',
  '\0': 'file',
  '7': 'file',
  '5': 'directory',
  '2': 'symlink',
  '1': 'hardlink',
};

interface Header {
  readonly path: string;
  readonly linkPath: string;
  readonly size: number;
  readonly flag: string;
}

interface Extended {
  readonly path?: string;
  readonly linkPath?: string;
  readonly size?: number;
}

function parseHeader(block: Uint8Array): Header {
  const bytes = Buffer.from(block.buffer, block.byteOffset, block.byteLength);
  let sum = 8 * 0x20;
  for (let at = 0; at < BLOCK; at++) if (at < 148 || at >= 156) sum += bytes[at] ?? 0;
  if (sum !== number(bytes, 148, 8)) throw invalid('invalid tar header: this is no tar archive, or it is damaged');
  const name = text(bytes, 0, 100);
  const isUstar = bytes.toString('latin1', 257, 262) === 'ustar' && bytes[262] === 0;
  const prefix = isUstar ? text(bytes, 345, 155) : '';
  return {
    path: prefix === '' ? name : `${prefix}/${name}`,
    linkPath: text(bytes, 157, 100),
    size: number(bytes, 124, 12),
    flag: bytes.toString('latin1', 156, 157),
  };
}

function text(bytes: Buffer, start: number, length: number): string {
  const field = bytes.subarray(start, start + length);
  const end = field.indexOf(0);
  return field.toString('utf8', 0, end < 0 ? length : end);
}

function number(bytes: Buffer, start: number, length: number): number {
  let value: number;
  if ((bytes[start] ?? 0) & 0x80) value = Number(bytes.readBigUInt64BE(start + length - 8));
  else {
    const digits = text(bytes, start, length).trim();
    if (!/^[0-7]*$/.test(digits)) throw invalid('invalid tar header: a number is not octal');
    value = digits === '' ? 0 : Number.parseInt(digits, 8);
  }
  if (!Number.isSafeInteger(value)) throw invalid('invalid tar header: a number is out of range');
  return value;
}

async function readExtended(blocks: BlockReader, header: Header): Promise<Extended> {
  if (header.size > MAX_EXTENDED) throw tooLarge(`a tar header of ${header.size} bytes`);
  const chunks: Uint8Array[] = [];
  for await (const chunk of blocks.body(header.size)) chunks.push(chunk.slice());
  await blocks.finishBody();
  const data = Buffer.concat(chunks);
  if (header.flag === 'L') return { path: text(data, 0, data.length) };
  if (header.flag === 'K') return { linkPath: text(data, 0, data.length) };
  if (header.flag === 'g') return {};
  return parsePax(data);
}

function parsePax(data: Buffer): Extended {
  const found: { path?: string; linkPath?: string; size?: number } = {};
  for (let at = 0; at < data.length; ) {
    const space = data.indexOf(0x20, at);
    const length = space < 0 ? Number.NaN : Number(data.toString('latin1', at, space));
    if (!Number.isInteger(length) || length <= space - at || at + length > data.length)
      throw invalid('invalid tar archive: malformed extended header');
    const record = data.toString('utf8', space + 1, at + length - 1);
    const equals = record.indexOf('=');
    const key = record.slice(0, equals);
    const value = record.slice(equals + 1);
    if (key === 'path') found.path = value;
    else if (key === 'linkpath') found.linkPath = value;
    else if (key === 'size') {
      found.size = Number(value);
      if (!Number.isSafeInteger(found.size) || found.size < 0) throw invalid('invalid tar archive: malformed size');
    }
    at += length;
  }
  return found;
}

/** Cuts a stream into what is asked for, without copying file contents. */
class BlockReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array(0);
  #left = 0;
  #padding = 0;

  constructor(source: ByteStream) {
    this.#chunks = source[Symbol.asyncIterator]();
  }

  /** Exactly `length` bytes; undefined at a clean end of the stream. */
  async take(length: number): Promise<Uint8Array | undefined> {
    if (this.#rest.byteLength >= length) return this.#cut(length);
    const parts: Uint8Array[] = [];
    let have = 0;
    while (have < length) {
      if (this.#rest.byteLength === 0 && !(await this.#fill())) {
        if (have === 0) return undefined;
        throw cutShort();
      }
      const part = this.#cut(Math.min(length - have, this.#rest.byteLength));
      have += part.byteLength;
      parts.push(part);
    }
    return Buffer.concat(parts);
  }

  body(size: number): ByteStream {
    this.#left = size;
    this.#padding = (BLOCK - (size % BLOCK)) % BLOCK;
    return { [Symbol.asyncIterator]: () => this.#bodyChunks() };
  }

  async *#bodyChunks(): AsyncGenerator<Uint8Array> {
    while (this.#left > 0) {
      if (this.#rest.byteLength === 0 && !(await this.#fill())) throw cutShort();
      const chunk = this.#cut(Math.min(this.#left, this.#rest.byteLength));
      this.#left -= chunk.byteLength;
      yield chunk;
    }
  }

  async finishBody(): Promise<void> {
    for await (const _chunk of this.#bodyChunks());
    if (this.#padding > 0 && !(await this.take(this.#padding))) throw cutShort();
    this.#padding = 0;
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  #cut(length: number): Uint8Array {
    const part = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(length);
    return part;
  }

  async #fill(): Promise<boolean> {
    const next = await this.#chunks.next();
    if (next.done) return false;
    this.#rest = next.value;
    return true;
  }
}

const cutShort = (): Error => invalid('unexpected end of the archive: it was cut short');
