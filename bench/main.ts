import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createScratch } from '../scripts/scratch.ts';
import { run } from '../tests/harness/command.ts';
import { busyboxTar } from '../tests/harness/images.ts';
import { startDockerRegistry } from '../tests/harness/registry.ts';
import { CHECKOUT } from '../tests/harness/temp.ts';
import { missing } from '../tests/harness/tools.ts';
import type { Case, Lab } from './case.ts';
import { CASES } from './cases/index.ts';
import { ENGINE_NAMES, type Engine, type EngineName, startEngine } from './engine.ts';
import { type Floor, startFloor } from './floor.ts';
import { IMAGES, seed } from './images.ts';
import { quiet } from './measure.ts';
import { addFigures, type Column, type Figures, renderReport } from './report.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    n: { type: 'string' },
    engines: { type: 'string', default: ENGINE_NAMES.join(',') },
    /** Names of cases or of figures, with commas between. */
    only: { type: 'string' },
    list: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
    /** Write the table here instead. */
    output: { type: 'string', default: join(CHECKOUT, 'bench/RESULTS.md') },
  },
});

const wanted = [...positionals, ...(values.only?.split(',') ?? [])];
const answers = (each: Case, name: string): boolean => each.name === name || Object.hasOwn(each.metrics, name);
const unknown = wanted.filter((name) => !CASES.some((each) => answers(each, name)));
if (values.help || unknown.length > 0) {
  console.log(
    'usage: npm run bench -- [--quick] [--n N] [--engines dockerd,berth,podman] [--output FILE] [--list] [--only CASE,FIGURE,...] [CASE...]',
  );
  for (const name of unknown) console.error(`bench: there is no case or figure ${name}; --list shows them`);
  process.exit(unknown.length > 0 ? 2 : 0);
} else if (values.list) {
  for (const each of CASES)
    console.log(
      `${each.name.padEnd(16)} ${Object.entries(each.metrics)
        .map(([figure, { about }]) => `${figure}: ${about}`)
        .join('; ')}`,
    );
} else {
  process.exitCode = await main(
    CASES.filter((each) => wanted.length === 0 || wanted.some((name) => answers(each, name))),
  );
}

async function main(cases: readonly Case[]): Promise<number> {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.abort(signal));
  const figures: Figures = new Map();
  await using scratch = await createScratch('bench', { megabytes: 20_000, onDisk: true });
  console.log(`bench: data goes to ${scratch.path} (${scratch.kind})`);
  await using registry = await startDockerRegistry({ below: scratch.path });
  const images = ['a', 'b', 'c'].filter((name) => existsSync(join(IMAGES, name)));
  const needed = images.filter((name) =>
    cases.some((each) => each.name.endsWith(`-${name}`) || (name === 'a' && each.name === 'save-load')),
  );
  for (const name of needed) await seed(name, registry.host);
  const lab: Lab = {
    scratch: scratch.path,
    registry: registry.host,
    images,
    busybox: 'bench/busybox:1',
    settle: () => settle(scratch.path),
  };
  await using floor = await startFloor(scratch.path);
  await using engines = new AsyncDisposableStack();
  const running: Engine[] = [];
  for (const name of chosenEngines()) {
    const engine = engines.use(await startEngine(name, { root: scratch.path }));
    await engine.ok('import', await busyboxTar(), lab.busybox);
    console.log(`bench: ${name} ${engine.version}`);
    running.push(engine);
  }
  for (const each of cases) {
    if (stop.signal.aborted) break;
    await measure(each, running, floor, lab, figures, stop.signal);
    publish(figures, running);
  }
  if (stop.signal.aborted) console.log(`bench: stopped by ${stop.signal.reason}`);
  return stop.signal.aborted || [...figures.values()].some(({ failures }) => failures.length > 0) ? 1 : 0;
}

