import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { newSince, processes, snapshotMachine } from '../../tests/harness/leaks.ts';
import { findTool, missing } from '../../tests/harness/tools.ts';
import { createScratch } from '../scratch.ts';
import { failedFiles } from './failed-files.ts';
import { filesOf, STAGES, type Stage } from './stages.ts';

interface Outcome {
  readonly stage: Stage;
  readonly result: 'passed' | 'failed' | 'skipped';
  readonly seconds: number;
  readonly note: string;
}

/** More failed files than this are no accident. */
const MOST_AGAIN = 4;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { only: { type: 'string' }, help: { type: 'boolean' } },
});
const unknown = positionals.filter((name) => !STAGES.some((stage) => stage.name === name));
if (values.help || unknown.length > 0) {
  console.log(
    `usage: npm test -- [STAGE...] [--only PART_OF_A_PATH]\nstages: ${STAGES.map(({ name, about }) => `${name} (${about})`).join(', ')}`,
  );
  process.exit(values.help ? 0 : 2);
}
process.exitCode = await main(
  STAGES.filter(
    ({ name, onlyWhenNamed }) => positionals.includes(name) || (positionals.length === 0 && !onlyWhenNamed),
  ),
);

/** Runs the stages on a scratch file system, then looks for leaks. Returns the exit code. */
async function main(stages: readonly Stage[]): Promise<number> {
  const isRoot = process.getuid?.() === 0;
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.abort(signal));
  await using scratch = isRoot ? await createScratch('test', { megabytes: 6000 }) : undefined;
  if (scratch !== undefined) console.log(`test: data goes to ${scratch.path} (${scratch.kind})`);
  const before = await snapshotMachine(scratch?.path);
  const outcomes: Outcome[] = [];
  for (const stage of stages) {
    if (stop.signal.aborted) break;
    outcomes.push(await runStage(stage, isRoot, scratch?.path, stop.signal));
  }
  const found = isRoot ? await leaks(before, scratch?.path) : [];
  const others = otherBerths(scratch?.path);
  // With another Berth on the machine, what is not below our directory may be its own.
  const left =
    others.length === 0 ? found : found.filter((thing) => scratch !== undefined && thing.includes(scratch.path));
  report(outcomes, left);
  if (found.length > left.length)
    console.log(
      `         (${found.length - left.length} new things may belong to another Berth that runs here: ${others.join(', ')})`,
    );
  if (stop.signal.aborted) console.log(`test: stopped by ${stop.signal.reason}`);
  return stop.signal.aborted || left.length > 0 || outcomes.some(({ result }) => result === 'failed') ? 1 : 0;
}

async function runStage(
  stage: Stage,
  isRoot: boolean,
  scratch: string | undefined,
  signal: AbortSignal,
): Promise<Outcome> {
  const began = performance.now();
  const outcome = (result: Outcome['result'], note = ''): Outcome => ({
    stage,
    result,
    note,
    seconds: (performance.now() - began) / 1000,
  });
  console.log(`\n=== ${stage.name}: ${stage.about}`);
  if (stage.needsRoot && !isRoot) return outcome('skipped', 'needs root');
  const gone = missing(...(stage.needs ?? []));
  if (gone) return outcome('skipped', gone);
  const files = filesOf(stage, values.only);
  if (stage.script === undefined && files.length === 0) return outcome('skipped', 'no such test files');
  using tap = temporaryFile();
  const testing = (paths: readonly string[], concurrency: number): readonly string[] => [
    process.execPath,
    '--test',
    `--test-concurrency=${concurrency}`,
    `--test-timeout=${stage.timeoutMs ?? 240_000}`,
    '--test-reporter=spec',
    '--test-reporter-destination=stdout',
    '--test-reporter=tap',
    `--test-reporter-destination=${tap.path}`,
    ...paths,
  ];
  const command = stage.script ?? testing(files, stage.concurrency ?? 1);
  const env = {
    ...process.env,
    ...peers(),
    ...(scratch === undefined ? {} : { BERTH_TEST_TMP: scratch }),
    BERTH_NODE: process.execPath,
  };
  const code = await execute(command, env, signal);
  if (code === 0) return outcome('passed');
  const again = stage.script === undefined && process.env['CI'] && !signal.aborted ? failedFiles(tap.path) : [];
  if (again.length === 0 || again.length > MOST_AGAIN) return outcome('failed');
  // On a busy machine a test of timing may fail by itself. What fails twice has failed; what does not is named below.
  console.log(`\n=== ${stage.name}: once more, one at a time: ${again.join(' ')}`);
  const second = await execute(testing(again, 1), env, signal);
  return second === 0
    ? outcome('passed', `FLAKY, look into it: ${again.join(' ')}`)
    : outcome('failed', `twice: ${again.join(' ')}`);
}

function temporaryFile(): Disposable & { readonly path: string } {
  const directory = mkdtempSync(join(tmpdir(), 'berth-tap-'));
  return { path: join(directory, 'tap'), [Symbol.dispose]: () => rmSync(directory, { recursive: true }) };
}

/** Where the peers are, for tests that read the variables. */
function peers(): NodeJS.ProcessEnv {
  const names = ['docker', 'dockerd', 'docker-registry'];
  return Object.fromEntries(names.map((name) => [`BERTH_${name.toUpperCase().replaceAll('-', '_')}`, findTool(name)]));
}

/** Runs a command in a process group of its own, which gets our signals; resolves with its exit code. */
function execute(command: readonly string[], env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const [program = '', ...args] = command;
  const child = spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit'], env, detached: true });
  const forward = (): void => {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGTERM');
  };
  signal.addEventListener('abort', forward);
  child.once('error', reject);
  child.once('exit', (code) => {
    signal.removeEventListener('abort', forward);
    resolve(code ?? 1);
  });
  return promise;
}

/** What is new on the machine, after a moment for the kernel to take down what was just let go. */
async function leaks(before: ReadonlySet<string>, scratch: string | undefined): Promise<readonly string[]> {
  for (let attempt = 0; ; attempt++) {
    const left = newSince(before, await snapshotMachine(scratch));
    if (left.length === 0 || attempt === 10) return left;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

/** Daemons and test runs on this machine that are not ours. */
function otherBerths(scratch: string | undefined): readonly string[] {
  return processes()
    .filter(({ command }) =>
      /packages\/daemon\/src\/cli-main\.ts|--test\b.*\.test\.ts|scripts\/(test|quickstart)\/main\.ts/.test(command),
    )
    .filter(({ pid, command }) => pid !== process.pid && (scratch === undefined || !command.includes(scratch)))
    .map(({ pid }) => `process ${pid}`);
}

function report(outcomes: readonly Outcome[], left: readonly string[]): void {
  console.log('\n=== summary');
  for (const { stage, result, seconds, note } of outcomes)
    console.log(`${result.padEnd(8)} ${stage.name.padEnd(12)} ${seconds.toFixed(1).padStart(6)} s  ${note}`);
  console.log(
    left.length === 0
      ? 'passed   leaks               nothing left on the machine'
      : 'failed   leaks               left on the machine:',
  );
  for (const thing of left) console.log(`           ${thing}`);
}
