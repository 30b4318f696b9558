import { type LinePosition, NANO_TIME_LENGTH, type STDERR, type STDOUT, utcTime } from './line-format.ts';

const HEADER = 8;
/** What the docker client reads at once; a longer frame makes it grow its buffer. */
const MAX_PAYLOAD = 32 << 10;

export interface FrameOptions {
  /** With Docker's 8-byte stream headers; without them (terminal) the bytes alone. */
  readonly multiplexed: boolean;
  /** Before each line its time and a space, as `docker logs -t`. */
  readonly timestamps: boolean;
  /** Before each line, after its time: what `docker logs --details` shows, with its space; '' for nothing. */
  readonly details: string;
  /** Put lines of one stream into one frame of up to 32 KiB, which a client reads much faster. Else a frame a line. */
  readonly coalesce: boolean;
}

/** Builds the client's bytes for the lines of one block. */
export class FrameWriter {
  readonly #options: FrameOptions;
  readonly #details: Buffer;
  /** Most bytes that come before a line. */
  readonly #lead: number;
  #out: Buffer = Buffer.alloc(0);
  #length = 0;
  #frameStart = -1;
  #frameStream = 0;
  /** Streams whose last line goes on. */
  readonly #continued = [false, false, false];

  constructor(options: FrameOptions) {
    this.#options = options;
    this.#details = Buffer.from(options.details);
    this.#lead = NANO_TIME_LENGTH + 2 + this.#details.length;
  }

  /** Begins a block of so many bytes. Each line loses its 44-byte lead, and may get a header and a time. */
  begin(bytes: number): void {
    this.#out = Buffer.allocUnsafe(bytes + (bytes >> 2) + 64);
    this.#length = 0;
    this.#frameStart = -1;
  }

  add(block: Buffer, line: LinePosition): void {
    const end = line.partial ? line.end : line.end + 1;
    const size = end - line.dataStart;
    const first = !this.#continued[line.stream];
    const stamp = this.#options.timestamps && first;
    const detailed = this.#details.length > 0 && first;
    this.#continued[line.stream] = line.partial;
    if (size === 0 && !stamp && !detailed) return;
    this.#reserve(size + HEADER + this.#lead);
    this.#frame(line.stream, size);
    if (stamp) {
      const time = utcTime(block, line.start, line.timeEnd) ?? '1970-01-01T00:00:00.000000000';
      this.#length += this.#out.write(`${time}Z `, this.#length, 'latin1');
    }
    if (detailed) this.#length += this.#details.copy(this.#out, this.#length);
    this.#copy(block, line.dataStart, end);
  }

  finish(): Buffer {
    this.#closeFrame();
    return this.#out.subarray(0, this.#length);
  }

  #copy(block: Buffer, start: number, end: number): void {
    let at = this.#length;
    // for short lines the call costs more than the bytes
    if (end - start < 32) for (let from = start; from < end; from++) this.#out[at++] = block[from] as number;
    else at += block.copy(this.#out, at, start, end);
    this.#length = at;
  }

  #frame(stream: typeof STDOUT | typeof STDERR, size: number): void {
    if (!this.#options.multiplexed) return;
    const open = this.#frameStart >= 0;
    const room = this.#length - this.#frameStart - HEADER + size + this.#lead <= MAX_PAYLOAD;
    if (open && this.#options.coalesce && this.#frameStream === stream && room) return;
    this.#closeFrame();
    this.#frameStart = this.#length;
    this.#frameStream = stream;
    this.#out.writeUInt32BE((stream << 24) >>> 0, this.#length);
    this.#length += HEADER;
  }

  #closeFrame(): void {
    if (this.#frameStart < 0) return;
    this.#out.writeUInt32BE(this.#length - this.#frameStart - HEADER, this.#frameStart + 4);
    this.#frameStart = -1;
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#out.length) return;
    const larger = Buffer.allocUnsafe(2 * this.#out.length + bytes);
    this.#out.copy(larger, 0, 0, this.#length);
    this.#out = larger;
  }
}
