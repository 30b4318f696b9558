import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { FrameDecoder } from '@berth/engine-api/streams';

export interface Outputs {
  readonly stdout: Writable;
  readonly stderr: Writable;
}

/** Copies a multiplexed stream to its two destinations, at the pace of the slower; ends neither. Resolves at its end. */
export async function demultiplex(source: Readable, outputs: Outputs): Promise<void> {
  const run = new Run();
  const decoder = new FrameDecoder((stream, chunk) => {
    run.add(stream === 'stderr' || stream === 'systemerr' ? outputs.stderr : outputs.stdout, chunk);
  });
  for await (const chunk of source as AsyncIterable<Buffer>) {
    decoder.write(chunk);
    const full = run.flush();
    if (full !== undefined) await drained(full);
  }
  decoder.end();
}

/** Neighbouring pieces for one destination, written at once: programs print short lines, and a write each is slow. */
class Run {
  #target: Writable | undefined;
  #pieces: Buffer[] = [];
  #full: Writable | undefined;

  add(target: Writable, piece: Buffer): void {
    if (target !== this.#target) this.#write();
    this.#target = target;
    this.#pieces.push(piece);
  }

  /** Writes what there is; returns a destination that wants to be waited for. */
  flush(): Writable | undefined {
    this.#write();
    const full = this.#full;
    this.#full = undefined;
    return full;
  }

  #write(): void {
    const [first] = this.#pieces;
    if (first === undefined || this.#target === undefined) return;
    const bytes = this.#pieces.length === 1 ? first : Buffer.concat(this.#pieces);
    this.#pieces = [];
    if (!this.#target.write(bytes)) this.#full = this.#target;
  }
}

/** Copies a plain stream to one destination with the same rules. */
export async function copyRaw(source: Readable, target: Writable): Promise<void> {
  for await (const chunk of source as AsyncIterable<Buffer>) {
    if (!target.write(chunk)) await drained(target);
  }
}

async function drained(target: Writable): Promise<void> {
  if (!target.writableNeedDrain || target.destroyed) return;
  await once(target, 'drain');
}
