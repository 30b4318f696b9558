import { closeSync, openSync, writeSync } from 'node:fs';

/** Writes plain ustar archives whose bytes depend on nothing but what is put in. */
export interface TarWriter extends Disposable {
  directory(name: string): void;
  file(name: string, content: Uint8Array): void;
  /** A file of `size` bytes in pieces; `next` is called until they are there. */
  stream(name: string, size: number, next: () => Uint8Array): void;
}

const BLOCK = 512;
const MTIME = 1_700_000_000;

export function createTarWriter(path: string): TarWriter {
  const fd = openSync(path, 'w');
  const pad = (size: number): void => void writeSync(fd, Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK));
  const stream: TarWriter['stream'] = (name, size, next) => {
    writeSync(fd, header(name, '0', 0o644, size));
    for (let written = 0; written < size; ) written += writeSync(fd, next());
    pad(size);
  };
  return {
    directory: (name) => void writeSync(fd, header(`${name}/`, '5', 0o755, 0)),
    file: (name, content) => {
      writeSync(fd, header(name, '0', 0o644, content.length));
      writeSync(fd, content);
      pad(content.length);
    },
    stream,
    [Symbol.dispose]: () => {
      writeSync(fd, Buffer.alloc(2 * BLOCK));
      closeSync(fd);
    },
  };
}

function header(name: string, type: string, mode: number, size: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, offset: number, width: number): void =>
    void block.write(`${value.toString(8).padStart(width - 1, '0')}\0`, offset);
  block.write(name, 0, 100);
  octal(mode, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(MTIME, 136, 12);
  block.write('        ', 148);
  block.write(type, 156);
  block.write('ustar\x0000', 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}
