import { invalid } from '@berth/base';
import type { SparseRange, Timestamp } from './tar-entry.ts';

/** Records of one pax extended header; values are bytes, since attributes may hold any. */
export type PaxRecords = ReadonlyMap<string, Buffer>;

/** Parses `length key=value\n` records. Repeated sparse 0.0 keys are gathered into `GNU.sparse.map`. */
export function parsePax(data: Buffer): PaxRecords {
  const records = new Map<string, Buffer>();
  const pairs: string[] = [];
  for (let at = 0; at < data.length; ) {
    const space = data.indexOf(0x20, at);
    const digits = space < 0 ? '' : data.toString('latin1', at, space);
    const length = Number(digits);
    const end = at + length;
    if (!/^[0-9]{1,9}$/.test(digits) || end > data.length || end <= space + 1 || data[end - 1] !== 0x0a)
      throw invalid('archive: malformed pax header');
    const equals = data.indexOf(0x3d, space + 1);
    if (equals < 0 || equals >= end) throw invalid('archive: malformed pax header');
    const key = data.toString('utf8', space + 1, equals);
    const value = data.subarray(equals + 1, end - 1);
    if (key === 'GNU.sparse.offset' || key === 'GNU.sparse.numbytes') pairs.push(value.toString('latin1'));
    else records.set(key, Buffer.from(value));
    at = end;
  }
  if (pairs.length > 0) records.set('GNU.sparse.map', Buffer.from(pairs.join(',')));
  return records;
}

export function paxText(records: PaxRecords | undefined, key: string): string | undefined {
  const text = records?.get(key)?.toString('utf8');
  if (text?.includes('\0')) throw invalid(`archive: pax ${key} holds a NUL byte`);
  return text === '' ? undefined : text;
}

export function paxNumber(records: PaxRecords | undefined, key: string): number | undefined {
  const text = paxText(records, key);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!/^-?[0-9]+$/.test(text) || !Number.isSafeInteger(value)) throw invalid(`archive: malformed pax ${key}`);
  return value;
}

export function paxTime(records: PaxRecords | undefined, key: string): Timestamp | undefined {
  const text = paxText(records, key);
  if (text === undefined) return undefined;
  const match = /^(-?)([0-9]{1,15})(?:\.([0-9]*))?$/.exec(text);
  if (match === null) throw invalid(`archive: malformed pax ${key}`);
  const [, sign, whole = '0', fraction = ''] = match;
  const nanos = Number(fraction.slice(0, 9).padEnd(9, '0'));
  if (sign !== '-') return { seconds: Number(whole), nanos };
  return nanos === 0 ? { seconds: -Number(whole), nanos } : { seconds: -Number(whole) - 1, nanos: 1e9 - nanos };
}

/** Extended attributes, as star (`SCHILY.xattr.`, raw) and libarchive (`LIBARCHIVE.xattr.`, base64) write them. */
export function paxXattrs(records: PaxRecords | undefined): Map<string, Buffer> | undefined {
  let found: Map<string, Buffer> | undefined;
  for (const [key, value] of records ?? []) {
    if (key.startsWith('LIBARCHIVE.xattr.')) {
      found ??= new Map();
      const name = decodeURIComponentSafe(key.slice(17));
      if (!records?.has(`SCHILY.xattr.${name}`)) found.set(name, Buffer.from(value.toString('latin1'), 'base64'));
    } else if (key.startsWith('SCHILY.xattr.')) {
      found ??= new Map();
      found.set(key.slice(13), value);
    }
  }
  return found;
}

const decodeURIComponentSafe = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};

/** `offset,length,offset,length` to ranges; checks that they ascend and lie within `size`. */
export function sparseRanges(numbers: readonly number[], size: number): readonly SparseRange[] {
  const ranges: SparseRange[] = [];
  let end = 0;
  for (let i = 0; i + 1 < numbers.length; i += 2) {
    const [offset = -1, length = -1] = [numbers[i], numbers[i + 1]];
    const sane = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= end && length >= 0;
    if (!sane || offset + length > size) throw invalid('archive: malformed sparse map');
    if (length > 0) ranges.push({ offset, length });
    end = offset + length;
  }
  if (numbers.length % 2 !== 0) throw invalid('archive: malformed sparse map');
  return ranges;
}
