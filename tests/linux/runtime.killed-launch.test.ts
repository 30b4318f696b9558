import assert from 'node:assert/strict';
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { globSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import { messageOf, randomId } from '@berth/base';
import { createCliRuntime, createConmonMonitor, type LaunchSpec, runtimeRoot } from '@berth/runtime';
import { seededRandom } from '@berth/testkit';
import { eventually, processesOf } from '../harness/index.ts';
import { RuntimeFixture } from './runtime.fixture.ts';

const SEED = Number(process.env['BERTH_FAULT_SEED'] ?? randomInt(2 ** 31));
const ROUNDS = 4;
/** Longer than a launch takes. */
const LAUNCH_MS = 60;
/** Between the death of a daemon and the start of the next. */
const LATER_MS = 20;
const LATE_S = 0.05;

/** A daemon that launches a container, and is killed at the n-th thing it does in the directory of its tasks. */
const daemonScript = (execRoot: string, spec: LaunchSpec, killedAt: number): string => `
  import fs from 'node:fs';
  import { syncBuiltinESMExports } from 'node:module';
  const tasks = ${JSON.stringify(join(execRoot, 'tasks', '/'))};
  let left = ${killedAt};
  for (const name of ['mkdirSync', 'symlinkSync', 'openSync', 'writeFileSync', 'renameSync']) {
    const call = fs[name];
    fs[name] = (...args) => {
      const changes = args.slice(0, 2).some((path) => typeof path === 'string' && path.startsWith(tasks));
      if (changes && left-- === 0) {
        // In the middle of writing, a file is there and empty.
        if (name === 'writeFileSync') fs.closeSync(fs.openSync(args[0], 'w'));
        process.kill(process.pid, 'SIGKILL');
      }
      return call(...args);
    };
  }
  syncBuiltinESMExports();
  const { createConmonMonitor } = await import('@berth/runtime');
  const monitor = createConmonMonitor({ execRoot: ${JSON.stringify(execRoot)} });
  process.stdout.write('launching');
  await monitor.launch(${JSON.stringify(spec)});
  process.stdout.write(' launched', () => process.kill(process.pid, 'SIGKILL'));
`;

for (const name of ['crun', 'runc']) suite(name);

function suite(name: string): void {
  describe(`a launch with ${name} cut short by the daemon’s death`, { timeout: 120_000 }, () => {
    const runtime = { name, path: `/usr/bin/${name}` };
    let fixture: RuntimeFixture;
    let execRoot = '';
    let late: LaunchSpec['runtime'];
    let unusable: string | undefined;

    before(async () => {
      fixture = new RuntimeFixture();
      execRoot = join(fixture.dir, 'exec');
      unusable = await createCliRuntime({ ...runtime, root: runtimeRoot(execRoot, 'probe') })
        .probe()
        .then(() => undefined, messageOf);
      const path = join(fixture.dir, `${name}-late`);
      writeFileSync(path, `#!/bin/sh\nsleep ${LATE_S}\nexec ${runtime.path} "$@"\n`, { mode: 0o755 });
      late = { name: 'late', path };
    });

    after(() => fixture[Symbol.dispose]());

    const specOf = (id: string, by: LaunchSpec['runtime']): LaunchSpec => ({
      id,
      bundle: fixture.makeBundle(id, { args: ['/bin/sleep', '100'], terminal: true }),
      runtime: by,
      terminal: true,
      stdin: false,
      stdinOnce: false,
      logPath: join(fixture.dir, `${id}.log`),
    });

    const run = (spec: LaunchSpec, killedAt: number): ChildProcessByStdio<null, Readable, null> =>
      spawn(process.execPath, ['--input-type=module', '-e', daemonScript(execRoot, spec, killedAt)], {
        stdio: ['ignore', 'pipe', 'inherit'],
        cwd: import.meta.dirname,
      });

    /** What the next daemon does with tasks that were never recorded as running. True: all of them were half made. */
    const startAgain = async (): Promise<boolean> => {
      let halfMade = true;
      using monitor = createConmonMonitor({ execRoot });
      for (const id of await monitor.list()) {
        const task = await monitor.reconnect(id);
        if (task === undefined) continue;
        halfMade = false;
        await task.signal(9);
        await task.wait();
        await task.release();
      }
      return halfMade;
    };

    const left = (id: string): readonly string[] => [
      ...processesOf(execRoot).map(({ command }) => `process ${command}`),
      ...globSync(join(execRoot, '{tasks,runtime-*}/*')),
      ...globSync([`/sys/fs/cgroup/*/berth-test/${id}`, `/sys/fs/cgroup/berth-test/${id}`]),
    ];

    /** At once, or what is on its way would come later. Only the monitor of a container that was whole ends by itself. */
    const nothingLeft = async (id: string, halfMade: boolean, when: string): Promise<void> => {
      if (!halfMade) await eventually('the monitor has ended', () => left(id).length === 0).catch(() => undefined);
      assert.deepEqual(left(id), [], when);
    };

    test('leaves nothing once the next daemon has started, whichever step was its last', async (t) => {
      if (unusable !== undefined) return t.skip(unusable);
      for (let step = 0, said = ''; !said.includes('launched'); step++) {
        assert.ok(step < 30, 'a launch ends');
        const id = `t${randomId().slice(0, 12)}`;
        const daemon = run(specOf(id, late), step);
        said = '';
        daemon.stdout.on('data', (chunk: Buffer) => {
          said += chunk.toString();
        });
        assert.deepEqual(await once(daemon, 'close'), [null, 'SIGKILL']);
        await nothingLeft(id, await startAgain(), `killed at step ${step}`);
      }
    });

    test('leaves nothing, at whatever moment', async (t) => {
      if (unusable !== undefined) return t.skip(unusable);
      t.diagnostic(`seed ${SEED}`);
      const random = seededRandom(SEED);
      for (let round = 0; round < ROUNDS; round++) {
        const ms = random.below(LAUNCH_MS);
        const later = random.below(LATER_MS);
        const id = `t${randomId().slice(0, 12)}`;
        const daemon = run(specOf(id, runtime), Number.MAX_SAFE_INTEGER);
        const gone = once(daemon, 'close');
        await once(daemon.stdout, 'data');
        daemon.stdout.resume();
        await new Promise((resolve) => setTimeout(resolve, ms));
        daemon.kill('SIGKILL');
        await gone;
        await new Promise((resolve) => setTimeout(resolve, later));
        await nothingLeft(id, await startAgain(), `seed ${SEED}, round ${round}, killed after ${ms} ms, next ${later}`);
      }
    });
  });
}
