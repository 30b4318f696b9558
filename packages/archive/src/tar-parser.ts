import { invalid, tooLarge } from '@berth/base';
import { type PaxRecords, parsePax, paxNumber, paxText, paxTime, paxXattrs, sparseRanges } from './pax.ts';
import type { EntryType, SparseRange, TarEntry } from './tar-entry.ts';
import { BLOCK, cString, isZeroBlock, numberField, parseHeader, type RawHeader } from './tar-header.ts';

/** What a {@link TarParser} tells about the archive, in its order. `data` buffers are valid during the call only. */
export interface TarHandler {
  entry(entry: TarEntry): void;
  data(chunk: Buffer): void;
  end(): void;
}

export interface TarLimits {
  readonly maxEntries?: number;
  /** Total of all file sizes, holes included. */
  readonly maxBytes?: number;
}

/** Longest pax header, long name or sparse map that is read. */
const MAX_META = 1 << 20;

const TYPES: Readonly<Record<string, EntryType>> = {
  '0': 'file',
  '\0': 'file',
  '7': 'file',
  S: 'file',
  '1': 'link',
  '2': 'symlink',
  '3': 'char',
  '4': 'block',
  '5': 'directory',
  '6': 'fifo',
};

type State =
  | { readonly kind: 'header' }
  | { readonly kind: 'meta'; readonly flag: string }
  | { readonly kind: 'sparseExtension' }
  | { readonly kind: 'sparseMap' }
  | { readonly kind: 'data' }
  | { readonly kind: 'skip' }
  | { readonly kind: 'done' };

const HEADER: State = { kind: 'header' };
const DATA: State = { kind: 'data' };
const SKIP: State = { kind: 'skip' };

/**
 * A synchronous push parser for tar archives: ustar, pax, GNU (long names, base-256 numbers, the old and all three pax
 * sparse formats). Feed it chunks of any size with `push`, then call `finish`. Throws `invalid` for anything malformed
 * or cut short and `tooLarge` past its limits; nothing is buffered but headers.
 */
export class TarParser {
  readonly #handler: TarHandler;
  readonly #limits: Required<TarLimits>;
  #state: State = HEADER;
  /** Bytes of a block or meta member not complete yet. */
  #partial: Buffer[] = [];
  #partialSize = 0;
  /** Bytes of the current member's data, and of the padding after it, still to come. */
  #remaining = 0;
  #padding = 0;
  #pax: PaxRecords | undefined;
  #longName: string | undefined;
  #longLink: string | undefined;
  #header: RawHeader | undefined;
  #sparse: number[] = [];
  #realSize = 0;
  entries = 0;
  bytes = 0;

