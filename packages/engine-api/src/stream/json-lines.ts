/** JSON documents one after the other, as progress, events and stats are streamed. */
import { dataLoss, tooLarge } from '@berth/base';

/** One document as dockerd writes it: the text and CR LF. */
export const encodeJsonLine = (value: unknown): string => `${JSON.stringify(value)}\r\n`;

const DEFAULT_BOUND = 4 * 1024 * 1024;

/**
 * Parses documents from chunks. Documents are separated by line ends; blank lines are skipped.
 * Throws `dataLoss` for a line that is no JSON, `tooLarge` for one over `bound` bytes.
 */
export async function* decodeJsonLines<T>(
  source: AsyncIterable<Uint8Array>,
  bound: number = DEFAULT_BOUND,
): AsyncGenerator<T, void, undefined> {
  const decoder = new TextDecoder();
  let pending = '';
  for await (const chunk of source) {
    pending += decoder.decode(chunk, { stream: true });
    const lines = pending.split('\n');
    pending = lines.pop() ?? '';
    for (const line of lines) if (line.trim() !== '') yield parse<T>(line);
    if (pending.length > bound) throw tooLarge(`a JSON line is longer than ${bound} bytes`);
  }
  pending += decoder.decode();
  if (pending.trim() !== '') yield parse<T>(pending);
}

function parse<T>(line: string): T {
  try {
    return JSON.parse(line) as T;
  } catch (cause) {
    throw dataLoss('malformed JSON in a stream', { cause });
  }
}
