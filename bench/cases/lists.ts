import type { Case } from '../case.ts';
import type { Engine } from '../engine.ts';
import { inParallel } from '../measure.ts';

const CONTAINERS = Array.from({ length: 300 }, (_, index) => `bench-list-${index}`);
const TAGS = Array.from({ length: 200 }, (_, index) => `bench/tags:t${index}`);

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
  tearDown: removeAll,
};

export const lists: Case = {
  name: 'lists',
  metrics: {
    ps_300: { about: '`ps -a` with 300 containers', unit: 'ms', budget: 0.9 },
    images_200: { about: '`images` with 200 tags', unit: 'ms', budget: 0.9 },
  },
  n: 12,
  quick: 5,
  async setUp(engine, lab) {
    await inParallel(CONTAINERS, 4, (name) => engine.ok('create', '--name', name, lab.busybox, 'true'));
    for (const tag of TAGS) await engine.ok('tag', lab.busybox, tag);
  },
  run: async (engine) => ({ ps_300: await engine.time('ps', '-a'), images_200: await engine.time('images') }),
  async tearDown(engine) {
    await removeAll(engine);
    await engine.tryTo('rmi', ...TAGS);
  },
};
