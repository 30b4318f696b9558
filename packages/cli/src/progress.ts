import type { Writable } from 'node:stream';
import type { ProgressMessage } from '@berth/engine-api';
import { ExitError } from './failure.ts';
import { humanSize } from './units.ts';

export interface ProgressOptions {
  readonly quiet: boolean;
  readonly onAux?: (aux: unknown) => void;
}

/**
 * Shows progress messages: on a terminal one line a layer, redrawn in place with a bar; in a pipe each status once.
 * Throws for an error in the stream.
 */
export async function showProgress(
  messages: AsyncIterable<ProgressMessage>,
  output: Writable & { readonly isTTY?: boolean; readonly columns?: number },
  { quiet, onAux }: ProgressOptions,
): Promise<void> {
  const screen = output.isTTY === true ? new Screen(output) : undefined;
  for await (const message of messages) {
    if (message.error !== undefined) throw new ExitError(message.errorDetail?.code || 1, message.error);
    if (message.aux !== undefined) onAux?.(message.aux);
    if (quiet || (message.stream === undefined && message.status === undefined)) continue;
    if (message.stream !== undefined) output.write(message.stream);
    else if (screen !== undefined) screen.show(message);
    else if (message.status !== undefined && !isTransfer(message)) output.write(`${lineOf(message, 0)}\n`);
  }
}

const isTransfer = ({ progressDetail }: ProgressMessage): boolean => progressDetail?.current !== undefined;

function lineOf(message: ProgressMessage, width: number): string {
  const head = message.id === undefined ? '' : `${message.id}: `;
  const bar = width > 0 && isTransfer(message) ? ` ${barOf(message, width)}` : '';
  return `${head}${message.status ?? ''}${bar}`;
}

function barOf({ progressDetail }: ProgressMessage, width: number): string {
  const { current = 0, total = 0, units } = progressDetail ?? {};
  if (units !== undefined && units !== '') return `${current}${total > 0 ? `/${total}` : ''} ${units}`;
  if (total <= 0) return humanSize(current);
  const done = Math.min(50, Math.floor((current / total) * 50));
  const bar = width > 110 ? `[${'='.repeat(done)}>${' '.repeat(50 - done)}] ` : '';
  return `${bar}${humanSize(current, 4).padStart(8)}/${humanSize(total, 4)}`;
}

/** Lines by id on a terminal. */
class Screen {
  readonly #output: Writable & { readonly columns?: number };
  readonly #lines = new Map<string, number>();

  constructor(output: Writable & { readonly columns?: number }) {
    this.#output = output;
  }

  show(message: ProgressMessage): void {
    const width = this.#output.columns || 80;
    const { id, progressDetail } = message;
    if (id === undefined || progressDetail === undefined) {
      this.#lines.clear();
      this.#output.write(`${lineOf(message, width)}\n`);
      return;
    }
    // A line that wraps could not be drawn over.
    const text = lineOf(message, width).slice(0, width);
    const known = this.#lines.get(id);
    if (known === undefined) {
      this.#lines.set(id, this.#lines.size);
      this.#output.write(`${text}\n`);
      return;
    }
    const up = this.#lines.size - known;
    this.#output.write(`\x1b[${up}A\x1b[2K\r${text}\x1b[${up}B\r`);
  }
}
