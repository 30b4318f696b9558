import { type FrameOptions, FrameWriter } from './frame-writer.ts';
import { newPosition, parseLine } from './line-format.ts';
import { readLogBlocks } from './log-blocks.ts';
import { lineFilter, type ReadLogOptions, streamsOf } from './log-options.ts';

export interface ReadFramesOptions extends ReadLogOptions {
  /** False for a container with a terminal: bytes without stream headers. Default true. */
  readonly multiplexed?: boolean;
  readonly timestamps?: boolean;
  /** Shown before each line: `docker logs --details`. */
  readonly details?: Readonly<Record<string, string>>;
  /** Several lines a frame. Default: when not following, where clients want lines as they come. */
  readonly coalesce?: boolean;
}

const LINE_FEED = 0x0a;

/** `key=value,key=value` in the order of the keys, both parts escaped as in a query. */
const detailsOf = (attributes: Readonly<Record<string, string>>): string =>
  Object.keys(attributes)
    .toSorted()
    .map((key) => new URLSearchParams([[key, attributes[key] ?? '']]).toString())
    .join(',');

const frameOptions = (options: ReadFramesOptions): FrameOptions => ({
  multiplexed: options.multiplexed ?? true,
  timestamps: options.timestamps ?? false,
  details: options.details === undefined ? '' : `${detailsOf(options.details)} `,
  coalesce: options.coalesce ?? !options.follow,
});

/** A log as the bytes a Docker client gets from `GET /containers/{id}/logs`, in chunks of about a megabyte. */
export async function* readLogFrames(options: ReadFramesOptions): AsyncGenerator<Buffer> {
  const filter = lineFilter(options);
  const writer = new FrameWriter(frameOptions(options));
  const line = newPosition();
  for await (const block of readLogBlocks({
    path: options.path,
    tail: options.tail,
    streams: streamsOf(options),
    follow: options.follow ?? false,
    stopped: options.stopped,
    until: options.until,
    signal: options.signal,
  })) {
    writer.begin(block.length);
    let ended = false;
    for (let start = 0; start < block.length && !ended; ) {
      const end = block.indexOf(LINE_FEED, start);
      const parsed = parseLine(block, start, end, line);
      start = end + 1;
      if (!parsed) continue;
      const verdict = filter(block, line);
      if (verdict === 'take') writer.add(block, line);
      ended = verdict === 'end';
    }
    const bytes = writer.finish();
    if (bytes.length > 0) yield bytes;
    if (ended) return;
  }
}
