import { existsSync } from 'node:fs';
import { type CallOptions, unavailable } from '@berth/base';
import { extraAttributes, type LogSubject, logTag } from '../log-subject.ts';
import type { LogOptions } from '../option-values.ts';
import { type Datagrams, openUnixgram } from './datagrams.ts';
import { DEFAULT_BATCH, DEFAULT_RETRY, type LogMessage, type LogSink } from './log-sink.ts';

export const JOURNALD_SOCKET = '/run/systemd/journal/socket';

const ERROR = '3';
const INFORMATIONAL = '6';

/** Field names are upper case letters, digits and underscores, and do not begin with an underscore. */
const fieldName = (key: string): string =>
  key
    .toUpperCase()
    .replaceAll(/[^A-Z0-9]/g, '_')
    .replace(/^_+/, '');

/** A field in journald's native protocol: `NAME=value`, or with its length when the value has line feeds. */
function field(name: string, value: string | Buffer): Buffer {
  const bytes = Buffer.from(value as string);
  if (!bytes.includes(0x0a)) return Buffer.concat([Buffer.from(`${name}=`), bytes, Buffer.from('\n')]);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(bytes.length));
  return Buffer.concat([Buffer.from(`${name}\n`), length, bytes, Buffer.from('\n')]);
}

class JournaldSink implements LogSink {
  readonly retry = DEFAULT_RETRY;
  readonly batchBytes = DEFAULT_BATCH;
  readonly #fixed: Buffer;
  readonly #socket: string;
  #datagrams: Datagrams | undefined;

  constructor(fixed: Buffer, socket: string) {
    this.#fixed = fixed;
    this.#socket = socket;
  }

  async connect(): Promise<void> {
    if (!existsSync(this.#socket)) throw unavailable('journald is not enabled on this host');
    this.#datagrams ??= openUnixgram(this.#socket);
  }

  async send(messages: readonly LogMessage[], call: CallOptions = {}): Promise<void> {
    try {
      await this.connect();
      for (const message of messages) await this.#datagrams?.send(this.#encode(message), call);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  #encode({ stream, line, time, partial }: LogMessage): Buffer {
    return Buffer.concat([
      this.#fixed,
      field('MESSAGE', line),
      field('PRIORITY', stream === 'stderr' ? ERROR : INFORMATIONAL),
      field('SYSLOG_TIMESTAMP', new Date(Number(time / 1_000_000n)).toISOString()),
      ...(partial === undefined
        ? []
        : [
            ...(partial.last ? [] : [field('CONTAINER_PARTIAL_MESSAGE', 'true')]),
            field('CONTAINER_PARTIAL_ID', partial.id),
            field('CONTAINER_PARTIAL_ORDINAL', String(partial.ordinal)),
            field('CONTAINER_PARTIAL_LAST', String(partial.last)),
          ]),
    ]);
  }

  [Symbol.dispose](): void {
    this.#datagrams?.[Symbol.dispose]();
    this.#datagrams = undefined;
  }
}

/** Sends to journald by its native protocol (systemd, "Native Journal Protocol"). */
export function createJournaldSink(subject: LogSubject, options: LogOptions, socket = JOURNALD_SOCKET): LogSink {
  const tag = logTag(subject, options);
  const extra = extraAttributes(subject, options, fieldName);
  const fields = {
    CONTAINER_ID: subject.id.slice(0, 12),
    CONTAINER_ID_FULL: subject.id,
    CONTAINER_NAME: subject.name,
    CONTAINER_TAG: tag,
    IMAGE_NAME: subject.imageName,
    SYSLOG_IDENTIFIER: tag,
    ...extra,
  };
  const encoded = Object.entries(fields).filter(([name]) => name !== '');
  return new JournaldSink(Buffer.concat(encoded.map(([name, value]) => field(name, value))), socket);
}