function chosenEngines(): readonly EngineName[] {
  const wanted = values.engines.split(',');
  return ENGINE_NAMES.filter((name) => {
    const gone =
      name === 'berth' ? missing('docker') : name === 'dockerd' ? missing('docker', 'dockerd') : missing('podman');
    if (wanted.includes(name) && gone) console.log(`bench: without ${name}: ${gone}`);
    return wanted.includes(name) && !gone;
  });
}

/** One case on all engines, in turns: A B C, B C A, … so that none always follows the same one. */
async function measure(
  each: Case,
  engines: readonly Engine[],
  floor: Floor,
  lab: Lab,
  figures: Figures,
  signal: AbortSignal,
): Promise<void> {
  const gone = each.unavailable?.(lab);
  if (gone !== undefined) return console.log(`${each.name}: left out: ${gone}`);
  const failed = ({ name }: { readonly name: Column }, error: unknown): void => {
    const text = error instanceof Error ? error.message : String(error);
    console.log(`${each.name} ${name}: FAILED: ${text}`);
    for (const metric of Object.keys(each.metrics)) addFigures(figures, metric, name, { failure: text });
  };
  const keep = (name: Column, result: Readonly<Record<string, number>>): void => {
    for (const [metric, value] of Object.entries(result)) addFigures(figures, metric, name, { value });
    const shown = Object.entries(result).map(([metric, value]) => `${metric} ${value.toFixed(1)}`);
    console.log(`${name.padEnd(8)} ${shown.join('  ')}`);
  };
  const ready = await keepThoseThat(engines, async (engine) => each.setUp?.(engine, lab), failed);
  const repetitions = values.n === undefined ? (values.quick ? each.quick : each.n) : Number(values.n);
  for (let repetition = 0; repetition < repetitions && !signal.aborted; repetition++) {
    for (let turn = 0; turn < ready.length && !signal.aborted; turn++) {
      const engine = ready[(repetition + turn) % ready.length];
      if (engine === undefined) continue;
      if (each.heavy || repetition % 5 === 0) await quiet();
      try {
        keep(engine.name, await each.run(engine, lab, repetition));
      } catch (error) {
        failed(engine, error);
      }
    }
    // Not dockerd's answers where there are ours: each daemon has fields of its own, and the floor is to be ours.
    const daemon = ready.find(({ name }) => name === 'berth') ?? ready.find(({ pid }) => pid !== undefined);
    if (each.floor === undefined || daemon === undefined || signal.aborted) continue;
    try {
      keep('floor', await each.floor(floor, daemon));
    } catch (error) {
      failed({ name: 'floor' }, error);
    }
  }
  await keepThoseThat(ready, async (engine) => each.tearDown?.(engine, lab), failed);
}

async function keepThoseThat(
  engines: readonly Engine[],
  act: (engine: Engine) => Promise<void>,
  failed: (engine: Engine, error: unknown) => void,
): Promise<readonly Engine[]> {
  const good: Engine[] = [];
  for (const engine of engines) {
    try {
      await act(engine);
      good.push(engine);
    } catch (error) {
      failed(engine, error);
    }
  }
  return good;
}

async function settle(path: string): Promise<void> {
  await run('sync', ['-f', path]);
  await quiet();
}

/** Writes what there is so far: a run that is stopped has not been for nothing. */
function publish(figures: Figures, engines: readonly Engine[]): void {
  const machine = `${availableParallelism()} cores (${cpus()[0]?.model ?? process.arch}), ${Math.round(totalmem() / 1e9)} GB, Linux ${release()}, ${distribution()}`;
  const versions = engines.map(({ name, version }) => `${name} ${version}`).join(', ');
  writeFileSync(
    values.output,
    renderReport(
      figures,
      CASES,
      engines.map(({ name }) => name),
      { machine, versions, quick: values.quick },
    ),
  );
  const raw = join(CHECKOUT, 'bench/results');
  mkdirSync(raw, { recursive: true });
  writeFileSync(join(raw, 'last.json'), JSON.stringify(Object.fromEntries(figures), null, 1));
}

function distribution(): string {
  return /^PRETTY_NAME="(.*)"$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'unknown distribution';
}
