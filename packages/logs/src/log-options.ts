import type { CallOptions } from '@berth/base';
import { formatNano, type LinePosition, type LogStream, STDOUT, utcTime } from './line-format.ts';

export interface ReadLogOptions extends CallOptions {
  /** The file being written; its rotated siblings (`path.1` …) are found. Nothing there reads as an empty log. */
  readonly path: string;
  /** Default both. */
  readonly streams?: readonly LogStream[];
  /** Only the last so many lines of those streams; default all. */
  readonly tail?: number;
  /** Nanoseconds since the epoch, inclusive. */
  readonly since?: bigint;
  /** Nanoseconds since the epoch, inclusive; following ends at that time. */
  readonly until?: bigint;
  /** Wait for more. */
  readonly follow?: boolean;
  /** Following ends once this has resolved (the container's exit) and everything written before has been read. */
  readonly stopped?: Promise<unknown>;
}

export const streamsOf = (options: ReadLogOptions): ReadonlySet<LogStream> =>
  new Set(options.streams ?? ['stdout', 'stderr']);

/** `skip` this line, `take` it, or `end`: it and all after it are too late. */
export type Verdict = 'skip' | 'take' | 'end';

/** The filter for `since`, `until` and the streams. */
export function lineFilter(options: ReadLogOptions): (buffer: Buffer, line: LinePosition) => Verdict {
  const streams = streamsOf(options);
  const both = streams.size === 2;
  const since = options.since === undefined ? undefined : formatNano(options.since);
  const until = options.until === undefined ? undefined : formatNano(options.until);
  const wants = (line: LinePosition): boolean => both || streams.has(line.stream === STDOUT ? 'stdout' : 'stderr');
  if (since === undefined && until === undefined) return (_, line) => (wants(line) ? 'take' : 'skip');
  return (buffer, line) => {
    if (!wants(line)) return 'skip';
    const time = utcTime(buffer, line.start, line.timeEnd);
    if (time === undefined || (since !== undefined && time < since)) return 'skip';
    return until !== undefined && time > until ? 'end' : 'take';
  };
}
