import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { type CallOptions, errnoOf, isKind, throwIfAborted, unavailable } from '@berth/base';
import { wasOutOfMemory } from './conmon/task-files.ts';
import type { ExitStatus, RunIo } from './oci-runtime.ts';
import { runtimeError } from './runtime-error.ts';

export interface ForegroundContext {
  readonly path: string;
  readonly globalArgs: readonly string[];
  delete(): Promise<void>;
}

const feed = async (stdin: Writable, input: AsyncIterable<Uint8Array>): Promise<void> => {
  for await (const chunk of input) {
    if (stdin.destroyed) return;
    if (!stdin.write(chunk)) await new Promise((resolve) => stdin.once('drain', resolve).once('close', resolve));
  }
  stdin.end();
};

const exitOf = (child: ChildProcess): Promise<number> =>
  new Promise((resolve, reject) => {
    child.once('error', (cause) =>
      reject(errnoOf(cause) === 'ENOENT' ? unavailable(`${child.spawnfile}: not installed`, { cause }) : cause),
    );
    child.once('close', (code) => resolve(code ?? 137));
  });

const firstArgument = (bundle: string): string => {
  const config = JSON.parse(readFileSync(`${bundle}/config.json`, 'utf8')) as { process?: { args?: string[] } };
  return config.process?.args?.[0] ?? '';
};

/** What the runtime itself writes when it could not start the process; a program can write the same, hence the end only. */
const REFUSAL = /(?:^|\n)(?:time="[^"\n]*" level=(?:error|fatal) msg=|\d{4}-\d\d-\d\dT[0-9:.]+Z: )[^\n]*\n?$/;
const RUNTIME_FAILED = 1;
const TAIL = 16384;

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
  const child = spawn(context.path, [...context.globalArgs, 'run', '--bundle', bundle, '--pid-file', pidfile, id], {
    stdio: [io.stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  });
  let tail = '';
  (child.stdout as Readable).on('data', io.stdout);
  // held back until it is known whose words they are: a refusal is an error, not the program's output
  let refused = false;
  (child.stderr as Readable).on('data', (chunk: Buffer) => {
    tail = (tail + chunk.toString('latin1')).slice(-TAIL);
    refused = REFUSAL.test(tail);
    if (!refused) io.stderr(chunk);
  });
  const onAbort = (): void => {
    void context.delete().catch(() => child.kill('SIGKILL'));
  };
  options.signal?.addEventListener('abort', onAbort, { once: true });
  try {
    const feeding = io.stdin === undefined ? undefined : feed(child.stdin as Writable, io.stdin).catch(() => undefined);
    child.stdin?.on('error', () => undefined);
    const exitCode = await exitOf(child);
    void feeding;
    throwIfAborted(options.signal);
    if (exitCode >= RUNTIME_FAILED && refused && readPid(pidfile) === undefined)
      throw runtimeError(Buffer.from(tail, 'latin1').toString('utf8'), 'create', command);
    return { exitCode, exitedAt: new Date(), oomKilled: exitCode !== 0 && wasOutOfMemory(bundle) };
  } finally {
    options.signal?.removeEventListener('abort', onAbort);
    await context.delete().catch((error: unknown) => {
      if (!isKind(error, 'notFound')) throw error;
    });
  }
}

function readPid(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
