import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { promisify } from 'node:util';
import { deflate, gzip } from 'node:zlib';
import { type CallOptions, invalid } from '@berth/base';
import { extraAttributes, type LogSubject, logTag } from '../log-subject.ts';
import { type LogOptions, parseWhole } from '../option-values.ts';
import { type Datagrams, openUdp } from './datagrams.ts';
import { DEFAULT_BATCH, DEFAULT_RETRY, type LogMessage, type LogSink, type RetryPolicy } from './log-sink.ts';
import { parseHostPort, splitScheme } from './sink-address.ts';
import { StreamConnection } from './stream-connection.ts';

export const GELF_OPTIONS: readonly string[] = [
  'gelf-address',
  'gelf-compression-level',
  'gelf-compression-type',
  'gelf-tcp-max-reconnect',
  'gelf-tcp-reconnect-delay',
];

const TCP_ONLY = ['gelf-tcp-max-reconnect', 'gelf-tcp-reconnect-delay'];
const UDP_ONLY = ['gelf-compression-level', 'gelf-compression-type'];
const MIN_DELAY_MS = 100;
const CHUNK = 1420;
const CHUNK_HEAD = 12;
const MAX_CHUNKS = 128;
const ERROR = 3;
const INFORMATIONAL = 6;

type GelfAddress = { readonly scheme: 'udp' | 'tcp'; readonly host: string; readonly port: number };

function parseAddress(address = ''): GelfAddress {
  if (address === '') throw invalid('gelf-address is a required parameter');
  const parts = splitScheme(address);
  if (parts === undefined) throw invalid(`gelf-address should be in form proto://address, got ${address}`);
  const { scheme, rest } = parts;
  if (scheme !== 'udp' && scheme !== 'tcp') throw invalid('gelf: endpoint needs to be TCP or UDP');
  if (!/:\d+$/.test(rest)) throw invalid('gelf: please provide gelf-address as proto://host:port');
  return { scheme, ...parseHostPort(rest, undefined, 'gelf-address') };
}

const unknownValue = (key: string, value: string | undefined): Error =>
  invalid(`unknown value "${value}" for log opt "${key}" for gelf log driver`);

/** Throws `invalid` with dockerd's texts. */
export function checkGelfOptions(options: LogOptions): void {
  const { scheme } = parseAddress(options['gelf-address']);
  const misplaced = (scheme === 'udp' ? TCP_ONLY : UDP_ONLY).find((key) => options[key] !== undefined);
  if (misplaced !== undefined)
    throw invalid(scheme === 'udp' ? `${misplaced} is only valid for TCP` : 'compression is only supported on UDP');
  const level = options['gelf-compression-level'];
  if (level !== undefined && !/^(-1|\d)$/.test(level)) throw unknownValue('gelf-compression-level', level);
  const type = options['gelf-compression-type'];
  if (type !== undefined && !['gzip', 'zlib', 'none'].includes(type)) throw unknownValue('gelf-compression-type', type);
  for (const key of TCP_ONLY)
    if (options[key] !== undefined && !/^\d+$/.test(options[key])) throw invalid(`"${key}" must be a positive integer`);
}

/** A datagram over the size of a packet goes in chunks, see the GELF specification ("Chunked GELF"). */
function chunks(data: Buffer): readonly Buffer[] {
  if (data.length <= CHUNK) return [data];
  const size = CHUNK - CHUNK_HEAD;
  const count = Math.ceil(data.length / size);
  if (count > MAX_CHUNKS) return [];
  const id = randomBytes(8);
  return Array.from({ length: count }, (_, index) =>
    Buffer.concat([
      Buffer.from([0x1e, 0x0f]),
      id,
      Buffer.from([index, count]),
      data.subarray(index * size, (index + 1) * size),
    ]),
  );
}

abstract class GelfSink implements LogSink {
  abstract readonly retry: RetryPolicy;
  readonly batchBytes = DEFAULT_BATCH;
  readonly #fixed: Readonly<Record<string, unknown>>;

  constructor(fixed: Readonly<Record<string, unknown>>) {
    this.#fixed = fixed;
  }

  abstract connect(call?: CallOptions): Promise<void>;
  abstract deliver(documents: readonly Buffer[], call: CallOptions): Promise<void>;
  abstract [Symbol.dispose](): void;

