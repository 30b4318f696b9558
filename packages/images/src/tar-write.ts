import type { ByteStream } from '@berth/oci';

/** A regular file of an archive being written. `body` must yield exactly `size` bytes. */
export interface TarFile {
  readonly path: string;
  readonly size: number;
  readonly body: () => Promise<ByteStream>;
}

const BLOCK = 512;
const zeroes = (length: number): Uint8Array => new Uint8Array(length);

/** A tar of regular files, the same for the same files: no owner, time zero, mode 0644. Paths over 100 bytes get a pax header. */
export async function* writeTar(files: Iterable<TarFile>): AsyncGenerator<Uint8Array> {
  for (const file of files) {
    if (file.path.length > 100) yield* paxHeader(file.path);
    yield header(file.path.slice(0, 100), file.size, '0');
    let written = 0;
    for await (const chunk of await file.body()) {
      written += chunk.byteLength;
      yield chunk;
    }
    if (written !== file.size) throw new Error(`${file.path} has ${written} bytes where ${file.size} were announced`);
    if (written % BLOCK !== 0) yield zeroes(BLOCK - (written % BLOCK));
  }
  yield zeroes(2 * BLOCK);
}

function* paxHeader(path: string): Generator<Uint8Array> {
  // The record's length counts its own digits.
  const rest = ` path=${path}\n`;
  let length = rest.length + 3;
  if (String(length).length !== 3) length = rest.length + String(length).length;
  const record = Buffer.from(`${length}${rest}`);
  yield header('PaxHeader', record.length, 'x');
  yield Buffer.concat([record, zeroes((BLOCK - (record.length % BLOCK)) % BLOCK)]);
}

function header(path: string, size: number, type: string): Uint8Array {
  const block = Buffer.alloc(BLOCK);
  block.write(path, 0, 100, 'utf8');
  block.write('0000644\0', 100);
  block.write('0000000\0', 108);
  block.write('0000000\0', 116);
  if (size < 8 ** 11) block.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  else {
    block.writeBigUInt64BE(BigInt(size), 128);
    block[124] = 0x80;
  }
  block.write('00000000000\0', 136);
  block.write('        ', 148);
  block.write(type, 156);
  block.write('ustar\0', 257, 'latin1');
  block.write('00', 263);
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}
