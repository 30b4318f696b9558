import { isIPv4, isIPv6 } from 'node:net';
import { endianness } from 'node:os';
import { invalid } from '@berth/base';

export const AF = { unix: 1, inet: 2, inet6: 10 } as const;
/** sun_path holds 108 bytes, the closing NUL among them. */
export const MAX_UNIX_PATH = 107;

const family = (buffer: Buffer, value: number): void => {
  if (endianness() === 'LE') buffer.writeUInt16LE(value, 0);
  else buffer.writeUInt16BE(value, 0);
};

export function unixAddress(path: string): Buffer {
  const bytes = Buffer.from(path, 'utf8');
  if (bytes.length > MAX_UNIX_PATH) throw invalid(`socket path is longer than ${MAX_UNIX_PATH} bytes: ${path}`);
  const buffer = Buffer.alloc(110);
  family(buffer, AF.unix);
  bytes.copy(buffer, 2);
  return buffer;
}

const parseIPv6 = (address: string): readonly number[] => {
  const dotted = address.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, ...parts: string[]) => {
    const [a = 0, b = 0, c = 0, d = 0] = parts.map(Number);
    return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  });
  const [head = '', tail] = dotted.split('::');
  const words = (text: string): number[] => (text === '' ? [] : text.split(':').map((w) => Number.parseInt(w, 16)));
  const left = words(head);
  const right = tail === undefined ? [] : words(tail);
  return [...left, ...new Array<number>(8 - left.length - right.length).fill(0), ...right];
};

/** sockaddr_in or sockaddr_in6. */
export function inetAddress(address: string, port: number): { readonly family: number; readonly bytes: Buffer } {
  if (isIPv4(address)) {
    const bytes = Buffer.alloc(16);
    family(bytes, AF.inet);
    bytes.writeUInt16BE(port, 2);
    Buffer.from(address.split('.').map(Number)).copy(bytes, 4);
    return { family: AF.inet, bytes };
  }
  if (!isIPv6(address)) throw invalid(`not an IP address: ${address}`);
  const bytes = Buffer.alloc(28);
  family(bytes, AF.inet6);
  bytes.writeUInt16BE(port, 2);
  for (const [i, word] of parseIPv6(address).entries()) bytes.writeUInt16BE(word, 8 + 2 * i);
  return { family: AF.inet6, bytes };
}
