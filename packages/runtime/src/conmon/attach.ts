import { type CallOptions, conflict, isKind, sleep, throwIfAborted } from '@berth/base';
import { connectSeqpacket, type SeqPacketConnection } from '@berth/linux';
import type { AttachedStreams } from '../monitor.ts';

/** First byte of a packet from conmon's attach socket; the rest is what the process wrote. */
const STDERR = 3;
const SHORT_TURNS = 20;
const ACCEPT_POLL_MS = 2;
/** A conmon that a client holds back accepts nobody; then there is no output that could be missed either. */
const ACCEPT_MS = 5000;

export class Attachment implements AttachedStreams {
  readonly #connection: SeqPacketConnection;
  readonly #onEnd: () => void;
  readonly output: AttachedStreams['output'];

  constructor(connection: SeqPacketConnection, onEnd: () => void) {
    this.#connection = connection;
    this.#onEnd = onEnd;
    this.output = this.#read();
  }

  async *#read(): AsyncGenerator<{ readonly stream: 'stdout' | 'stderr'; readonly data: Uint8Array }> {
    try {
      for await (const packet of this.#connection.packets)
        yield { stream: packet[0] === STDERR ? 'stderr' : 'stdout', data: packet.subarray(1) };
    } finally {
      this.#onEnd();
    }
  }

  /** Resolves once conmon sends its output here too, or after a while when it does nothing at all. */
  async accepted(options: CallOptions): Promise<void> {
    for (let turn = 0, waited = 0; !this.#connection.isAccepted() && waited < ACCEPT_MS; turn++) {
      // It takes some 50 microseconds, unless the machine is busy.
      if (turn < SHORT_TURNS) await new Promise(setImmediate);
      else await sleep(ACCEPT_POLL_MS, options).then(() => (waited += ACCEPT_POLL_MS));
      throwIfAborted(options.signal);
    }
  }

  async write(chunk: Uint8Array): Promise<void> {
    // an empty packet reads as end of input
    if (chunk.length > 0) await this.#connection.write(chunk);
  }

  async closeStdin(): Promise<void> {
    await this.#connection.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection[Symbol.asyncDispose]();
    this.#onEnd();
  }
}

/**
 * Connects to the streams of the process whose monitor directory this is; `onEnd` is called once nothing more will be
 * read. Throws `conflict` when the process has exited.
 *
 * conmon writes to its clients with blocking calls: a client that does not read holds the process back once the
 * socket's and our 1 MiB buffer are full, and delays the notice of its exit. Dispose what is no longer read.
 *
 * conmon accepts one client a turn, and between the turns gives what the process writes to those it has: what is written
 * before {@link Attachment.accepted} resolves may be missed.
 */
export async function connectAttach(dir: string, onEnd: () => void, options: CallOptions = {}): Promise<Attachment> {
  try {
    return new Attachment(await connectSeqpacket(`${dir}/attach`, options), onEnd);
  } catch (cause) {
    if (isKind(cause, 'notFound', 'unavailable')) throw conflict('the process has exited', { cause });
    throw cause;
  }
}
