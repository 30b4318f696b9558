import { closeSync, writeSync } from 'node:fs';
import { EngineError, throwIfAborted } from '@berth/base';
import { makePipe } from './dirfd.ts';
import { type Child, type ChildExit, spawnChild } from './spawn.ts';

export interface CommandOptions {
  readonly stdin?: string | Uint8Array;
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number;
  /** The whole environment; default this process's. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Path of a network namespace to run in. */
  readonly netns?: string;
  /** Bytes of each output stream kept before the command is killed; default 64 MiB. */
  readonly maxOutput?: number;
  /** Exit codes that are no error, default only 0. */
  readonly allowExitCodes?: readonly number[];
}

export interface CommandResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
}

/** What fits a new pipe: written before the program is there to read it. */
const PIPE_BYTES = 65536;

/** A pipe that holds `stdin` already and ends after it. The caller closes it. */
const filledPipe = (stdin: Buffer): number => {
  const { read, write } = makePipe();
  try {
    writeSync(write, stdin);
    return read;
  } finally {
    closeSync(write);
  }
};

const start = (file: string, args: readonly string[], { env, cwd, netns, stdin }: CommandOptions): Child => {
  const input = stdin === undefined ? undefined : Buffer.from(stdin);
  const pipe = input !== undefined && input.length <= PIPE_BYTES ? filledPipe(input) : undefined;
  try {
    const first = pipe ?? (input === undefined ? 'ignore' : 'toChild');
    const child = spawnChild(file, args, { stdio: [first, 'fromChild', 'fromChild'], env, cwd, netns });
    // A program that does not read its input is no failure of ours: its exit status decides.
    if (input !== undefined) child.stdio[0]?.on('error', () => undefined).end(input);
    return child;
  } finally {
    if (pipe !== undefined) closeSync(pipe);
  }
};

/** Its exit once it has closed its output too, which may be later than its end and never is earlier. */
const finished = async (child: Child): Promise<ChildExit> => {
  const closed = child.stdio.slice(1).map((stream) => new Promise((resolve) => stream?.once('close', resolve)));
  const [exit] = await Promise.all([child.exited, ...closed]);
  return exit;
};

const failure = (file: string, args: readonly string[], result: CommandResult, signal: string | null): EngineError => {
  const said = result.stderr.trim() || result.stdout.trim();
  const how = signal === null ? `exit status ${result.code}` : `killed by ${signal}`;
  return new EngineError('internal', `${[file, ...args].join(' ')}: ${how}${said === '' ? '' : `: ${said}`}`, {
    details: { ...result, signal },
  });
};

/**
 * Runs a program, never through a shell, and collects its output.
 * Throws `unavailable` (no such program), `cancelled`, `deadline`, `tooLarge` (output) and `internal` (exit status;
 * `details` holds `stdout`, `stderr`, `code`, `signal`).
 */
export async function runCommand(
  file: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  throwIfAborted(options.signal);
  const child = start(file, args, options);
  const limit = options.maxOutput ?? 64 << 20;
  const output = [[], []] as [stdout: Buffer[], stderr: Buffer[]];
  let stopped: EngineError | undefined;
  const stop = (why: EngineError): void => {
    stopped ??= why;
    child.kill('SIGKILL');
  };
  for (const [index, chunks] of output.entries()) {
    let size = 0;
    child.stdio[index + 1]?.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > limit) stop(new EngineError('tooLarge', `${file}: more than ${limit} bytes of output`));
      else chunks.push(chunk);
    });
  }
  const onAbort = (): void =>
    stop(new EngineError('cancelled', `${file}: cancelled`, { cause: options.signal?.reason }));
  options.signal?.addEventListener('abort', onAbort, { once: true });
  const timer =
    options.timeoutMs === undefined
      ? undefined
      : setTimeout(() => stop(new EngineError('deadline', `${file}: timed out`)), options.timeoutMs);
  try {
    const { code, signal } = await finished(child);
    if (stopped !== undefined) throw stopped;
    const [stdout, stderr] = output.map((chunks) => Buffer.concat(chunks).toString('utf8')) as [string, string];
    const result = { stdout, stderr, code: code ?? -1 };
    if (code === null || !(options.allowExitCodes ?? [0]).includes(code)) throw failure(file, args, result, signal);
    return result;
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener('abort', onAbort);
  }
}
