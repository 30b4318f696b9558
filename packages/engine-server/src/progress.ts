import { messageOf, shortId } from '@berth/base';
import { encodeJsonLine, type ProgressMessage } from '@berth/engine-api';
import type { ResponseStream } from '@berth/http';
import type { TransferEvent } from '@berth/images';

const PHASES: Readonly<Record<Extract<TransferEvent, { type: 'layer' }>['phase'], string>> = {
  waiting: 'Waiting',
  exists: 'Already exists',
  downloading: 'Downloading',
  verifying: 'Verifying Checksum',
  downloaded: 'Download complete',
  extracting: 'Extracting',
  complete: 'Pull complete',
  preparing: 'Preparing',
  pushing: 'Pushing',
  pushed: 'Pushed',
  mounted: 'Mounted from',
  retrying: 'Retrying',
};

/** dockerd's line for a transfer event. `exists` reads differently on a push. */
export function renderTransfer(event: TransferEvent, direction: 'pull' | 'push'): ProgressMessage {
  if (event.type === 'message') return { status: event.text, ...(event.id === undefined ? {} : { id: event.id }) };
  const { phase, current, total, note } = event;
  const status = phase === 'exists' && direction === 'push' ? 'Layer already exists' : PHASES[phase];
  const detail = current === undefined ? {} : { current, ...(total === undefined ? {} : { total }) };
  return {
    status: note === undefined ? status : `${status} ${note}`,
    progressDetail: detail,
    ...(current === undefined ? {} : { progress: bar(current, total) }),
    id: shortId(event.digest),
  };
}

const BAR_WIDTH = 50;

/** `[====>     ]   1.2MB/3.4MB`, as dockerd puts it into `progress`. */
function bar(current: number, total: number | undefined): string {
  if (total === undefined || total <= 0) return size(current);
  const filled = Math.min(BAR_WIDTH, Math.floor((current / total) * BAR_WIDTH));
  return `[${'='.repeat(filled)}>${' '.repeat(BAR_WIDTH - filled)}] ${size(current).padStart(8)}/${size(total)}`;
}

/** Decimal units with four significant digits, as go-units prints them. */
export function size(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${Number(value.toPrecision(4))}${units[unit]}`;
}

/** A stream of JSON lines whose headers are sent with the first one: until then an error still gets its own status. */
export class ProgressStream {
  readonly #open: () => ResponseStream;
  #stream: ResponseStream | undefined;
  #tail: Promise<void> = Promise.resolve();
  #broken: unknown;

  constructor(open: () => ResponseStream) {
    this.#open = open;
  }

  get started(): boolean {
    return this.#stream !== undefined;
  }

  /** Queues a line; a client that reads slowly or went away never holds the work up. */
  write(message: ProgressMessage): void {
    this.raw(encodeJsonLine(message));
  }

  raw(line: string): void {
    this.#stream ??= this.#open();
    const stream = this.#stream;
    this.#tail = this.#tail
      .then(() => (this.#broken === undefined ? stream.write(line) : undefined))
      .catch((error: unknown) => {
        this.#broken ??= error;
      });
  }

  /** Says in the stream what went wrong; throws instead when nothing has been sent yet. */
  fail(error: unknown): void {
    if (!this.started) throw error;
    this.report(error);
  }

  /** Says in the stream what went wrong, also as its first line: what a load answers with, whatever happens. */
  report(error: unknown): void {
    this.write({ errorDetail: { message: messageOf(error) }, error: messageOf(error) });
  }

  async end(): Promise<void> {
    this.#stream ??= this.#open();
    await this.#tail;
    if (this.#broken === undefined) await this.#stream.end();
  }
}
