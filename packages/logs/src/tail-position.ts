import type { LogStream } from './line-format.ts';
import { newPosition, parseLine, STDOUT } from './line-format.ts';
import type { OpenLog } from './open-log.ts';

const BLOCK = 256 << 10;
const LINE_FEED = 0x0a;

export interface TailPosition {
  /** Index of the file to begin with. */
  readonly file: number;
  readonly offset: number;
}

/** Counts lines from the end. A last part without an end is a line of its own. */
class Countdown {
  readonly #wanted: number;
  readonly #streams: ReadonlySet<LogStream>;
  readonly #position = newPosition();
  #seen = 0;
  #ended = new Set<number>();

  constructor(wanted: number, streams: ReadonlySet<LogStream>) {
    this.#wanted = wanted;
    this.#streams = streams;
  }

  /** True when this line is one too many: the tail begins after it. */
  isBefore(buffer: Buffer, start: number, end: number): boolean {
    const line = this.#position;
    if (!parseLine(buffer, start, end, line)) return false;
    if (!this.#streams.has(line.stream === STDOUT ? 'stdout' : 'stderr')) return false;
    if (line.partial && this.#ended.has(line.stream)) return false;
    this.#ended.add(line.stream);
    this.#seen++;
    return this.#seen > this.#wanted;
  }
}

/** Walks a file's lines backwards; the offset after the first one the countdown refuses. */
const findInFile = async (log: OpenLog, countdown: Countdown): Promise<number | undefined> => {
  let upTo = await log.size();
  let rest: Buffer = Buffer.alloc(0);
  while (upTo > 0) {
    const size = Math.min(BLOCK, upTo);
    const block = Buffer.allocUnsafe(size);
    const bytesRead = await log.read(block, 0, size, upTo - size);
    if (bytesRead !== size) return undefined;
    upTo -= size;
    const buffer = rest.length === 0 ? block : Buffer.concat([block, rest]);
    let end = buffer.lastIndexOf(LINE_FEED);
    while (end >= 0) {
      const before = end === 0 ? -1 : buffer.lastIndexOf(LINE_FEED, end - 1);
      if (before < 0 && upTo > 0) break;
      if (countdown.isBefore(buffer, before + 1, end)) return upTo + end + 1;
      end = before;
    }
    // the beginning of this line is in the block before
    rest = buffer.subarray(0, end + 1);
  }
  return undefined;
};

/** Where the last `lines` lines of the given streams begin. */
export async function findTail(
  logs: readonly OpenLog[],
  lines: number,
  streams: ReadonlySet<LogStream>,
): Promise<TailPosition> {
  const countdown = new Countdown(lines, streams);
  if (lines <= 0 && logs.length > 0) {
    const last = logs.length - 1;
    return { file: last, offset: (await logs[last]?.size()) ?? 0 };
  }
  for (const [reversed, log] of logs.toReversed().entries()) {
    const offset = await findInFile(log, countdown);
    if (offset !== undefined) return { file: logs.length - 1 - reversed, offset };
  }
  return { file: 0, offset: 0 };
}
