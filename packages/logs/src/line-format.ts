/**
 * The log file format (CRI, written by conmon): one physical line for each line of output or part of one,
 *
 *     2026-11-21T01:14:52.137615823+00:00 stdout F hello
 *
 * time, stream, `F` (the line ends here) or `P` (it goes on: cut after 8 KiB, or nothing more came), the bytes.
 */
export type LogStream = 'stdout' | 'stderr';

export const STDOUT = 1;
export const STDERR = 2;

const SPACE = 0x20;
const FULL = 0x46;
const PARTIAL = 0x50;
const LETTER_E = 0x65;
/** `YYYY-MM-DDTHH:MM:SS.nnnnnnnnn` */
export const NANO_TIME_LENGTH = 29;
const UTC_LENGTH = NANO_TIME_LENGTH + '+00:00'.length;

/** Where the parts of one physical line are in a buffer; reused from line to line, so copy what is kept. */
export interface LinePosition {
  start: number;
  timeEnd: number;
  stream: typeof STDOUT | typeof STDERR;
  partial: boolean;
  dataStart: number;
  /** Of the line feed, which belongs to the data of a full line. */
  end: number;
}

export const newPosition = (): LinePosition => ({
  start: 0,
  timeEnd: 0,
  stream: STDOUT,
  partial: false,
  dataStart: 0,
  end: 0,
});

/** Reads the line between `start` and the line feed at `end`. False for a damaged line, which is skipped. */
export function parseLine(buffer: Buffer, start: number, end: number, into: LinePosition): boolean {
  let timeEnd = start + UTC_LENGTH;
  if (buffer[timeEnd] !== SPACE || timeEnd >= end) {
    timeEnd = buffer.indexOf(SPACE, start);
    if (timeEnd < start || timeEnd >= end) return false;
  }
  const tag = timeEnd + ' stdout '.length;
  const kind = buffer[tag];
  if (tag + 1 >= end || buffer[tag + 1] !== SPACE || (kind !== FULL && kind !== PARTIAL)) return false;
  into.start = start;
  into.timeEnd = timeEnd;
  into.stream = buffer[timeEnd + 4] === LETTER_E ? STDERR : STDOUT;
  into.partial = kind === PARTIAL;
  into.dataStart = tag + 2;
  into.end = end;
  return true;
}

const pad = (nanoseconds: string): string => nanoseconds.slice(0, 9).padEnd(9, '0');

/** The line's time in UTC as `YYYY-MM-DDTHH:MM:SS.nnnnnnnnn`, which sorts as text; undefined when it is none. */
export function utcTime(buffer: Buffer, start: number, timeEnd: number): string | undefined {
  const text = buffer.toString('latin1', start, timeEnd);
  if (text.length === UTC_LENGTH && text.endsWith('+00:00')) return text.slice(0, NANO_TIME_LENGTH);
  const parts = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)$/.exec(text);
  const seconds = parts === null ? Number.NaN : Date.parse(`${parts[1]}${parts[3]}`);
  if (Number.isNaN(seconds)) return undefined;
  return `${new Date(seconds).toISOString().slice(0, 19)}.${pad(parts?.[2] ?? '')}`;
}

/** A time for comparing with {@link utcTime}. */
export function formatNano(nanoseconds: bigint): string {
  const seconds = nanoseconds / 1_000_000_000n;
  const rest = nanoseconds % 1_000_000_000n;
  return `${new Date(Number(seconds) * 1000).toISOString().slice(0, 19)}.${String(rest).padStart(9, '0')}`;
}
