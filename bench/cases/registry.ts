import { startDockerRegistry } from '../../tests/harness/registry.ts';
import type { Case, Lab } from '../case.ts';
import type { Engine } from '../engine.ts';

const insecure = (engine: Engine): readonly string[] => (engine.name === 'podman' ? ['--tls-verify=false'] : []);
const source = (lab: Lab, image: string): string => `${lab.registry}/bench/${image}:1`;
const without = (image: string) => (lab: Lab) =>
  lab.images.includes(image) ? undefined : `image ${image} could not be made`;

const pull = (image: string, about: string, budget: number): Case => ({
  name: `pull-${image}`,
  metrics: { [`pull_${image}`]: { about: `pull ${about}`, unit: 'ms', budget } },
  n: 5,
  quick: 2,
  heavy: true,
  unavailable: without(image),
  async run(engine, lab) {
    await engine.tryTo('rmi', '-f', source(lab, image));
    await lab.settle();
    return { [`pull_${image}`]: await engine.time('pull', ...insecure(engine), source(lab, image)) };
  },
  tearDown: (engine, lab) => engine.tryTo('rmi', '-f', source(lab, image)),
});

export const pullA = pull('a', 'a: Debian, one gzip layer', 0.75);
export const pullB = pull('b', 'b: 12 layers, 20,000 small files', 0.45);
export const pullC = pull('c', 'c: one 500 MB incompressible file', 0.5);

export const pushA: Case = {
  name: 'push-a',
  metrics: { push_a: { about: 'push a, of what was pulled, to an empty registry', unit: 'ms', budget: 0.12 } },
  n: 3,
  quick: 2,
  heavy: true,
  unavailable: without('a'),
  setUp: async (engine, lab) => void (await engine.ok('pull', '-q', ...insecure(engine), source(lab, 'a'))),
  async run(engine, lab) {
    await using registry = await startDockerRegistry({ below: lab.scratch });
    const target = `${registry.host}/bench/a:1`;
    await engine.ok('tag', source(lab, 'a'), target);
    await lab.settle();
    try {
      return { push_a: await engine.time('push', ...insecure(engine), target) };
    } finally {
      await engine.tryTo('rmi', target);
    }
  },
  tearDown: (engine, lab) => engine.tryTo('rmi', '-f', source(lab, 'a')),
};
