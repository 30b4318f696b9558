import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Case } from '../case.ts';
import type { Engine } from '../engine.ts';
import { inParallel, spread } from '../measure.ts';

const CONTAINERS = Array.from({ length: 300 }, (_, index) => `bench-list-${index}`);
const TAGS = Array.from({ length: 500 }, (_, index) => `bench/tags:t${index}`);
const FEW = 200;

const removeAll = (engine: Engine): Promise<void> => engine.remove(...CONTAINERS);

export const creates: Case = {
  name: 'creates',
  metrics: { creates_300: { about: '300 creates, 4 at a time', unit: 'ms', budget: 0.5 } },
  n: 3,
  quick: 1,
  heavy: true,
  async run(engine, lab) {
    await removeAll(engine);
    await lab.settle();
    const began = performance.now();
    await inParallel(CONTAINERS, 4, (name) => engine.time('create', '--name', name, lab.busybox, 'true'));
    return { creates_300: performance.now() - began };
  },
  async floor(floor) {
    floor.answer('POST /containers/create', '201 Created', `{"Id":"${'0'.repeat(64)}","Warnings":[]}`);
    const began = performance.now();
    await inParallel(CONTAINERS, 4, (name) => floor.time('create', '--name', name, 'bench/busybox:1', 'true'));
    return { creates_300: performance.now() - began };
  },
  tearDown: removeAll,
};

export const lists: Case = {
  name: 'lists',
  metrics: {
    ps_300: { about: '`ps -a` with 300 containers', unit: 'ms', budget: 0.9 },
    images_200: { about: '`images` with 200 tags', unit: 'ms', budget: 0.9 },
    images_500: { about: '`images` with 500 tags', unit: 'ms' },
    rmi_tag: { about: '`rmi` of one of 500 tags', unit: 'ms' },
    history: { about: '`history` of an image with 16 steps', unit: 'ms' },
  },
  n: 12,
  quick: 5,
  async setUp(engine, lab) {
    await inParallel(CONTAINERS, 4, (name) => engine.ok('create', '--name', name, lab.busybox, 'true'));
    const directory = join(lab.scratch, 'build-history');
    mkdirSync(directory, { recursive: true });
    const steps = [1, 2, 3, 4, 5].map((k) => `ENV A${k}=1\nLABEL l${k}=1\nENV B${k}=1\n`).join('');
    writeFileSync(join(directory, 'Dockerfile'), `FROM ${lab.busybox}\n${steps}`);
    await engine.ok('build', '-q', '-t', 'bench/history:1', directory);
    await engine.tag(lab.busybox, ...TAGS);
  },
  async run(engine, lab) {
    const ps = await engine.time('ps', '-a');
    const many = await engine.time('images');
    const history = await engine.time('history', 'bench/history:1');
    const [first = '', ...others] = TAGS.slice(FEW);
    const rmi = await engine.time('rmi', first);
    await engine.ok('rmi', ...others);
    const few = await engine.time('images');
    await engine.tag(lab.busybox, first, ...others);
    return { ps_300: ps, images_500: many, images_200: few, rmi_tag: rmi, history };
  },
  async floor(floor, { socketPath = '' }) {
    await floor.record(socketPath, '/containers/json?all=1');
    await floor.record(socketPath, '/images/bench/history:1/history');
    const all = await floor.record(socketPath, '/images/json');
    floor.answer('DELETE /images/', '200 OK', `[{"Untagged":"${TAGS[FEW]}"}]`);
    const ps = await floor.time('ps', '-a');
    const many = await floor.time('images');
    const history = await floor.time('history', 'bench/history:1');
    const rmi = await floor.time('rmi', TAGS[FEW] ?? '');
    const gone = new Set(TAGS.slice(FEW));
    const images = JSON.parse(all) as { readonly RepoTags: readonly string[] }[];
    const fewer = images.map((image) => ({ ...image, RepoTags: image.RepoTags.filter((tag) => !gone.has(tag)) }));
    floor.answer('GET /images/json', '200 OK', JSON.stringify(fewer));
    return { ps_300: ps, images_500: many, images_200: await floor.time('images'), rmi_tag: rmi, history };
  },
  async tearDown(engine) {
    await removeAll(engine);
    await engine.tryTo('rmi', 'bench/history:1', ...TAGS);
  },
};

const RUNNING = Array.from({ length: 300 }, (_, index) => `bench-running-${index}`);
/** Of these many running containers the crash is measured with. */
const CRASHED = 100;

/** Starts containers until 300 run; a start is measured around the 1st, the 100th and the 300th. */
export const crowd: Case = {
  name: 'crowd',
  metrics: {
    start_1: { about: 'start of the 1st container (median of 5)', unit: 'ms', budget: 0.3 },
    start_100: { about: 'start of the 100th', unit: 'ms', budget: 0.3 },
    start_300: { about: 'start of the 300th', unit: 'ms', budget: 0.3 },
    crash_100: { about: 'kill -9 of the daemon to serving again, 100 running containers', unit: 'ms' },
    ps_running: { about: '`ps` with 300 running containers', unit: 'ms', budget: 0.9 },
  },
  n: 1,
  quick: 1,
  heavy: true,
  async run(engine, lab) {
    const start = (name: string): Promise<number> =>
      engine.time('run', '-d', '--name', name, lab.busybox, 'sleep', '100000');
    const oneByOne = async (names: readonly string[]): Promise<number> => {
      const took: number[] = [];
      for (const name of names) took.push(await start(name));
      return spread(took).median;
    };
    const first = await oneByOne(RUNNING.slice(0, 5));
    await inParallel(RUNNING.slice(5, CRASHED - 5), 4, start);
    const hundredth = await oneByOne(RUNNING.slice(CRASHED - 5, CRASHED));
    const crash = await engine.crash?.(CRASHED);
    await inParallel(RUNNING.slice(CRASHED, -5), 4, start);
    const last = await oneByOne(RUNNING.slice(-5));
    const listed = [];
    for (let repetition = 0; repetition < 5; repetition++) listed.push(await engine.time('ps'));
    return {
      start_1: first,
      start_100: hundredth,
      start_300: last,
      ps_running: spread(listed).median,
      ...(crash === undefined ? {} : { crash_100: crash }),
    };
  },
  async floor(floor, { socketPath = '' }) {
    await floor.record(socketPath, '/containers/json');
    const listed = [];
    for (let repetition = 0; repetition < 5; repetition++) listed.push(await floor.time('ps'));
    return { ps_running: spread(listed).median };
  },
  tearDown: (engine) => engine.remove(...RUNNING),
};
