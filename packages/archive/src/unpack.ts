import { setImmediate as nextTurn } from 'node:timers/promises';
import { type CallOptions, throwIfAborted } from '@berth/base';
import type { ByteStream } from '@berth/oci';
import { DEFAULT_LIMITS } from './apply-archive.ts';
import { LayerWriter, type LayerWriterOptions } from './layer-writer.ts';
import { decompress } from './stream-codec.ts';
import { type TarLimits, TarParser } from './tar-parser.ts';

export interface UnpackOptions extends CallOptions, Omit<LayerWriterOptions, 'mode'> {
  /** Default `plain`: names that look like whiteouts are ordinary files. */
  readonly mode?: LayerWriterOptions['mode'];
  readonly limits?: TarLimits;
}

const SLICE = 1 << 16;

/**
 * Unpacks a tar stream, compressed or not, into an existing directory, on the calling thread in small steps
 * (`docker cp`, ADD). Nothing is written outside of it. Throws `invalid`, `tooLarge`, `exhausted`, `cancelled`.
 */
export async function unpackInto(
  dir: string,
  stream: ByteStream,
  options: UnpackOptions = {},
): Promise<{ readonly entries: number; readonly bytes: number }> {
  using writer = new LayerWriter(dir, { ...options, mode: options.mode ?? 'plain' });
  const parser = new TarParser(writer, { ...DEFAULT_LIMITS, ...options.limits });
  for await (const chunk of decompress(stream, options)) {
    throwIfAborted(options.signal);
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    for (let at = 0; at < bytes.length; at += SLICE) {
      parser.push(bytes.subarray(at, at + SLICE));
      if (at > 0) await nextTurn();
    }
  }
  parser.finish();
  writer.finish();
  return { entries: parser.entries, bytes: parser.bytes };
}
