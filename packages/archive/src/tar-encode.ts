import type { TarEntry } from './tar-entry.ts';
import { BLOCK } from './tar-header.ts';

const FLAGS: Readonly<Record<TarEntry['type'], string>> = {
  file: '0',
  link: '1',
  symlink: '2',
  char: '3',
  block: '4',
  directory: '5',
  fifo: '6',
};

const MAX_ID = 0o7777777;
const MAX_NUMBER = 0o77777777777;

const octal = (block: Buffer, value: number, at: number, width: number): void => {
  block.write(value.toString(8).padStart(width - 1, '0'), at, 'latin1');
};

const within = (value: number, max: number): number => (value >= 0 && value <= max ? value : 0);

const paxRecord = (key: string, value: Buffer): Buffer => {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from('\n')]);
  let length = rest.length;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
};

const paxTimestamp = ({ seconds, nanos }: TarEntry['mtime']): string => {
  if (nanos === 0) return String(seconds);
  const fraction = (value: number): string => String(value).padStart(9, '0').replace(/0+$/, '');
  if (seconds >= 0) return `${seconds}.${fraction(nanos)}`;
  return `-${-seconds - 1}.${fraction(1e9 - nanos)}`;
};

const paxOf = (entry: TarEntry): readonly Buffer[] => {
  const records: [string, Buffer | string][] = [];
  if (Buffer.byteLength(entry.name) > 100) records.push(['path', entry.name]);
  if (Buffer.byteLength(entry.linkName) > 100) records.push(['linkpath', entry.linkName]);
  if (entry.size > MAX_NUMBER) records.push(['size', String(entry.size)]);
  if (entry.uid > MAX_ID) records.push(['uid', String(entry.uid)]);
  if (entry.gid > MAX_ID) records.push(['gid', String(entry.gid)]);
  const { seconds, nanos } = entry.mtime;
  if (nanos !== 0 || seconds < 0 || seconds > MAX_NUMBER) records.push(['mtime', paxTimestamp(entry.mtime)]);
  for (const [key, value] of entry.xattrs ?? []) records.push([`SCHILY.xattr.${key}`, value]);
  records.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return records.map(([key, value]) => paxRecord(key, Buffer.from(value as string)));
};

const ustar = (entry: TarEntry, flag: string): Buffer => {
  const block = Buffer.alloc(BLOCK);
  Buffer.from(entry.name).copy(block, 0, 0, 100);
  octal(block, entry.mode & 0o7777, 100, 8);
  octal(block, within(entry.uid, MAX_ID), 108, 8);
  octal(block, within(entry.gid, MAX_ID), 116, 8);
  octal(block, within(entry.size, MAX_NUMBER), 124, 12);
  octal(block, within(entry.mtime.seconds, MAX_NUMBER), 136, 12);
  block.write('        ', 148, 'latin1');
  block.write(flag, 156, 'latin1');
  Buffer.from(entry.linkName).copy(block, 157, 0, 100);
  block.write('ustar\x0000', 257, 'latin1');
  if (entry.type === 'char' || entry.type === 'block') {
    octal(block, within(entry.major, MAX_ID), 329, 8);
    octal(block, within(entry.minor, MAX_ID), 337, 8);
  }
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
};

export function padding(size: number): Buffer {
  return Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);
}

/** The header of a member, with a pax header before it when plain ustar cannot say it all. The data follow, padded. */
export function encodeHeader(entry: TarEntry): Buffer {
  const header = ustar(entry, FLAGS[entry.type]);
  const records = paxOf(entry);
  if (records.length === 0) return header;
  const body = Buffer.concat(records);
  const pax: TarEntry = {
    ...entry,
    name: `PaxHeaders.0/${entry.name.split('/').filter(Boolean).at(-1) ?? ''}`,
    linkName: '',
    size: body.length,
    mode: 0o644,
    mtime: { seconds: 0, nanos: 0 },
  };
  return Buffer.concat([ustar(pax, 'x'), body, padding(body.length), header]);
}

/** The two zero blocks that end an archive. */
export function endOfArchive(): Buffer {
  return Buffer.alloc(2 * BLOCK);
}