  async send(messages: readonly LogMessage[], call: CallOptions = {}): Promise<void> {
    // the format knows no message without text
    const documents = messages.filter(({ line }) => line.length > 0).map((message) => this.#encode(message));
    try {
      await this.connect(call);
      await this.deliver(documents, call);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  #encode({ line, time, stream }: LogMessage): Buffer {
    return Buffer.from(
      JSON.stringify({
        version: '1.1',
        host: hostname(),
        short_message: line.toString('utf8'),
        timestamp: Number(time / 1_000_000n) / 1000,
        level: stream === 'stderr' ? ERROR : INFORMATIONAL,
        ...this.#fixed,
      }),
    );
  }
}

type Compress = (data: Buffer) => Promise<Buffer>;

function compression(options: LogOptions): Compress {
  const level = Number(options['gelf-compression-level'] ?? 1);
  const type = options['gelf-compression-type'] ?? 'gzip';
  if (type === 'none') return async (data) => data;
  const work = promisify<Buffer, { level: number }, Buffer>(type === 'zlib' ? deflate : gzip);
  return (data) => work(data, { level });
}

class UdpGelfSink extends GelfSink {
  readonly retry = DEFAULT_RETRY;
  readonly #address: GelfAddress;
  readonly #compress: Compress;
  #datagrams: Datagrams | undefined;

  constructor(fixed: Readonly<Record<string, unknown>>, address: GelfAddress, compress: Compress) {
    super(fixed);
    this.#address = address;
    this.#compress = compress;
  }

  async connect(call: CallOptions = {}): Promise<void> {
    this.#datagrams ??= await openUdp(this.#address.host, this.#address.port, call);
  }

  async deliver(documents: readonly Buffer[], call: CallOptions): Promise<void> {
    for (const document of documents)
      for (const chunk of chunks(await this.#compress(document))) await this.#datagrams?.send(chunk, call);
  }

  [Symbol.dispose](): void {
    this.#datagrams?.[Symbol.dispose]();
    this.#datagrams = undefined;
  }
}

class TcpGelfSink extends GelfSink {
  readonly retry: RetryPolicy;
  readonly #address: GelfAddress;
  #connection: StreamConnection | undefined;

  constructor(fixed: Readonly<Record<string, unknown>>, address: GelfAddress, retry: RetryPolicy) {
    super(fixed);
    this.#address = address;
    this.retry = retry;
  }

  async connect(call: CallOptions = {}): Promise<void> {
    if (this.#connection?.alive === false) this[Symbol.dispose]();
    const { host, port } = this.#address;
    this.#connection ??= await StreamConnection.open({ kind: 'tcp', host, port }, call);
  }

  async deliver(documents: readonly Buffer[], call: CallOptions): Promise<void> {
    const end = Buffer.from([0]);
    await this.#connection?.write(Buffer.concat(documents.flatMap((document) => [document, end])), call);
  }

  [Symbol.dispose](): void {
    this.#connection?.[Symbol.dispose]();
    this.#connection = undefined;
  }
}

/** Without a limit given there is none: the file keeps what could not be sent. */
function reconnection(options: LogOptions): RetryPolicy {
  const delay = Math.max(MIN_DELAY_MS, parseWhole(options['gelf-tcp-reconnect-delay'] ?? '1') * 1000);
  const most = options['gelf-tcp-max-reconnect'];
  const attempts = most === undefined ? Number.POSITIVE_INFINITY : parseWhole(most) + 1;
  return { firstMs: delay, factor: 1, maxMs: delay, attempts };
}

/** Sends to a GELF receiver over UDP (compressed, chunked) or TCP (closed by NUL). */
export function createGelfSink(subject: LogSubject, options: LogOptions): LogSink {
  const address = parseAddress(options['gelf-address']);
  const fixed = {
    _command: subject.command.join(' '),
    _container_id: subject.id,
    _container_name: subject.name,
    _created: subject.createdAt.toISOString(),
    _image_id: subject.imageId,
    _image_name: subject.imageName,
    _tag: logTag(subject, options),
    ...extraAttributes(subject, options, (key) => (key.startsWith('_') ? key : `_${key}`)),
  };
  if (address.scheme === 'udp') return new UdpGelfSink(fixed, address, compression(options));
  return new TcpGelfSink(fixed, address, reconnection(options));
}
