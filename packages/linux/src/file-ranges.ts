import { libc } from './libc.ts';
import { check, ERRNO, SyscallError } from './syscall-error.ts';

const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const KEEP_SIZE_PUNCH_HOLE = 3;

export interface DataRange {
  readonly offset: number;
  readonly length: number;
}

const seek = (fd: number, offset: number, whence: number): number | undefined => {
  const at = libc().lseek(fd, offset, whence);
  if (at >= 0) return Number(at);
  if (libc().errno() === ERRNO.ENXIO) return undefined;
  throw new SyscallError('lseek', libc().errno());
};

/** The parts of an open file of `size` bytes that hold data; the rest are holes. */
export function dataRanges(fd: number, size: number): readonly DataRange[] {
  const ranges: DataRange[] = [];
  for (let at = 0; at < size; ) {
    const start = seek(fd, at, SEEK_DATA);
    if (start === undefined || start >= size) break;
    const end = Math.min(seek(fd, start, SEEK_HOLE) ?? size, size);
    ranges.push({ offset: start, length: end - start });
    at = end;
  }
  return ranges;
}

/** Frees the blocks of a range, which then reads as zeros. */
export function punchHole(fd: number, offset: number, length: number): void {
  check(libc().fallocate(fd, KEEP_SIZE_PUNCH_HOLE, offset, length), 'fallocate');
}
