import { spawnSync } from 'node:child_process';
import type { Duplex } from 'node:stream';
import type { Hijacked } from '@berth/client/light';
import { copyRaw, demultiplex } from '@berth/client/streams';
import type { Context } from '../context.ts';
import { DetachWatch, parseDetachKeys } from './detach-keys.ts';

export interface SessionOptions {
  readonly tty: boolean;
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly detachKeys?: string | undefined;
  /** Tells the daemon the terminal's new size. */
  readonly resize?: (size: { readonly h: number; readonly w: number }) => Promise<void>;
}

export type SessionEnd = 'closed' | 'detached';

/** A terminal of ours joined to an attached process. Dispose it to give the terminal back. */
export interface Session extends Disposable {
  /** Settles when the process's output has ended, or the user typed the detach keys. */
  readonly ended: Promise<SessionEnd>;
}

/** Joins this process's streams to an attached one: raw mode and window size with a TTY, demultiplexing without. */
export function openSession(context: Context, { duplex }: Hijacked, options: SessionOptions): Session {
  const interactive = options.tty && options.stdin && context.stdin.isTTY === true;
  if (interactive) makeRaw(context.stdin);
  const stopResizing =
    options.tty && options.resize !== undefined ? followSize(context, options.resize) : () => undefined;
  const input = options.stdin ? sendInput(context, duplex, interactive, options) : undefined;
  const output = copyOutput(context, duplex, options).then((): SessionEnd => 'closed');
  return {
    ended: input === undefined ? output : Promise.race([output, input.detached.then((): SessionEnd => 'detached')]),
    [Symbol.dispose]: () => {
      stopResizing();
      input?.stop();
      if (interactive) context.stdin.setRawMode(false);
      duplex.destroy();
    },
  };
}

/** Node's raw mode still turns a line feed into two characters on the way out, which breaks full-screen programs. */
function makeRaw(stdin: NodeJS.ReadStream): void {
  stdin.setRawMode(true);
  // Leaving raw mode brings back what was before, this included. Without stty there is only Node's mode.
  spawnSync('stty', ['-opost'], { stdio: ['inherit', 'ignore', 'ignore'] });
}

async function copyOutput(context: Context, duplex: Duplex, { tty, stdout, stderr }: SessionOptions): Promise<void> {
  try {
    if (tty) return await copyRaw(duplex, context.stdout);
    if (!stdout && !stderr) {
      duplex.resume();
      return;
    }
    await demultiplex(duplex, context);
  } catch (error) {
    // Our own end of the session destroys the stream under the copy.
    if (!duplex.destroyed) throw error;
  }
}

interface Input {
  readonly detached: Promise<void>;
  stop(): void;
}

function sendInput({ stdin }: Context, duplex: Duplex, interactive: boolean, { detachKeys }: SessionOptions): Input {
  const watch = new DetachWatch(interactive ? parseDetachKeys(detachKeys) : []);
  let onDetach: () => void = () => undefined;
  const detached = new Promise<void>((resolve) => {
    onDetach = resolve;
  });
  const onData = (chunk: Buffer): void => {
    const { pass, detached: done } = watch.feed(chunk);
    if (pass.length > 0 && duplex.writable && !duplex.write(pass)) {
      stdin.pause();
      duplex.once('drain', () => stdin.resume());
    }
    if (done) onDetach();
  };
  const onEnd = (): void => void duplex.end();
  stdin.on('data', onData);
  stdin.once('end', onEnd);
  // The process may go before its input does; what we still had for it has nowhere to go.
  duplex.on('error', () => undefined);
  return {
    detached,
    stop: () => {
      stdin.off('data', onData);
      stdin.off('end', onEnd);
      stdin.pause();
      stdin.unref?.();
    },
  };
}

function followSize({ stdout }: Context, resize: NonNullable<SessionOptions['resize']>): () => void {
  // One request at a time, so that the last size is the one that stays.
  let telling: Promise<void> | undefined;
  let stale = false;
  const tell = (): void => {
    const { rows, columns } = stdout;
    stale = telling !== undefined;
    if (stale || !rows || !columns) return;
    // The process may be gone by now, or not there yet; neither is worth a word.
    telling = resize({ h: rows, w: columns })
      .catch(() => undefined)
      .finally(() => {
        telling = undefined;
        if (stale) tell();
      });
  };
  stdout.on('resize', tell);
  tell();
  return () => void stdout.off('resize', tell);
}
