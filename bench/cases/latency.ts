import type { Case } from '../case.ts';
import { inParallel } from '../measure.ts';
import { family, hostProcesses, pss } from '../memory.ts';

export const daemonMemory: Case = {
  name: 'daemon-memory',
  metrics: { daemon_idle: { about: 'daemon idle, PSS of all its processes', unit: 'kB', most: 90_000 } },
  n: 3,
  quick: 1,
  heavy: true,
  async run(engine, lab) {
    await engine.time('run', '--rm', lab.busybox, 'true');
    await new Promise((resolve) => setTimeout(resolve, 3000));
    return engine.pid === undefined ? {} : { daemon_idle: pss(family(engine.pid)) };
  },
};

export const runBridge: Case = {
  name: 'run-bridge',
  metrics: { run_bridge: { about: '`run --rm busybox true`, bridge', unit: 'ms', budget: 0.3 } },
  n: 20,
  quick: 7,
  run: async (engine, lab) => ({ run_bridge: await engine.time('run', '--rm', lab.busybox, 'true') }),
};

export const runNone: Case = {
  name: 'run-none',
  metrics: { run_none: { about: 'the same, `--network none`', unit: 'ms', budget: 0.3 } },
  n: 20,
  quick: 7,
  run: async (engine, lab) => ({
    run_none: await engine.time('run', '--rm', '--network', 'none', lab.busybox, 'true'),
  }),
};

export const exec: Case = {
  name: 'exec',
  metrics: { exec: { about: '`exec … true`', unit: 'ms', budget: 0.65 } },
  n: 20,
  quick: 7,
  setUp: async (engine, lab) =>
    void (await engine.ok('run', '-d', '--name', 'bench-exec', lab.busybox, 'sleep', '100000')),
  run: async (engine) => ({ exec: await engine.time('exec', 'bench-exec', 'true') }),
  tearDown: (engine) => engine.remove('bench-exec'),
};

export const manyStarts: Case = {
  name: 'starts',
  metrics: {
    starts_50: { about: '50 starts, 8 at a time', unit: 'ms', budget: 0.35 },
    container_memory: { about: 'memory per idle container, PSS of all helpers', unit: 'kB', most: 600 },
    remove_50: { about: '`rm -f` of these 50', unit: 'ms' },
  },
  n: 3,
  quick: 1,
  heavy: true,
  async run(engine, lab) {
    const names = Array.from({ length: 50 }, (_, index) => `bench-many-${index}`);
    const before = new Set([...hostProcesses(), ...(engine.pid === undefined ? [] : family(engine.pid))]);
    const began = performance.now();
    await inParallel(names, 8, (name) => engine.time('run', '-d', '--name', name, lab.busybox, 'sleep', '1000'));
    const starts = performance.now() - began;
    await new Promise((resolve) => setTimeout(resolve, 3000));
    const daemon = new Set(engine.pid === undefined ? [] : family(engine.pid));
    const helpers = hostProcesses().filter(
      (pid) => !before.has(pid) && pid !== engine.pid && (!daemon.has(pid) || engine.name === 'berth'),
    );
    const memory = pss(helpers) / names.length;
    const removing = performance.now();
    await engine.remove(...names);
    return { starts_50: starts, container_memory: memory, remove_50: performance.now() - removing };
  },
  tearDown: (engine) => engine.remove(...Array.from({ length: 50 }, (_, index) => `bench-many-${index}`)),
};

/** Listens on nothing and goes at the first SIGTERM. */
const OBEDIENT = ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 0.02; done'];

export const runPort: Case = {
  name: 'run-port',
  metrics: { run_port: { about: '`run --rm -p 127.0.0.1::80 busybox true`', unit: 'ms', budget: 0.3 } },
  n: 10,
  quick: 5,
  run: async (engine, lab) => ({
    run_port: await engine.time('run', '--rm', '-p', '127.0.0.1::80', lab.busybox, 'true'),
  }),
};

export const stopRemove: Case = {
  name: 'stop-rm',
  metrics: {
    stop: { about: '`stop` of a container that obeys SIGTERM', unit: 'ms' },
    remove_stopped: { about: '`rm` of a stopped container', unit: 'ms' },
    remove_running: { about: '`rm -f` of a running container', unit: 'ms' },
  },
  n: 10,
  quick: 5,
  async run(engine, lab) {
    await engine.ok('run', '-d', '--name', 'bench-stop', lab.busybox, ...OBEDIENT);
    await pause(200);
    const stop = await engine.time('stop', 'bench-stop');
    const removed = await engine.time('rm', 'bench-stop');
    await engine.ok('run', '-d', '--name', 'bench-stop', lab.busybox, 'sleep', '1000');
    const began = performance.now();
    await engine.remove('bench-stop');
    return { stop, remove_stopped: removed, remove_running: performance.now() - began };
  },
  tearDown: (engine) => engine.remove('bench-stop'),
};

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