  constructor(handler: TarHandler, limits: TarLimits = {}) {
    this.#handler = handler;
    this.#limits = {
      maxEntries: limits.maxEntries ?? Number.POSITIVE_INFINITY,
      maxBytes: limits.maxBytes ?? Number.POSITIVE_INFINITY,
    };
  }

  push(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      const before = at;
      at = this.#step(chunk, at);
      if (at === before && this.#state.kind === 'done') return;
    }
  }

  /** Says that the archive has ended. Throws `invalid` when it ended in the middle of something. */
  finish(): void {
    const clean = this.#state.kind === 'done' || (this.#state.kind === 'header' && this.#partialSize === 0);
    const pending = this.#pax !== undefined || this.#longName !== undefined || this.#longLink !== undefined;
    if (!clean || (pending && this.#state.kind !== 'done')) throw invalid('archive: unexpected end of archive');
  }

  #step(chunk: Buffer, at: number): number {
    switch (this.#state.kind) {
      case 'done':
        return at;
      case 'data':
      case 'skip':
        return this.#passData(chunk, at);
      case 'header':
        return this.#gather(chunk, at, BLOCK, (block) => this.#readHeader(block));
      case 'sparseExtension':
        return this.#gather(chunk, at, BLOCK, (block) => this.#readSparseExtension(block));
      case 'sparseMap':
        return this.#gather(chunk, at, BLOCK, (block) => this.#readSparseMapBlock(block));
      case 'meta': {
        const { flag } = this.#state;
        return this.#gather(chunk, at, this.#remaining, (data) => this.#readMeta(flag, data));
      }
    }
  }

  /** Collects `size` bytes across chunks, then hands them to `use`. */
  #gather(chunk: Buffer, at: number, size: number, use: (data: Buffer) => void): number {
    const take = Math.min(size - this.#partialSize, chunk.length - at);
    const piece = chunk.subarray(at, at + take);
    if (this.#partialSize + take < size) {
      this.#partial.push(Buffer.from(piece));
      this.#partialSize += take;
      return at + take;
    }
    const whole = this.#partialSize === 0 ? piece : Buffer.concat([...this.#partial, piece]);
    this.#partial = [];
    this.#partialSize = 0;
    use(whole);
    return at + take;
  }

  #passData(chunk: Buffer, at: number): number {
    if (this.#remaining > 0) {
      const take = Math.min(this.#remaining, chunk.length - at);
      if (this.#state.kind === 'data') this.#handler.data(chunk.subarray(at, at + take));
      this.#remaining -= take;
      if (this.#remaining === 0) this.#dataEnded();
      return at + take;
    }
    const take = Math.min(this.#padding, chunk.length - at);
    this.#padding -= take;
    if (this.#padding === 0) this.#state = HEADER;
    return at + take;
  }

  #dataEnded(): void {
    if (this.#state.kind === 'data') this.#handler.end();
    this.#state = this.#padding === 0 ? HEADER : SKIP;
  }

  #enter(state: State, size: number): void {
    this.#state = state;
    this.#remaining = size;
    this.#padding = (BLOCK - (size % BLOCK)) % BLOCK;
    if (size === 0) this.#dataEnded();
  }

  #readHeader(block: Buffer): void {
    if (isZeroBlock(block)) {
      this.#state = { kind: 'done' };
      return;
    }
    const header = parseHeader(block);
    if (header.size < 0) throw invalid('archive: negative size');
    if ('xgLK'.includes(header.flag) && header.flag !== '') {
      this.#startMeta(header);
      return;
    }
    this.#header = header;
    if (header.flag === 'S') {
      this.#startOldSparse(block, header);
      return;
    }
    const major = paxText(this.#pax, 'GNU.sparse.major');
    if (major === '1') {
      this.#sparse = [];
      this.#remaining = paxNumber(this.#pax, 'size') ?? header.size;
      this.#padding = (BLOCK - (this.#remaining % BLOCK)) % BLOCK;
      this.#mapText = '';
      this.#state = { kind: 'sparseMap' };
      if (this.#remaining < BLOCK) throw invalid('archive: malformed sparse map');
      return;
    }
    const map = paxText(this.#pax, 'GNU.sparse.map');
    this.#sparse = map === undefined ? [] : map.split(',').map(Number);
    this.#realSize = paxNumber(this.#pax, 'GNU.sparse.size') ?? paxNumber(this.#pax, 'GNU.sparse.realsize') ?? -1;
    const isSparse = map !== undefined && this.#realSize >= 0;
    this.#emit(isSparse, paxNumber(this.#pax, 'size') ?? header.size);
  }

  #mapText = '';

  #readSparseMapBlock(block: Buffer): void {
    this.#mapText += block.toString('latin1');
    this.#remaining -= BLOCK;
    if (this.#mapText.length > MAX_META) throw tooLarge('archive: sparse map is too long');
    const lines = this.#mapText.split('\n');
    const count = lines.length > 1 ? Number(lines[0]) : -1;
    if (lines.length > 1 && !(Number.isSafeInteger(count) && count >= 0))
      throw invalid('archive: malformed sparse map');
    if (count < 0 || lines.length - 1 < 1 + 2 * count) {
      if (this.#remaining < BLOCK) throw invalid('archive: malformed sparse map');
      return;
    }
    this.#sparse = lines.slice(1, 1 + 2 * count).map(Number);
    this.#realSize = paxNumber(this.#pax, 'GNU.sparse.realsize') ?? -1;
    if (this.#realSize < 0) throw invalid('archive: sparse file without its size');
    this.#emit(true, this.#remaining);
  }

  #startMeta(header: RawHeader): void {
    if (header.size > MAX_META) throw tooLarge('archive: extended header is too long');
    const padded = Math.ceil(header.size / BLOCK) * BLOCK;
    this.#header = header;
    this.#remaining = padded;
    this.#state = padded === 0 ? HEADER : { kind: 'meta', flag: header.flag };
  }

  #readMeta(flag: string, padded: Buffer): void {
    const data = padded.subarray(0, this.#header?.size ?? 0);
    // Global headers carry nothing that Docker or containerd honour.
    if (flag === 'x') this.#pax = parsePax(data);
    else if (flag === 'L') this.#longName = cString(data, 0, data.length);
    else if (flag === 'K') this.#longLink = cString(data, 0, data.length);
    this.#state = HEADER;
  }

  #startOldSparse(block: Buffer, header: RawHeader): void {
    this.#sparse = [];
    this.#realSize = numberField(block, 483, 495);
    this.#addOldSparse(block, 386, 4);
    if (block[482] === 1) this.#state = { kind: 'sparseExtension' };
    else this.#emit(true, header.size);
  }

  #addOldSparse(block: Buffer, start: number, count: number): void {
    for (let i = 0; i < count; i++) {
      const at = start + 24 * i;
      if (block[at] === 0 && block[at + 12] === 0) return;
      this.#sparse.push(numberField(block, at, at + 12), numberField(block, at + 12, at + 24));
    }
    if (this.#sparse.length > MAX_META / 16) throw tooLarge('archive: sparse map is too long');
  }

  #readSparseExtension(block: Buffer): void {
    this.#addOldSparse(block, 0, 21);
    if (block[504] !== 1) this.#emit(true, this.#header?.size ?? 0);
  }

  #emit(isSparse: boolean, stored: number): void {
    const header = this.#header;
    if (header === undefined || stored < 0) throw invalid('archive: malformed header');
    const type = TYPES[header.flag];
    const isFile = type === 'file';
    const pax = this.#pax;
    const name = paxText(pax, 'GNU.sparse.name') ?? paxText(pax, 'path') ?? this.#longName ?? header.name;
    const size = isFile ? (isSparse ? this.#realSize : stored) : 0;
    this.#count(size);
    const sparse = isSparse ? this.#checkedRanges(size, stored) : undefined;
    const entry: TarEntry = {
      name,
      type: isFile && name.endsWith('/') ? 'directory' : (type ?? 'file'),
      linkName: paxText(pax, 'linkpath') ?? this.#longLink ?? header.linkName,
      mode: header.mode & 0o7777,
      uid: paxNumber(pax, 'uid') ?? header.uid,
      gid: paxNumber(pax, 'gid') ?? header.gid,
      size,
      mtime: paxTime(pax, 'mtime') ?? { seconds: header.mtime, nanos: 0 },
      major: header.major,
      minor: header.minor,
      xattrs: paxXattrs(pax),
      sparse,
    };
    this.#pax = undefined;
    this.#longName = undefined;
    this.#longLink = undefined;
    // Members of unknown type are passed over; links and such carry no data whatever their size field says.
    if (type === undefined) {
      this.#enter(SKIP, stored);
      return;
    }
    this.#handler.entry(entry);
    this.#enter(DATA, isFile || type === 'directory' ? stored : 0);
  }

  #checkedRanges(size: number, stored: number): readonly SparseRange[] {
    const ranges = sparseRanges(this.#sparse, size);
    const total = ranges.reduce((sum, range) => sum + range.length, 0);
    if (total !== stored) throw invalid('archive: sparse map does not match its data');
    return ranges;
  }

  #count(size: number): void {
    this.entries++;
    this.bytes += size;
    if (this.entries > this.#limits.maxEntries) throw tooLarge(`archive: more than ${this.#limits.maxEntries} entries`);
    if (this.bytes > this.#limits.maxBytes) throw tooLarge(`archive: more than ${this.#limits.maxBytes} bytes`);
  }
}
