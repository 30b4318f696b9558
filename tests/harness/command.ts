import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';

export interface CommandOptions {
  readonly input?: string | Uint8Array | Readable;
  /** Milliseconds until the program is killed; 60,000 unless told. */
  readonly timeoutMs?: number;
  /** Added to this process's environment; undefined removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  readonly signal?: AbortSignal;
}

export interface Ran {
  readonly command: string;
  /** Exit code; 128 + n when signal n ended it. */
  readonly code: number;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** stdout as it came, for binary output. */
  readonly bytes: Buffer;
  readonly timedOut: boolean;
  readonly ms: number;
}

export type Child = ChildProcessByStdio<Writable, Readable, Readable>;

/** Starts a program with pipes on all three streams. */
export function start(program: string, args: readonly string[], options: CommandOptions = {}): Child {
  return spawn(program, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
}

/** Runs a program to its end. Never throws because of its exit code; throws when it cannot be started. */
export async function run(program: string, args: readonly string[], options: CommandOptions = {}): Promise<Ran> {
  const began = performance.now();
  const child = start(program, args, options);
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
  feed(child.stdin, options.input);
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    child.kill('SIGKILL');
  }, options.timeoutMs ?? 60_000);
  const { promise, resolve, reject } = Promise.withResolvers<[number | null, NodeJS.Signals | null]>();
  child.once('error', reject).once('close', (code, signal) => resolve([code, signal]));
  try {
    const [code, signal] = await promise;
    const bytes = Buffer.concat(out);
    return {
      command: [program, ...args].join(' '),
      code: code ?? 128 + signalNumber(signal),
      signal,
      stdout: bytes.toString(),
      stderr: Buffer.concat(err).toString(),
      bytes,
      timedOut,
      ms: performance.now() - began,
    };
  } finally {
    clearTimeout(timer);
  }
}

/** As {@link run}, but throws with the program's last words unless it ended with code 0. Returns trimmed stdout. */
export async function runOk(program: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  const ran = await run(program, args, options);
  if (ran.code !== 0) throw new Error(explain(ran));
  return ran.stdout.trimEnd();
}

/** One paragraph about a run that went wrong. */
export function explain(ran: Ran): string {
  const ending = ran.timedOut ? `killed after ${Math.round(ran.ms)} ms` : `exit code ${ran.code}`;
  return `${ran.command}: ${ending}\n${ran.stderr.slice(-2000)}${ran.stdout.slice(-1000)}`;
}

/** Arguments that make `script` run a program on a terminal of its own: `run(...onTerminal('docker', ['run', '-it', …]))`. */
export function onTerminal(program: string, args: readonly string[]): [string, string[]] {
  const quoted = [program, ...args].map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
  // `exec`: a shell that stays as the parent (dash does, bash does not) gets ^C too, and ends with 130 by itself
  return ['script', ['-qefc', `exec ${quoted}`, '/dev/null']];
}

/** Waits until `probe` returns something other than undefined or false; throws with `what` after `timeoutMs`. */
export async function eventually<T>(
  what: string,
  probe: () => Promise<T | undefined | false> | T | undefined | false,
  timeoutMs = 10_000,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  let last: unknown;
  for (let pause = 5; ; pause = Math.min(pause * 1.5, 200)) {
    try {
      const value = await probe();
      if (value !== undefined && value !== false) return value;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadline) throw new Error(`${what}: not within ${timeoutMs} ms`, { cause: last });
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

function feed(stdin: Writable, input: CommandOptions['input']): void {
  // A program may end before it has read everything; that is its right.
  stdin.on('error', () => undefined);
  if (input === undefined || typeof input === 'string' || input instanceof Uint8Array) stdin.end(input);
  else input.pipe(stdin);
}

function signalNumber(signal: NodeJS.Signals | null): number {
  return { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGKILL: 9, SIGTERM: 15 }[signal as string] ?? 0;
}
