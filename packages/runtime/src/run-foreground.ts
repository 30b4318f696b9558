import { existsSync, readFileSync, rmSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { type CallOptions, isKind, throwIfAborted } from '@berth/base';
import { type Child, spawnChild } from '@berth/linux';
import { wasOutOfMemory } from './conmon/task-files.ts';
import type { ExitStatus, RunIo } from './oci-runtime.ts';
import { runtimeError } from './runtime-error.ts';

export interface ForegroundContext {
  readonly path: string;
  readonly globalArgs: readonly string[];
  /** True when the runtime surely knows nothing of the container any more. */
  isGone(): boolean;
  delete(): Promise<void>;
}

const feed = async (stdin: Writable, input: AsyncIterable<Uint8Array>): Promise<void> => {
  for await (const chunk of input) {
    if (stdin.destroyed) return;
    if (!stdin.write(chunk)) await new Promise((resolve) => stdin.once('drain', resolve).once('close', resolve));
  }
  stdin.end();
};

/** Once its output has ended too. */
const exitOf = async (child: Child): Promise<number> => {
  const closed = child.stdio.slice(1).map((stream) => new Promise((resolve) => stream?.once('close', resolve)));
  const [{ code }] = await Promise.all([child.exited, ...closed]);
  return code ?? 137;
};

const firstArgument = (bundle: string): string => {
  const config = JSON.parse(readFileSync(`${bundle}/config.json`, 'utf8')) as { process?: { args?: string[] } };
  return config.process?.args?.[0] ?? '';
};

const LOOK_MS = 5;

/**
 * Whose words are on stderr: until the runtime has written the pid file they may be its own, and are then an error,
 * not the program's output. They are held back until that is known.
 */
class StderrGate {
  readonly #pidfile: string;
  readonly #pass: (chunk: Uint8Array) => void;
  #held: Buffer[] = [];
  #started = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(pidfile: string, pass: (chunk: Uint8Array) => void) {
    this.#pidfile = pidfile;
    this.#pass = pass;
  }

  receive(chunk: Buffer): void {
    this.#held.push(chunk);
    this.#look();
  }

  /** After the end: what the runtime said when it did not get to start the program. */
  finish(): string | undefined {
    clearTimeout(this.#timer);
    if (!this.#started && !existsSync(this.#pidfile)) return Buffer.concat(this.#held).toString();
    this.#flush();
    return undefined;
  }

  #look(): void {
    clearTimeout(this.#timer);
    this.#started ||= existsSync(this.#pidfile);
    if (this.#started) this.#flush();
    else this.#timer = setTimeout(() => this.#look(), LOOK_MS);
  }

  #flush(): void {
    for (const chunk of this.#held.splice(0)) this.#pass(chunk);
  }
}

/**
 * `runtime run` with pipes: create, start, wait, delete. Cancelling kills the container. It does not outlive this
 * process's interest, but a crash of ours may leave it: `delete --force` with the same ID cleans up.
 */
export async function runForeground(
  context: ForegroundContext,
  id: string,
  bundle: string,
  io: RunIo,
  options: CallOptions,
): Promise<ExitStatus> {
  throwIfAborted(options.signal);
  const command = firstArgument(bundle);
  const pidfile = `${bundle}/run.pid`;
  rmSync(pidfile, { force: true });
  const args = [...context.globalArgs, 'run', '--bundle', bundle, '--pid-file', pidfile, id];
  const child = spawnChild(context.path, args, {
    stdio: [io.stdin === undefined ? 'ignore' : 'toChild', 'fromChild', 'fromChild'],
  });
  const [stdin, stdout, errors] = child.stdio;
  const stderr = new StderrGate(pidfile, io.stderr);
  stdout?.on('data', io.stdout);
  errors?.on('data', (chunk: Buffer) => stderr.receive(chunk));
  const onAbort = (): void => {
    void context.delete().catch(() => child.kill('SIGKILL'));
  };
  options.signal?.addEventListener('abort', onAbort, { once: true });
  try {
    stdin?.on('error', () => undefined);
    if (stdin !== undefined && io.stdin !== undefined) void feed(stdin, io.stdin).catch(() => undefined);
    const exitCode = await exitOf(child);
    throwIfAborted(options.signal);
    const refusal = stderr.finish();
    if (refusal !== undefined && exitCode !== 0) throw runtimeError(refusal, 'create', command);
    if (refusal) io.stderr(Buffer.from(refusal));
    return { exitCode, exitedAt: new Date(), oomKilled: exitCode !== 0 && wasOutOfMemory(bundle) };
  } finally {
    options.signal?.removeEventListener('abort', onAbort);
    // `run` deletes what it ran; a runtime that was cut short or refused may have left something
    if (!existsSync(pidfile) || !context.isGone())
      await context.delete().catch((error: unknown) => {
        if (!isKind(error, 'notFound')) throw error;
      });
  }
}
