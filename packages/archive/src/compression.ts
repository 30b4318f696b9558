import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

export type Compression = 'none' | 'gzip' | 'zstd' | 'xz' | 'bzip2';

/** Bytes needed to recognise a format. */
export const MAGIC_SIZE = 6;

const MAGIC: readonly (readonly [Compression, readonly number[]])[] = [
  ['gzip', [0x1f, 0x8b]],
  ['zstd', [0x28, 0xb5, 0x2f, 0xfd]],
  ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ['bzip2', [0x42, 0x5a, 0x68]],
];

/** The format by its first bytes; `none` for anything unknown. */
export function detectCompression(head: Uint8Array): Compression {
  const skippable = head[1] === 0x2a && head[2] === 0x4d && head[3] === 0x18 && ((head[0] ?? 0) & 0xf0) === 0x50;
  if (skippable) return 'zstd';
  return MAGIC.find(([, bytes]) => bytes.every((byte, i) => head[i] === byte))?.[0] ?? 'none';
}

const installed = (name: string): boolean =>
  (process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin').split(delimiter).some((dir) => {
    try {
      accessSync(join(dir, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });

export interface Program {
  readonly file: string;
  readonly args: readonly string[];
}

/** The program that decompresses a format from standard input to output; undefined: Node does it itself. */
export function decompressor(compression: Compression): Program | undefined {
  if (compression === 'gzip') return installed('igzip') ? { file: 'igzip', args: ['-dc'] } : undefined;
  if (compression === 'xz') return { file: 'xz', args: ['-dc'] };
  if (compression === 'bzip2') return { file: 'bzip2', args: ['-dc'] };
  return undefined;
}

/** The program that writes gzip, if there is one faster than Node's zlib. */
export function gzipCompressor(level: 0 | 1 | 2 | 3): Program | undefined {
  return installed('igzip') ? { file: 'igzip', args: ['-c', `-${level}`] } : undefined;
}
