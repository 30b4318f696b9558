import { randomBytes } from 'node:crypto';
import { type CallOptions, type EngineError, invalid, messageOf, unavailable } from '@berth/base';
import { Decoder, Encoder, ExtData } from '@msgpack/msgpack';
import { extraAttributes, type LogSubject, logTag } from '../log-subject.ts';
import { type LogOptions, parseBinarySize, parseBoolean, parseDuration, parseWhole } from '../option-values.ts';
import { DEFAULT_BATCH, type LogMessage, type LogSink, type RetryPolicy } from './log-sink.ts';
import { parseHostPort, splitScheme } from './sink-address.ts';
import { type StreamAddress, StreamConnection } from './stream-connection.ts';

export const FLUENTD_OPTIONS: readonly string[] = [
  'fluentd-address',
  'fluentd-async',
  'fluentd-async-connect',
  'fluentd-async-reconnect-interval',
  'fluentd-buffer-limit',
  'fluentd-max-retries',
  'fluentd-request-ack',
  'fluentd-retry-wait',
  'fluentd-sub-second-precision',
  'fluentd-write-timeout',
  'fluentd-read-timeout',
];

const DEFAULT_HOST = '127.0.0.1';
const DEFAULT_PORT = 24_224;
const EVENT_TIME = 0;
const ACK_MS = 10_000;
const MAX_ACK_BYTES = 4096;
const MIN_RECONNECT_MS = 100;
const MAX_RECONNECT_MS = 10_000;
const MAX_WAIT_MS = 60_000;

interface FluentdSettings {
  readonly address: StreamAddress;
  readonly async: boolean;
  readonly acknowledged: boolean;
  readonly subSecond: boolean;
  readonly batchBytes: number;
  readonly retry: RetryPolicy;
  /** 0: none. */
  readonly writeMs: number;
  readonly readMs: number;
  /** How old a connection may be when something is sent; 0: any age. */
  readonly reconnectMs: number;
}

