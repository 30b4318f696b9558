import { randomBytes } from 'node:crypto';
import { type LogStream, newPosition, parseLine, STDOUT, utcTime } from '../line-format.ts';
import type { LogPosition } from '../log-cursor.ts';
import type { LogMessage } from '../sinks/log-sink.ts';

const LINE_FEED = 0x0a;
/** A longer line goes on in pieces, as with dockerd. */
const PIECE = 16 << 10;

/** A line whose end has not been read. */
interface Open {
  readonly time: bigint;
  readonly from: LogPosition;
  /** Made when the line is cut, which few are. */
  id: string;
  ordinal: number;
  rest: Buffer;
}

export interface Assembled {
  readonly messages: readonly LogMessage[];
  /** All before it is in the messages so far; what a next reader begins with. */
  readonly upTo: LogPosition;
}

/** Makes messages of a log's physical lines: parts are put together again, what is too long is cut. */
export class MessageAssembler {
  readonly #open = new Map<LogStream, Open>();
  readonly #line = newPosition();
  /** The second the last line was of, as text and in nanoseconds: the next is most likely of the same. */
  #second = { text: '', value: 0n };

  /** Takes whole lines that begin at `from`; gives batches of about `batchBytes`. */
  *add(block: Buffer, from: LogPosition, batchBytes: number): Generator<Assembled> {
    let messages: LogMessage[] = [];
    let bytes = 0;
    for (let start = 0; start < block.length; ) {
      const end = block.indexOf(LINE_FEED, start);
      const at = { inode: from.inode, offset: from.offset + start };
      if (parseLine(block, start, end, this.#line)) messages.push(...this.#take(block, at));
      bytes += end + 1 - start;
      start = end + 1;
      if (bytes < batchBytes && start < block.length) continue;
      yield { messages, upTo: this.#upTo({ inode: from.inode, offset: from.offset + start }) };
      messages = [];
      bytes = 0;
    }
  }

  /** What is left when nothing more will come. */
  flush(): readonly LogMessage[] {
    const messages = [...this.#open].flatMap(([stream, open]) =>
      open.rest.length === 0 ? [] : [this.#last(stream, open)],
    );
    this.#open.clear();
    return messages;
  }

  #upTo(read: LogPosition): LogPosition {
    // the older of two open lines; of different files that one that is not being read
    const [oldest] = [...this.#open.values()]
      .map((open) => open.from)
      .toSorted((a, b) =>
        a.inode === b.inode ? a.offset - b.offset : Number(a.inode === read.inode) - Number(b.inode === read.inode),
      );
    return oldest ?? read;
  }

  *#take(block: Buffer, at: LogPosition): Generator<LogMessage> {
    const { dataStart, end, partial } = this.#line;
    const stream: LogStream = this.#line.stream === STDOUT ? 'stdout' : 'stderr';
    const data = block.subarray(dataStart, end);
    const open = this.#open.get(stream) ?? this.#begin(block, at);
    const whole = open.rest.length === 0 ? data : Buffer.concat([open.rest, data]);
    let offset = 0;
    for (; whole.length - offset > PIECE; offset += PIECE) {
      open.id ||= randomBytes(32).toString('hex');
      yield {
        time: open.time,
        stream,
        line: whole.subarray(offset, offset + PIECE),
        partial: { id: open.id, ordinal: ++open.ordinal, last: false },
      };
    }
    open.rest = whole.subarray(offset);
    if (partial) {
      open.rest = Buffer.from(open.rest);
      this.#open.set(stream, open);
      return;
    }
    this.#open.delete(stream);
    yield this.#last(stream, open);
  }

  #begin(block: Buffer, from: LogPosition): Open {
    const time = this.#nanoseconds(utcTime(block, this.#line.start, this.#line.timeEnd));
    return { time, from, id: '', ordinal: 0, rest: Buffer.alloc(0) };
  }

  #nanoseconds(time: string | undefined): bigint {
    if (time === undefined) return 0n;
    const text = time.slice(0, 19);
    if (this.#second.text !== text) this.#second = { text, value: BigInt(Date.parse(`${text}Z`)) * 1_000_000n };
    return this.#second.value + BigInt(time.slice(20));
  }

  #last(stream: LogStream, { time, id, ordinal, rest }: Open): LogMessage {
    return {
      time,
      stream,
      line: rest,
      ...(ordinal === 0 ? {} : { partial: { id, ordinal: ordinal + 1, last: true } }),
    };
  }
}
