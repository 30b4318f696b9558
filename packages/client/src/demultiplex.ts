import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { FrameDecoder } from '@berth/engine-api/streams';

export interface Outputs {
  readonly stdout: Writable;
  readonly stderr: Writable;
}

/** Copies a multiplexed stream to its two destinations, at the pace of the slower; ends neither. Resolves at its end. */
export async function demultiplex(source: Readable, outputs: Outputs): Promise<void> {
  let full: Writable | undefined;
  const decoder = new FrameDecoder((stream, chunk) => {
    const target = stream === 'stderr' || stream === 'systemerr' ? outputs.stderr : outputs.stdout;
    if (!target.write(chunk)) full = target;
  });
  for await (const chunk of source as AsyncIterable<Buffer>) {
    decoder.write(chunk);
    if (full !== undefined) await drained(full);
    full = undefined;
  }
  decoder.end();
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
