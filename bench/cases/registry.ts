import { startDockerRegistry } from '../../tests/harness/registry.ts';
import type { Case, Lab } from '../case.ts';
import type { Engine } from '../engine.ts';

const insecure = (engine: Engine): readonly string[] => (engine.name === 'podman' ? ['--tls-verify=false'] : []);
const source = (lab: Lab, image: string): string => `${lab.registry}/bench/${image}:1`;
const without = (image: string) => (lab: Lab) =>
  lab.images.includes(image) ? undefined : `image ${image} could not be made`;

const pull = (image: string, about: string, budget: number): Case => ({
  name: `pull-${image}`,
  metrics: {
    [`pull_${image}`]: { about: `pull ${about}`, unit: 'ms', budget },
    [`rmi_${image}`]: { about: '`rmi` of the same', unit: 'ms' },
  },
  n: 5,
  quick: 2,
  heavy: true,
  unavailable: without(image),
  async run(engine, lab) {
    await engine.tryTo('rmi', '-f', source(lab, image));
    await lab.settle();
    const pulled = await engine.time('pull', ...insecure(engine), source(lab, image));
    await lab.settle();
    return { [`pull_${image}`]: pulled, [`rmi_${image}`]: await engine.time('rmi', source(lab, image)) };
  },
  tearDown: (engine, lab) => engine.tryTo('rmi', '-f', source(lab, image)),
});

export const pullA = pull('a', 'a: Debian, one gzip layer', 0.75);
export const pullB = pull('b', 'b: 12 layers, 20,000 small files', 0.45);
export const pullC = pull('c', 'c: one 500 MB incompressible file', 0.5);

const push = (image: string, about: string, budget?: number): Case => ({
  name: `push-${image}`,
  metrics: { [`push_${image}`]: { about, unit: 'ms', ...(budget === undefined ? {} : { budget }) } },
  n: 3,
  quick: 2,
  heavy: true,
  unavailable: without(image),
  setUp: async (engine, lab) => void (await engine.ok('pull', '-q', ...insecure(engine), source(lab, image))),
  async run(engine, lab) {
    await using registry = await startDockerRegistry({ below: lab.scratch });
    const target = `${registry.host}/bench/${image}:1`;
    await engine.ok('tag', source(lab, image), target);
    await lab.settle();
    try {
      return { [`push_${image}`]: await engine.time('push', ...insecure(engine), target) };
    } finally {
      await engine.tryTo('rmi', target);
    }
  },
  tearDown: (engine, lab) => engine.tryTo('rmi', '-f', source(lab, image)),
});

export const pushA = push('a', 'push a, of what was pulled, to an empty registry', 0.12);
export const pushB = push('b', 'push b, the same');
export const pushC = push('c', 'push c, the same');
