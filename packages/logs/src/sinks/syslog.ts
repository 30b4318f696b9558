import { existsSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import type { ConnectionOptions } from 'node:tls';
import { type CallOptions, invalid, unavailable, wrap } from '@berth/base';
import { type LogSubject, logTag } from '../log-subject.ts';
import type { LogOptions } from '../option-values.ts';
import { type Datagrams, openUdp, openUnixgram } from './datagrams.ts';
import { DEFAULT_BATCH, DEFAULT_RETRY, type LogMessage, type LogSink } from './log-sink.ts';
import { assertSocket, parseHostPort, type SinkAddress, splitScheme } from './sink-address.ts';
import { StreamConnection } from './stream-connection.ts';
import { formatSyslog, type SyslogFields, type SyslogFormat } from './syslog-format.ts';

export const SYSLOG_OPTIONS: readonly string[] = [
  'syslog-address',
  'syslog-facility',
  'syslog-tls-ca-cert',
  'syslog-tls-cert',
  'syslog-tls-key',
  'syslog-tls-skip-verify',
  'syslog-format',
];

const FACILITIES: readonly string[] =
  'kern user mail daemon auth syslog lpr news uucp cron authpriv ftp - - - - local0 local1 local2 local3 local4 local5 local6 local7'.split(
    ' ',
  );
const DEFAULT_FACILITY = 3;
const DEFAULT_PORT = 514;
const LOCAL_SOCKETS = ['/dev/log', '/var/run/syslog', '/var/run/log'];
const SCHEMES = ['tcp', 'tcp+tls', 'udp'] as const;
const FORMATS: readonly SyslogFormat[] = ['', 'rfc3164', 'rfc5424', 'rfc5424micro'];

function parseAddress(address = ''): SinkAddress | undefined {
  if (address === '') return undefined;
  const { scheme, rest } = splitScheme(address) ?? { scheme: '', rest: '' };
  if (scheme === 'unix' || scheme === 'unixgram') return { scheme, path: assertSocket(rest) };
  const known = SCHEMES.find((name) => name === scheme);
  if (known === undefined) throw invalid(`syslog-address should be in form proto://address, got ${address}`);
  return { scheme: known, ...parseHostPort(rest.replace(/\/.*$/, ''), DEFAULT_PORT, 'syslog-address') };
}

function parseFacility(facility = ''): number {
  if (facility === '') return DEFAULT_FACILITY;
  const named = facility === '-' ? -1 : FACILITIES.indexOf(facility);
  if (named >= 0) return named;
  if (/^\d{1,2}$/.test(facility) && Number(facility) < FACILITIES.length) return Number(facility);
  throw invalid('invalid syslog facility');
}

function parseFormat(format = ''): SyslogFormat {
  const known = FORMATS.find((name) => name === format);
  if (known === undefined) throw invalid('Invalid syslog format');
  return known;
}

/** Throws `invalid` with dockerd's texts. */
export function checkSyslogOptions(options: LogOptions): void {
  parseAddress(options['syslog-address']);
  parseFacility(options['syslog-facility']);
  parseFormat(options['syslog-format']);
}

const file = (path: string | undefined): Buffer | undefined => {
  try {
    return path ? readFileSync(path) : undefined;
  } catch (error) {
    throw wrap(`could not read ${path} for the syslog log driver`, error, 'invalid');
  }
};

function tlsOptions(options: LogOptions): ConnectionOptions {
  const ca = file(options['syslog-tls-ca-cert']);
  const cert = file(options['syslog-tls-cert']);
  const key = file(options['syslog-tls-key']);
  return {
    ...(ca ? { ca } : {}),
    ...(cert ? { cert } : {}),
    ...(key ? { key } : {}),
    // as dockerd: that the option is there is what counts
    rejectUnauthorized: options['syslog-tls-skip-verify'] === undefined,
  };
}

type Outlet = Disposable & {
  readonly alive: boolean;
  send(messages: readonly Buffer[], options: CallOptions): Promise<void>;
};

const datagramOutlet = (datagrams: Datagrams): Outlet => ({
  alive: true,
  async send(messages, call) {
    for (const message of messages) await datagrams.send(message, call);
  },
  [Symbol.dispose]: () => datagrams[Symbol.dispose](),
});

/** RFC 5425: over TLS, RFC 5424 messages have their length in front. */
const framed = (message: Buffer): readonly Buffer[] => [Buffer.from(`${message.length} `), message];

const streamOutlet = (connection: StreamConnection, counted: boolean): Outlet => ({
  get alive() {
    return connection.alive;
  },
  send: (messages, call) => connection.write(Buffer.concat(counted ? messages.flatMap(framed) : messages), call),
  [Symbol.dispose]: () => connection[Symbol.dispose](),
});

class SyslogSink implements LogSink {
  readonly retry = DEFAULT_RETRY;
  readonly batchBytes = DEFAULT_BATCH;
  readonly #fields: SyslogFields;
  readonly #open: (call: CallOptions) => Promise<Outlet>;
  #outlet: Outlet | undefined;

  constructor(fields: SyslogFields, open: (call: CallOptions) => Promise<Outlet>) {
    this.#fields = fields;
    this.#open = open;
  }

  async connect(call: CallOptions = {}): Promise<void> {
    await this.#ready(call);
  }

  async send(messages: readonly LogMessage[], call: CallOptions = {}): Promise<void> {
    const outlet = await this.#ready(call);
    try {
      await outlet.send(
        messages.map((message) => formatSyslog(this.#fields, message)),
        call,
      );
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  async #ready(call: CallOptions): Promise<Outlet> {
    if (this.#outlet?.alive === false) this[Symbol.dispose]();
    this.#outlet ??= await this.#open(call);
    return this.#outlet;
  }

  [Symbol.dispose](): void {
    this.#outlet?.[Symbol.dispose]();
    this.#outlet = undefined;
  }
}

function openLocal(): Outlet {
  const path = LOCAL_SOCKETS.find((candidate) => existsSync(candidate));
  if (path === undefined) throw unavailable('Unix syslog delivery error: no local syslog socket');
  return datagramOutlet(openUnixgram(path));
}

async function openOutlet(
  address: SinkAddress | undefined,
  format: SyslogFormat,
  tls: ConnectionOptions | undefined,
  call: CallOptions,
): Promise<Outlet> {
  if (address === undefined) return openLocal();
  if (address.scheme === 'unixgram') return datagramOutlet(openUnixgram(address.path));
  if (address.scheme === 'unix')
    return streamOutlet(await StreamConnection.open({ kind: 'unix', path: address.path }, call), false);
  if (address.scheme === 'udp') return datagramOutlet(await openUdp(address.host, address.port, call));
  const { host, port } = address;
  const connection = await StreamConnection.open({ kind: 'tcp', host, port, ...(tls ? { tls } : {}) }, call);
  return streamOutlet(connection, tls !== undefined && format.startsWith('rfc5424'));
}

/** Sends to a syslog receiver: UDP, TCP, TCP with TLS, unix stream or datagram socket. */
export function createSyslogSink(subject: LogSubject, options: LogOptions): LogSink {
  const address = parseAddress(options['syslog-address']);
  const format = parseFormat(options['syslog-format']);
  const tls = address?.scheme === 'tcp+tls' ? tlsOptions(options) : undefined;
  const fields: SyslogFields = {
    format,
    facility: parseFacility(options['syslog-facility']),
    hostname: hostname(),
    tag: logTag(subject, options),
    pid: process.pid,
  };
  return new SyslogSink(fields, (call) => openOutlet(address, format, tls, call));
}
