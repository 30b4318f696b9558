import { existsSync, mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Case, Lab } from '../case.ts';
import type { Engine } from '../engine.ts';
import { createRandom } from '../images.ts';

/** The classic builder of both daemons (DOCKER_BUILDKIT=0), podman's own. */
function build(engine: Engine, tag: string, directory: string, fresh: boolean): Promise<number> {
  const more = engine.name === 'podman' ? ['--pull=never', '--layers'] : [];
  return engine.time('build', '-q', ...more, ...(fresh ? ['--no-cache'] : []), '-t', tag, directory);
}

function stepsContext(lab: Lab): string {
  const directory = join(lab.scratch, 'build-steps');
  mkdirSync(directory, { recursive: true });
  const steps = [1, 2, 3, 4, 5].map((k) => `RUN true\nCOPY f${k} /f${k}\nENV V${k}=${k}\n`);
  writeFileSync(join(directory, 'Dockerfile'), `FROM ${lab.busybox}\n${steps.join('')}`);
  for (const k of [1, 2, 3, 4, 5]) writeFileSync(join(directory, `f${k}`), `file ${k}\n`);
  return directory;
}

function manyFilesContext(lab: Lab): string {
  const directory = join(lab.scratch, 'build-many');
  if (existsSync(directory)) return directory;
  const random = createRandom(11);
  for (let d = 0; d < 100; d++) {
    mkdirSync(join(directory, `d${d}`), { recursive: true });
    for (let f = 0; f < 100; f++) {
      const path = join(directory, `d${d}/f${f}`);
      writeFileSync(path, random.bytes(1000));
      utimesSync(path, 1_700_000_000, 1_700_000_000);
    }
  }
  writeFileSync(join(directory, 'Dockerfile'), `FROM ${lab.busybox}\nCOPY . /data/\n`);
  return directory;
}

const coldAndCached = (
  name: string,
  about: string,
  budgets: readonly [number, number],
  context: (lab: Lab) => string,
  n: number,
  quick: number,
): Case => ({
  name: `build-${name}`,
  metrics: {
    [`build_${name}_cold`]: { about: `build, ${about}, cold`, unit: 'ms', budget: budgets[0] },
    [`build_${name}_cached`]: { about: `build, ${about}, all cached`, unit: 'ms', budget: budgets[1] },
  },
  n,
  quick,
  heavy: true,
  async run(engine, lab) {
    const directory = context(lab);
    await lab.settle();
    const cold = await build(engine, `bench/${name}:1`, directory, true);
    const cached = await build(engine, `bench/${name}:1`, directory, false);
    return { [`build_${name}_cold`]: cold, [`build_${name}_cached`]: cached };
  },
  tearDown: (engine) => engine.tryTo('rmi', '-f', `bench/${name}:1`),
});

export const buildSteps = coldAndCached('steps', '15 steps', [0.35, 0.7], stepsContext, 5, 2);
export const buildCopy = coldAndCached('copy', 'COPY of 10,000 files', [0.45, 0.5], manyFilesContext, 3, 1);

export const buildStages: Case = {
  name: 'build-stages',
  metrics: { build_stages: { about: 'build, two independent 5-second stages', unit: 'ms', budget: 0.5 } },
  n: 2,
  quick: 1,
  heavy: true,
  async run(engine, lab) {
    const directory = join(lab.scratch, 'build-stages');
    mkdirSync(directory, { recursive: true });
    const stage = (name: string): string => `FROM ${lab.busybox} AS ${name}\nRUN sleep 5; echo ${name} > /${name}\n`;
    writeFileSync(
      join(directory, 'Dockerfile'),
      `${stage('one')}${stage('two')}FROM ${lab.busybox}\nCOPY --from=one /one /one\nCOPY --from=two /two /two\n`,
    );
    return { build_stages: await build(engine, 'bench/stages:1', directory, true) };
  },
  tearDown: (engine) => engine.tryTo('rmi', '-f', 'bench/stages:1'),
};
