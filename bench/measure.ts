import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';

/** Runs a program to its end with its output thrown away; milliseconds. Throws with its last words on failure. */
export async function time(
  command: readonly string[],
  options: { readonly stdin?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<number> {
  const [program = '', ...args] = command;
  const input = options.stdin === undefined ? undefined : openSync(options.stdin, 'r');
  const errors: Buffer[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const began = performance.now();
  let took = 0;
  try {
    const child = spawn(program, args, {
      stdio: [input ?? 'ignore', 'ignore', 'pipe'],
      env: options.env ?? process.env,
    });
    child.stderr?.on('data', (chunk: Buffer) => errors.push(chunk));
    child.once('error', reject);
    child.once('exit', () => {
      took = performance.now() - began;
    });
    child.once('close', (code, signal) => {
      if (code === 0) resolve(took);
      else
        reject(
          new Error(
            `${command.slice(0, 8).join(' ')}: ${signal ?? `exit code ${code}`}: ${Buffer.concat(errors).toString().trim().slice(-300)}`,
          ),
        );
    });
    return await promise;
  } finally {
    if (input !== undefined) closeSync(input);
  }
}

/** Runs one function for every item, some at a time. */
export async function inParallel<T>(
  items: readonly T[],
  width: number,
  each: (item: T) => Promise<unknown>,
): Promise<void> {
  const queue = [...items];
  const worker = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await each(item);
  };
  await Promise.all(Array.from({ length: width }, worker));
}

export interface Spread {
  readonly n: number;
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (index: number): number => sorted[Math.min(Math.max(index, 0), sorted.length - 1)] ?? Number.NaN;
  const middle = (sorted.length - 1) / 2;
  return {
    n: sorted.length,
    median: (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2,
    min: at(0),
    max: at(sorted.length - 1),
  };
}

const cpu = (): { readonly busy: number; readonly idle: number } => {
  const [, user = 0, nice = 0, system = 0, idle = 0] = (readFileSync('/proc/stat', 'utf8').split('\n', 1)[0] ?? '')
    .split(/\s+/)
    .map(Number);
  return { busy: user + nice + system, idle };
};

/** Waits, at most 20 s, until the machine is 88 % idle for a quarter of a second. */
export async function quiet(): Promise<void> {
  for (let attempt = 0; attempt < 80; attempt++) {
    const before = cpu();
    await new Promise((resolve) => setTimeout(resolve, 250));
    const after = cpu();
    const busy = after.busy - before.busy;
    if (busy <= 0.12 * (busy + after.idle - before.idle + 1)) return;
  }
}
