import { type ChildProcess, spawn } from 'node:child_process';
import { EngineError, errnoOf, invalid, throwIfAborted, unavailable, wrap } from '@berth/base';
import { inNetns } from './netns.ts';

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

const start = (file: string, args: readonly string[], options: CommandOptions): ChildProcess => {
  const go = (): ChildProcess =>
    spawn(file, args, {
      stdio: [options.stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      ...(options.env === undefined ? {} : { env: options.env }),
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
  // fork happens inside spawn(), on this thread: the child stays in the namespace this thread leaves again.
  return options.netns === undefined ? go() : inNetns(options.netns, go);
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
  for (const arg of [file, ...args]) if (arg.includes('\0')) throw invalid('command argument holds a NUL byte');
  const child = start(file, args, options);
  const limit = options.maxOutput ?? 64 << 20;
  const output = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
  let stopped: EngineError | undefined;
  const stop = (why: EngineError): void => {
    stopped ??= why;
    child.kill('SIGKILL');
  };
  const collect = (name: 'stdout' | 'stderr'): void => {
    let size = 0;
    child[name]?.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > limit) stop(new EngineError('tooLarge', `${file}: more than ${limit} bytes of output`));
      else output[name].push(chunk);
    });
  };
  collect('stdout');
  collect('stderr');
  const onAbort = (): void =>
    stop(new EngineError('cancelled', `${file}: cancelled`, { cause: options.signal?.reason }));
  options.signal?.addEventListener('abort', onAbort, { once: true });
  const timer =
    options.timeoutMs === undefined
      ? undefined
      : setTimeout(() => stop(new EngineError('deadline', `${file}: timed out`)), options.timeoutMs);
  try {
    const [code, signal] = await new Promise<[number | null, string | null]>((resolve, reject) => {
      child.once('error', (error) =>
        reject(
          errnoOf(error) === 'ENOENT' ? unavailable(`${file}: not installed`, { cause: error }) : wrap(file, error),
        ),
      );
      child.once('close', (c, s) => resolve([c, s]));
      // A program that does not read its input is no failure of ours: its exit status decides.
      child.stdin?.on('error', () => undefined).end(options.stdin);
    });
    if (stopped !== undefined) throw stopped;
    const text = (name: 'stdout' | 'stderr'): string => Buffer.concat(output[name]).toString('utf8');
    const result = { stdout: text('stdout'), stderr: text('stderr'), code: code ?? -1 };
    if (code === null || !(options.allowExitCodes ?? [0]).includes(code)) throw failure(file, args, result, signal);
    return result;
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener('abort', onAbort);
  }
}
