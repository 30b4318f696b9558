/**
 * Multiplexed streams, as attach, exec and logs carry them when there is no TTY: each frame is one byte that names the
 * stream, three zero bytes, the payload's length as a big-endian uint32, and the payload.
 */
import { dataLoss } from '@berth/base';

export const STREAMS = ['stdin', 'stdout', 'stderr', 'systemerr'] as const;
export type StreamName = (typeof STREAMS)[number];

const HEADER_BYTES = 8;
/** A peer that announces more than this in one frame is broken. dockerd's writers stay far below. */
const MAX_FRAME_BYTES = 64 * 1024 * 1024;

/** The header that must precede `length` bytes of a stream; write it, then the payload as it is. */
export function frameHeader(stream: StreamName, length: number): Buffer {
  const header = Buffer.allocUnsafe(HEADER_BYTES);
  header.writeUInt32BE(STREAMS.indexOf(stream) * 0x1000000, 0);
  header.writeUInt32BE(length, 4);
  return header;
}

export type FrameSink = (stream: StreamName, chunk: Buffer) => void;

/**
 * Takes a multiplexed stream apart as it arrives. Payload is handed on in the pieces in which it came, never copied or
 * gathered, so memory stays bounded whatever a frame's length says.
 */
export class FrameDecoder {
  readonly #sink: FrameSink;
  #header = Buffer.alloc(0);
  #stream: StreamName = 'stdout';
  #left = 0;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** Throws `dataLoss` when the bytes are no frame; the stream is of no further use then. */
  write(chunk: Buffer): void {
    let rest = chunk;
    while (rest.length > 0) {
      rest = this.#left > 0 ? this.#payload(rest) : this.#headerFrom(rest);
    }
  }

  /** Throws `dataLoss` when the stream stopped inside a frame. */
  end(): void {
    if (this.#left > 0 || this.#header.length > 0) throw dataLoss('multiplexed stream ended inside a frame');
  }

  #payload(chunk: Buffer): Buffer {
    const piece = chunk.subarray(0, this.#left);
    this.#left -= piece.length;
    this.#sink(this.#stream, piece);
    return chunk.subarray(piece.length);
  }

  #headerFrom(chunk: Buffer): Buffer {
    const missing = HEADER_BYTES - this.#header.length;
    if (chunk.length < missing) {
      this.#header = Buffer.concat([this.#header, chunk]);
      return Buffer.alloc(0);
    }
    const header = this.#header.length === 0 ? chunk : Buffer.concat([this.#header, chunk.subarray(0, missing)]);
    this.#header = Buffer.alloc(0);
    const stream = STREAMS[header[0] ?? 255];
    const length = header.readUInt32BE(4);
    if (stream === undefined) throw dataLoss(`unrecognized stream: ${header[0]}`);
    if (length > MAX_FRAME_BYTES) throw dataLoss(`frame of ${length} bytes is over the bound of ${MAX_FRAME_BYTES}`);
    this.#stream = stream;
    this.#left = length;
    return chunk.subarray(missing);
  }
}
