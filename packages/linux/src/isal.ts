import { createRequire } from 'node:module';
import { gzipSync } from 'node:zlib';
import { invalid } from '@berth/base';
import { memoize } from './memoize.ts';

/*
 * libisal.so.2 (Debian: libisal2, which igzip comes with) inflates about four times as fast as zlib. Called in the thread
 * that needs the bytes it spares a process, two pipes and four copies a layer. The structure's beginning and the few
 * fields used here belong to the library's interface, which its soname stands for; a gzip member is inflated before the
 * first use all the same, and where anything differs there is no inflater.
 */

const FIELD = {
  nextOut: 0,
  availOut: 8,
  nextIn: 16,
  availIn: 32,
  blockState: 21_160,
  crcFlag: 21_172,
} as const;
/** The structure has 86,500 bytes. */
const STATE_BYTES = 128 << 10;
const FINISHED = 5;
/** A gzip header before the data and a checksum after it, both looked at. */
const GZIP = 1;
const GZIP_MAGIC = 0x1f;
/** Input and output together stay in a core's own cache. */
const BUFFER_BYTES = 256 << 10;

/** Inflates one gzip file, which may have several members, on the calling thread. */
export interface Inflater {
  /** Compressed bytes are put here. */
  readonly input: Buffer;
  /**
   * What the first `length` bytes of `input` inflate to, piece by piece; a piece is valid until the next is asked for.
   * Bytes after the last member that do not begin another are passed over, as gzip does.
   * Throws `invalid` when they are damaged.
   */
  inflate(length: number): Generator<Buffer>;
  /** Says that the input has ended. Throws `invalid` when it was cut short. */
  finish(): void;
}

interface Library {
  init(state: Buffer): void;
  inflate(state: Buffer): number;
  address(buffer: Buffer): bigint;
}

const load = (): Library => {
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
  const library = koffi.load('libisal.so.2');
  const init = library.func('isal_inflate_init', 'void', ['void*']);
  const inflate = library.func('isal_inflate', 'int', ['void*']);
  return {
    init: (state) => init(state),
    inflate: (state) => inflate(state),
    address: (buffer) => koffi.address(buffer),
  };
};

class IsalInflater implements Inflater {
  readonly input = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  readonly #output = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  readonly #state = Buffer.alloc(STATE_BYTES);
  readonly #library: Library;
  readonly #inputAddress: bigint;
  readonly #outputAddress: bigint;
  #member: 'none yet' | 'open' | 'complete' = 'none yet';
  #over = false;

  constructor(library: Library) {
    this.#library = library;
    this.#inputAddress = library.address(this.input);
    this.#outputAddress = library.address(this.#output);
  }

  *inflate(length: number): Generator<Buffer> {
    if (length > this.input.length) throw invalid(`${length} bytes are more than the buffer takes`);
    for (let at = 0; at < length && !this.#over; ) {
      if (this.#member !== 'open' && !this.#begin(at)) return;
      at = yield* this.#continue(at, length);
    }
  }

  /** Begins a member at `at`; false when there is none. */
  #begin(at: number): boolean {
    if (this.#member === 'complete' && this.input[at] !== GZIP_MAGIC) {
      this.#over = true;
      return false;
    }
    this.#library.init(this.#state);
    this.#state.writeUInt32LE(GZIP, FIELD.crcFlag);
    this.#member = 'open';
    return true;
  }

  /** Inflates until the member ends or the input is used up; where it got to. */
  *#continue(start: number, end: number): Generator<Buffer, number> {
    const state = this.#state;
    state.writeBigUInt64LE(this.#inputAddress + BigInt(start), FIELD.nextIn);
    state.writeUInt32LE(end - start, FIELD.availIn);
    for (;;) {
      state.writeBigUInt64LE(this.#outputAddress, FIELD.nextOut);
      state.writeUInt32LE(BUFFER_BYTES, FIELD.availOut);
      const result = this.#library.inflate(state);
      if (result !== 0) throw invalid(`compressed data is damaged (isal: ${result})`);
      const produced = BUFFER_BYTES - state.readUInt32LE(FIELD.availOut);
      const left = state.readUInt32LE(FIELD.availIn);
      if (produced > 0) yield this.#output.subarray(0, produced);
      if (state.readUInt32LE(FIELD.blockState) === FINISHED) {
        this.#member = 'complete';
        return end - left;
      }
      if (left === 0 && produced < BUFFER_BYTES) return end;
    }
  }

  finish(): void {
    if (this.#member !== 'complete') throw invalid('compressed data is cut short');
  }
}

const inflated = (library: Library, data: Buffer): string => {
  const inflater = new IsalInflater(library);
  const pieces: Buffer[] = [];
  for (const byte of data) {
    inflater.input[0] = byte;
    for (const piece of inflater.inflate(1)) pieces.push(Buffer.from(piece));
  }
  inflater.finish();
  return Buffer.concat(pieces).toString();
};

const works = (library: Library): boolean => {
  const text = 'ends of members are seen, checksums are looked at, ';
  const member = gzipSync(text);
  if (inflated(library, Buffer.concat([member, member])) !== text + text) return false;
  const damaged = Buffer.from(member);
  damaged.writeUInt32LE(~member.readUInt32LE(member.length - 8) >>> 0, member.length - 8);
  try {
    inflated(library, damaged);
    return false;
  } catch {
    return true;
  }
};

const inflaterLibrary = memoize((): Library | undefined => {
  try {
    const library = load();
    return works(library) ? library : undefined;
  } catch {
    return undefined;
  }
});

/** A fast inflater for gzip; undefined where the library for it is not installed. */
export function openInflater(): Inflater | undefined {
  const library = inflaterLibrary();
  return library && new IsalInflater(library);
}
