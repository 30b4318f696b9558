import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Case, Lab } from '../case.ts';
import { createRandom, randomFile } from '../images.ts';

const DEBIAN = 'bench/debian:1';

export const saveLoad: Case = {
  name: 'save-load',
  metrics: {
    save: { about: 'save of Debian', unit: 'ms', budget: 0.4 },
    load: { about: 'load of Debian', unit: 'ms', budget: 0.6 },
  },
  n: 4,
  quick: 2,
  heavy: true,
  unavailable: (lab) => (lab.images.includes('a') ? undefined : 'image a could not be made'),
  async setUp(engine, lab) {
    const source = `${lab.registry}/bench/a:1`;
    await engine.ok('pull', '-q', ...(engine.name === 'podman' ? ['--tls-verify=false'] : []), source);
    await engine.ok('tag', source, DEBIAN);
    await engine.ok('rmi', source);
  },
  async run(engine, lab) {
    const file = join(lab.scratch, 'saved.tar');
    rmSync(file, { force: true });
    await lab.settle();
    const save = await engine.time('save', '-o', file, DEBIAN);
    await engine.ok('rmi', '-f', DEBIAN);
    await lab.settle();
    const load = await engine.time('load', '-i', file);
    rmSync(file, { force: true });
    return { save, load };
  },
  tearDown: (engine) => engine.tryTo('rmi', '-f', DEBIAN),
};

export const commit: Case = {
  name: 'commit',
  metrics: { commit: { about: 'commit of 200 MB in 2,000 new files', unit: 'ms', budget: 0.6 } },
  n: 4,
  quick: 2,
  heavy: true,
  async run(engine, lab) {
    await engine.remove('bench-commit');
    await engine.ok('create', '--name', 'bench-commit', lab.busybox, 'true');
    await engine.ok('cp', newFiles(lab), 'bench-commit:/new');
    await lab.settle();
    try {
      return { commit: await engine.time('commit', 'bench-commit', 'bench/commit:1') };
    } finally {
      await engine.remove('bench-commit');
      await engine.tryTo('rmi', '-f', 'bench/commit:1');
    }
  },
};

function newFiles(lab: Lab): string {
  const directory = join(lab.scratch, 'new-files');
  if (existsSync(directory)) return directory;
  mkdirSync(directory);
  const random = createRandom(13);
  for (let index = 0; index < 2000; index++) writeFileSync(join(directory, `f${index}`), random.bytes(100_000));
  return directory;
}

const MILLION_LINES = `yes ${'0123456789'.repeat(8).slice(0, 79)} | head -n 1000000`;

export const logs: Case = {
  name: 'logs',
  metrics: {
    logs_1m: { about: '`logs` of 1,000,000 lines', unit: 'ms', budget: 0.35 },
    attached_1m: { about: 'attached output of 1,000,000 lines', unit: 'ms', budget: 0.6 },
  },
  n: 3,
  quick: 1,
  heavy: true,
  async run(engine, lab) {
    await engine.remove('bench-logs');
    // Berth bounds logs unless told otherwise; the others do not.
    const unbounded = engine.name === 'berth' ? ['--log-opt', 'max-size=1g'] : [];
    await engine.ok('run', '-d', '--name', 'bench-logs', ...unbounded, lab.busybox, 'sh', '-c', MILLION_LINES);
    await engine.ok('wait', 'bench-logs');
    await lab.settle();
    const took = await engine.time('logs', 'bench-logs');
    await engine.remove('bench-logs');
    await lab.settle();
    return { logs_1m: took, attached_1m: await engine.time('run', '--rm', lab.busybox, 'sh', '-c', MILLION_LINES) };
  },
  tearDown: (engine) => engine.remove('bench-logs'),
};

export const copies: Case = {
  name: 'cp',
  metrics: {
    cp_in: { about: '`cp` of a file of 200 MB into a container', unit: 'ms' },
    cp_out: { about: '`cp` of a file of 200 MB out of a container', unit: 'ms' },
  },
  n: 3,
  quick: 2,
  heavy: true,
  async run(engine, lab) {
    const [file, back] = [join(lab.scratch, 'large'), join(lab.scratch, 'large-back')];
    randomFile(file, 200);
    await engine.remove('bench-cp');
    await engine.ok('create', '--name', 'bench-cp', lab.busybox, 'true');
    await lab.settle();
    const into = await engine.time('cp', file, 'bench-cp:/large');
    await lab.settle();
    const out = await engine.time('cp', 'bench-cp:/large', back);
    rmSync(back);
    return { cp_in: into, cp_out: out };
  },
  tearDown: (engine) => engine.remove('bench-cp'),
};