function parseAddress(address: string | undefined): StreamAddress {
  const bad = (problem: string): EngineError => invalid(`invalid fluentd-address (${address}): ${problem}`);
  const { scheme, rest } = splitScheme(address || DEFAULT_HOST) ?? { scheme: 'tcp', rest: address || DEFAULT_HOST };
  if (scheme === 'unix') {
    // as in a URL, what comes before the first slash would be a host
    const path = rest.replace(/^[^/]*/, '');
    if (/^\/*$/.test(path)) throw bad('path is empty');
    return { kind: 'unix', path };
  }
  if (scheme !== 'tcp' && scheme !== 'tls') throw bad(`unsupported scheme: '${scheme}'`);
  if (rest.includes('/')) throw bad('should not contain a path element');
  const { host, port } = parseHostPort(
    /^(:|$)/.test(rest) ? DEFAULT_HOST + rest : rest,
    DEFAULT_PORT,
    'fluentd-address',
  );
  // There is no option for certificates: the receiver's must be one that the host trusts.
  return { kind: 'tcp', host, port, ...(scheme === 'tls' ? { tls: {} } : {}) };
}

function parseSettings(options: LogOptions): FluentdSettings {
  const given = <T>(key: string, parse: (text: string) => T, fallback: T): T =>
    options[key] ? parse(options[key]) : fallback;
  if (options['fluentd-async'] && options['fluentd-async-connect'])
    throw invalid("conflicting options: cannot specify both 'fluentd-async' and 'fluentd-async-connect'");
  const reconnect = given('fluentd-async-reconnect-interval', parseDuration, 0);
  if (reconnect !== 0 && (reconnect < MIN_RECONNECT_MS || reconnect > MAX_RECONNECT_MS))
    throw invalid(
      `invalid value for fluentd-async-reconnect-interval: value ("${options['fluentd-async-reconnect-interval']}") must be between 100ms and 10s`,
    );
  const retries = given('fluentd-max-retries', (text) => parseWhole(text), Number.POSITIVE_INFINITY);
  return {
    address: parseAddress(options['fluentd-address']),
    async: given('fluentd-async', parseBoolean, given('fluentd-async-connect', parseBoolean, false)),
    acknowledged: given('fluentd-request-ack', parseBoolean, false),
    subSecond: given('fluentd-sub-second-precision', parseBoolean, false),
    batchBytes: Math.max(1, Math.min(DEFAULT_BATCH, given('fluentd-buffer-limit', parseBinarySize, DEFAULT_BATCH))),
    retry: {
      firstMs: given('fluentd-retry-wait', parseDuration, 1000),
      factor: 1.5,
      maxMs: MAX_WAIT_MS,
      attempts: Math.max(1, retries),
    },
    writeMs: given('fluentd-write-timeout', parseDuration, 0),
    readMs: given('fluentd-read-timeout', parseDuration, 0),
    reconnectMs: reconnect,
  };
}

/** Throws `invalid` with dockerd's texts. */
export function checkFluentdOptions(options: LogOptions): void {
  parseSettings(options);
}

const eventTime = (nanoseconds: bigint): ExtData => {
  const data = Buffer.alloc(8);
  data.writeUInt32BE(Number(nanoseconds / 1_000_000_000n), 0);
  data.writeUInt32BE(Number(nanoseconds % 1_000_000_000n), 4);
  return new ExtData(EVENT_TIME, data);
};

class FluentdSink implements LogSink {
  readonly retry: RetryPolicy;
  readonly batchBytes: number;
  readonly #settings: FluentdSettings;
  readonly #tag: string;
  readonly #fixed: Readonly<Record<string, string>>;
  readonly #encoder = new Encoder();
  #connection: StreamConnection | undefined;
  #connectedAt = 0;

  constructor(settings: FluentdSettings, tag: string, fixed: Readonly<Record<string, string>>) {
    this.#settings = settings;
    this.#tag = tag;
    this.#fixed = fixed;
    this.retry = settings.retry;
    this.batchBytes = settings.batchBytes;
  }

  async connect(call: CallOptions = {}): Promise<void> {
    if (!this.#settings.async) await this.#ready(call);
  }

  /** One Forward-mode message a batch (Fluentd forward protocol, version 1). */
  async send(messages: readonly LogMessage[], call: CallOptions = {}): Promise<void> {
    const { acknowledged, writeMs, readMs } = this.#settings;
    const chunk = acknowledged ? randomBytes(16).toString('base64') : undefined;
    const entries = messages.map((message) => [this.#time(message), this.#record(message)]);
    const data = this.#encoder.encode([this.#tag, entries, chunk === undefined ? {} : { chunk }]);
    try {
      const connection = await this.#ready(call);
      const acknowledgement = chunk === undefined ? undefined : expectAck(connection, chunk, readMs || ACK_MS, call);
      acknowledgement?.catch(() => undefined);
      await within(writeMs, (limited) => connection.write(data, limited), call);
      await acknowledgement;
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  #time({ time }: LogMessage): ExtData | number {
    return this.#settings.subSecond ? eventTime(time) : Number(time / 1_000_000_000n);
  }

  #record({ stream, line, partial }: LogMessage): Readonly<Record<string, string>> {
    return {
      ...this.#fixed,
      source: stream,
      log: line.toString('utf8'),
      ...(partial === undefined
        ? {}
        : {
            partial_message: 'true',
            partial_id: partial.id,
            partial_ordinal: String(partial.ordinal),
            partial_last: String(partial.last),
          }),
    };
  }

  async #ready(call: CallOptions): Promise<StreamConnection> {
    if (this.#connection?.alive === false || this.#isTooOld()) this[Symbol.dispose]();
    if (this.#connection !== undefined) return this.#connection;
    this.#connection = await StreamConnection.open(this.#settings.address, call);
    this.#connectedAt = performance.now();
    return this.#connection;
  }

  /** A new one goes where the name leads by now. */
  #isTooOld(): boolean {
    const { async: isAsync, reconnectMs } = this.#settings;
    return isAsync && reconnectMs !== 0 && performance.now() - this.#connectedAt > reconnectMs;
  }

  [Symbol.dispose](): void {
    this.#connection?.[Symbol.dispose]();
    this.#connection = undefined;
  }
}

/** `{ack: chunk}` from the receiver. What it sends instead is not read further than a few kilobytes. */
async function expectAck(connection: StreamConnection, chunk: string, ms: number, call: CallOptions): Promise<void> {
  const decoder = new Decoder({ maxStrLength: MAX_ACK_BYTES, maxMapLength: 16 });
  let received: Buffer = Buffer.alloc(0);
  const answer = (resolve: () => void): void => {
    connection.onData = (data) => {
      received = Buffer.concat([received, data]);
      if (isAck(decoder, received, chunk)) resolve();
      else if (received.length > MAX_ACK_BYTES) connection[Symbol.dispose]();
    };
  };
  await within(ms, (limited) => connection.until(answer, limited), call);
}

function isAck(decoder: Decoder, received: Buffer, chunk: string): boolean {
  try {
    const decoded = decoder.decode(received);
    return typeof decoded === 'object' && decoded !== null && 'ack' in decoded && decoded.ack === chunk;
  } catch {
    // not all of it is there yet
    return false;
  }
}

/** Bounds the time of some work; 0 is without bound. Throws `unavailable` after it. */
async function within(ms: number, work: (call: CallOptions) => Promise<void>, call: CallOptions): Promise<void> {
  if (ms === 0) return work(call);
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), ms);
  try {
    await work({ signal: call.signal === undefined ? late.signal : AbortSignal.any([call.signal, late.signal]) });
  } catch (error) {
    if (!late.signal.aborted) throw error;
    throw unavailable(`fluentd: i/o timeout: ${messageOf(error)}`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

/** Sends to Fluentd or Fluent Bit by the forward protocol over TCP, TLS or a unix socket. */
export function createFluentdSink(subject: LogSubject, options: LogOptions): LogSink {
  const fixed = {
    container_id: subject.id,
    container_name: `/${subject.name}`,
    ...extraAttributes(subject, options),
  };
  return new FluentdSink(parseSettings(options), logTag(subject, options), fixed);
}
