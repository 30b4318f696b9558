import { isKind, type Logger, sleep } from '@berth/base';
import { ChangeWatch } from '../change-watch.ts';
import { LogCursor, type LogPosition } from '../log-cursor.ts';
import type { LogMessage, LogSink } from '../sinks/log-sink.ts';
import { type Assembled, MessageAssembler } from './message-assembler.ts';

const POLL_MS = 1000;

export interface LogForwarderOptions {
  /** The log the monitor writes. */
  readonly path: string;
  /** Owned from now on. */
  readonly sink: LogSink;
  /** Where a former forwarder got to; undefined: begin at the beginning. */
  readonly from: LogPosition | undefined;
  /** Called after each delivery. */
  readonly delivered: (position: LogPosition) => void;
  readonly logger: Logger;
}

/**
 * Sends a container's log on to a sink, behind the back of both: it reads the file that the monitor writes, so neither
 * a lost sink nor a daemon that is gone holds a container up, and what was not delivered stays in the file until the
 * file is rotated away. What was being sent when the daemon was killed is sent again.
 */
export interface LogForwarder extends AsyncDisposable {
  /** The container has ended: what is there is the last. */
  end(): void;
  /** Resolves once everything is delivered, at the first attempt that fails from now on, or after `ms`. Implies `end`. */
  drain(ms: number): Promise<void>;
}

export function startLogForwarder(options: LogForwarderOptions): LogForwarder {
  return new Forwarder(options);
}

class Forwarder implements LogForwarder {
  readonly #options: LogForwarderOptions;
  readonly #assembler = new MessageAssembler();
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;
  #watch: ChangeWatch | undefined;
  #ended = false;
  #failing = Promise.withResolvers<void>();

  constructor(options: LogForwarderOptions) {
    this.#options = options;
    this.#done = this.#run().catch((error: unknown) => {
      if (!isKind(error, 'cancelled'))
        options.logger.error('a log is no longer forwarded', { path: options.path, error });
    });
  }

  end(): void {
    this.#ended = true;
    this.#watch?.wake();
  }

  async drain(ms: number): Promise<void> {
    this.#failing = Promise.withResolvers<void>();
    this.end();
    const timeout = new AbortController();
    const late = sleep(ms, { signal: timeout.signal }).catch(() => undefined);
    await Promise.race([this.#done, this.#failing.promise, late]);
    timeout.abort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#watch?.wake();
    await this.#done;
  }

  async #run(): Promise<void> {
    const { path, sink, from } = this.#options;
    using _sink = sink;
    using watch = new ChangeWatch(path);
    this.#watch = watch;
    await using cursor = await LogCursor.open(path, async (logs) => {
      const file = logs.findIndex(({ identity }) => identity === from?.inode);
      return file < 0 ? { file: 0, offset: 0 } : { file, offset: from?.offset ?? 0 };
    });
    for (;;) {
      const last = this.#ended;
      do await this.#sendRead(cursor);
      while (await cursor.advance());
      this.#stop.signal.throwIfAborted();
      if (last) break;
      if (!this.#ended) await watch.next(POLL_MS);
      this.#stop.signal.throwIfAborted();
    }
    const { position } = cursor;
    const rest = this.#assembler.flush();
    if (position !== undefined && rest.length > 0) await this.#deliver({ messages: rest, upTo: position });
  }

  async #sendRead(cursor: LogCursor): Promise<void> {
    for (let block = await cursor.next(); block !== undefined; block = await cursor.next()) {
      const { position } = cursor;
      if (position === undefined) return;
      const from = { inode: position.inode, offset: position.offset - block.length };
      for (const batch of this.#assembler.add(block, from, this.#options.sink.batchBytes)) await this.#deliver(batch);
    }
  }

  async #deliver({ messages, upTo }: Assembled): Promise<void> {
    if (messages.length > 0) await this.#persist(messages);
    this.#options.delivered(upTo);
  }

  /** Until it is sent, or the sink's patience is at its end. */
  async #persist(messages: readonly LogMessage[]): Promise<void> {
    const { sink, logger, path } = this.#options;
    const { firstMs, factor, maxMs, attempts } = sink.retry;
    const { signal } = this.#stop;
    for (let attempt = 1, wait = firstMs; ; attempt++, wait = Math.min(wait * factor, maxMs)) {
      try {
        await sink.send(messages, { signal });
        return;
      } catch (error) {
        if (signal.aborted || isKind(error, 'cancelled')) throw error;
        this.#failing.resolve();
        if (attempt === 1) logger.warn('log messages could not be delivered yet', { path, error });
        if (attempt >= attempts) {
          logger.warn('log messages were given up', { path, messages: messages.length, attempts });
          return;
        }
      }
      await sleep(wait, { signal });
    }
  }
}
