/**
 * The daemon is killed with SIGKILL at random instants while it pulls, builds, runs, commits and removes, and started
 * again over the same roots. `BERTH_FAULT_SEED` repeats a run, `BERTH_FAULT_ROUNDS` changes how many instants there
 * are for each operation, `BERTH_FAULT_ALONE=1` has each kill hit one operation alone instead of all five at once.
 */
import assert from 'node:assert/strict';
import { randomBytes, randomInt } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeImage, seededRandom } from '@berth/testkit';
import {
  cgroupFor,
  eventually,
  missing,
  type Ran,
  startDaemon,
  startRegistry,
  type TestDaemon,
} from '../harness/index.ts';
import { assertNothingLeaked, containersOf, inspect } from './fault-kit.ts';
import { putImage } from './image-kit.ts';

const ROUNDS = Number(process.env['BERTH_FAULT_ROUNDS'] ?? 20);
const SEED = Number(process.env['BERTH_FAULT_SEED'] ?? randomInt(2 ** 31));
const ALONE = process.env['BERTH_FAULT_ALONE'] === '1';

/** One thing a user does that may be cut short at any moment and done again afterwards. */
interface Operation {
  readonly name: string;
  /** Milliseconds it is expected to take; the kill falls evenly into this time. Learned from runs that were not cut. */
  ms: number;
  prepare?(round: number): Promise<unknown>;
  args(round: number): readonly string[];
  /** Looks at what the cut left. */
  after?(round: number): Promise<void>;
  /** Makes the repetition possible, once what is left has been looked at. */
  clear?(round: number): Promise<unknown>;
  /** What the operation is to have brought about. */
  done(round: number): Promise<void>;
  undo(round: number): Promise<unknown>;
}

const kept = 'sh -c'.split(' ');

function operations(daemon: TestDaemon, image: string, context: string): readonly Operation[] {
  const exists = async (name: string): Promise<boolean> =>
    (await daemon.api('GET', `/images/${name}/json`)).status === 200;
  const usable = async (name: string): Promise<void> => {
    const ran = await daemon.docker(['run', '--rm', '--network', 'none', name, 'true']);
    assert.equal(ran.code, 0, `${name} runs: ${ran.stderr}`);
  };
  const wholeOrNot = (name: string) => async (): Promise<void> => {
    if (await exists(name)) await usable(name);
  };
  return [
    {
      name: 'pull',
      ms: 400,
      args: () => ['pull', image],
      after: wholeOrNot(image),
      done: async () => assert.ok(await exists(image)),
      undo: () => daemon.api('DELETE', `/images/${image}?force=1`),
    },
    {
      name: 'build',
      ms: 900,
      prepare: async (round) => writeFileSync(join(context, 'file'), `${SEED} ${round}`),
      args: () => ['build', '-t', 'built', context],
      after: wholeOrNot('built'),
      done: async () =>
        assert.equal(await daemon.ok(['run', '--rm', '--network', 'none', 'built', 'cat', '/three']), 'three'),
      undo: () => daemon.api('DELETE', '/images/built?force=1'),
    }, // prettier-ignore
    {
      name: 'run',
      ms: 250,
      args: (n) => ['run', '-d', '--name', `run${n}`, '-v', `vol${n}:/v`, 'busybox', ...kept, 'sleep 0.3; exit 5'],
      async after(n) {
        const found = await inspect(daemon, `run${n}`);
        if (found?.State.Running) assert.equal(await daemon.ok(['wait', `run${n}`]), '5');
        else if (found?.State.Status === 'exited') assert.equal(found.State.ExitCode, 5, JSON.stringify(found.State));
        else if (found) assert.equal(found.State.Status, 'created');
      },
      clear: (n) => daemon.api('DELETE', `/containers/run${n}?force=1`),
      done: async (n) => assert.equal(await daemon.ok(['wait', `run${n}`]), '5'),
      async undo(n) {
        await daemon.api('DELETE', `/containers/run${n}?force=1`);
        await daemon.api('DELETE', `/volumes/vol${n}`);
      },
    },
    {
      name: 'commit',
      ms: 250,
      args: () => ['commit', 'bridged', 'committed'],
      after: wholeOrNot('committed'),
      done: async () => assert.ok(await exists('committed')),
      undo: () => daemon.api('DELETE', '/images/committed?force=1'),
    },
    {
      name: 'rm',
      ms: 150,
      prepare: (n) => daemon.ok(['run', '-d', '--name', `victim${n}`, '-v', '/anonymous', 'busybox', 'sleep', '1000']),
      args: (n) => ['rm', '-f', '-v', `victim${n}`],
      async done(n) {
        assert.equal(await inspect(daemon, `victim${n}`), undefined);
        const unused = (await daemon.ok(['volume', 'ls', '-q', '--filter', 'dangling=true'])).split('\n');
        // A volume with a name of its own outlives its container, and a container that was never quite made.
        assert.deepEqual(
          unused.filter((name) => !/^(vol\d+)?$/.test(name)),
          [],
        );
      },
      undo: (n) => daemon.api('DELETE', `/containers/victim${n}?force=1&v=1`),
    },
  ];
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

test('killed at any instant, the daemon loses nothing, leaks nothing, and containers go on', {
  skip: missing('docker'),
  timeout: 900_000,
}, async (t) => {
  t.diagnostic(`seed ${SEED}, ${ROUNDS} instants for each operation`);
  const random = seededRandom(SEED);
  using parent = cgroupFor(`berthfault${process.pid}`);
  const cgroupParent = parent.name;
  await using registry = await startRegistry();
  await using daemon = await startDaemon({ args: ['--cgroup-parent', cgroupParent] });
  await daemon.seedBusybox();
  const context = join(daemon.root, 'context');
  mkdirSync(context);
  writeFileSync(
    join(context, 'Dockerfile'),
    'FROM busybox\nCOPY file /\nRUN echo one >/one; dd if=/dev/urandom of=/big bs=1M count=4 2>/dev/null\nRUN rm /one; sleep 0.1\nFROM busybox AS end\nCOPY --from=0 /big /big\nRUN echo three >/three\nCMD ["true"]\n',
  );
  // No longer than the pull needs to be hit everywhere; the busybox below makes the image one that runs.
  const base = makeImage({
    layers: [
      ...[1, 2, 3].map((n) => [{ name: `random${n}`, body: randomBytes(3_000_000) }]),
      [{ name: 'true', mode: 0o755, body: await busyboxBinary() }],
    ],
    config: { Entrypoint: ['/true'] },
  });
  await putImage(registry.host, 'fault', '1', base);
  const image = `${registry.host}/fault:1`;

  await daemon.ok([
    'run',
    '-d',
    '--name',
    'bridged',
    '-p',
    '127.0.0.1::80',
    'busybox',
    ...kept,
    'mkdir /www; echo up >/www/index.html; dd if=/dev/urandom of=/changed bs=1M count=5 2>/dev/null; exec httpd -f -h /www',
  ]);
  await daemon.ok(['run', '-d', '--name', 'lonely', '--network', 'none', 'busybox', 'sleep', '100000']);
  const port = (await daemon.ok(['port', 'bridged', '80'])).split(':').at(-1);
  const pids = new Map<string, number>();
  for (const name of ['bridged', 'lonely']) pids.set(name, (await inspect(daemon, name))?.State.Pid ?? 0);

  const all = operations(daemon, image, context);
  const groups = ALONE ? all.map((operation) => [operation]) : [all];
  for (const group of groups)
    for (let round = 0; round < ROUNDS; round++) {
      const when = `seed ${SEED}, round ${round}, ${group.map(({ name }) => name).join('+')}`;
      try {
        await oneKill(round, group);
      } catch (error) {
        t.diagnostic(
          `${when}: ${error instanceof Error ? error.stack : error}\n${daemon.log().split('\n').slice(-30).join('\n')}`,
        );
        throw new Error(when, { cause: error });
      }
    }

  async function oneKill(round: number, group: readonly Operation[]): Promise<void> {
    for (const operation of group) await operation.prepare?.(round);
    await daemon.ok(['run', '-d', '--name', 'quick', '--network', 'none', 'busybox', ...kept, 'sleep 0.6; exit 42']);
    // Each operation has run for a share of its time, evenly between nothing and all of it, when the kill comes.
    const shares = group.map((operation) => (random.below(1000) / 1000) * operation.ms * 1.1);
    const longest = Math.max(...shares);
    const running = group.map(async (operation, at) => {
      await sleep(longest - (shares[at] ?? 0));
      return await daemon.docker(operation.args(round));
    });
    await sleep(longest);
    await daemon.kill9();
    const cut: readonly Ran[] = await Promise.all(running);
    await daemon.restart();
    for (const [name, pid] of pids) {
      const now = await inspect(daemon, name);
      assert.deepEqual([now?.State.Running, now?.State.Pid], [true, pid], `${name} goes on`);
    }
    assert.equal(
      await (await fetch(`http://127.0.0.1:${port}/`, { signal: AbortSignal.timeout(10_000) })).text(),
      'up\n',
    );
    assert.equal(await daemon.ok(['wait', 'quick']), '42');
    await daemon.api('DELETE', '/containers/quick');
    await assertNothingLeaked(daemon, cgroupParent, 'after the restart');
    for (const operation of group) await operation.after?.(round);
    for (const [at, operation] of group.entries()) {
      // What the client was told had happened has happened.
      if (cut[at]?.code === 0) await operation.done(round);
      await operation.clear?.(round);
    }
    await Promise.all(group.map((operation) => repeat(operation, round)));
    for (const operation of group) await operation.done(round);
    for (const operation of group) await operation.undo(round);
    assert.deepEqual((await containersOf(daemon)).map(({ Id }) => Id).length, 2);
  }

  async function repeat(operation: Operation, round: number): Promise<void> {
    if (operation.name === 'rm' && !(await inspect(daemon, `victim${round}`))) return;
    const ran = await daemon.docker(operation.args(round));
    assert.equal(ran.code, 0, `${operation.name} again: ${ran.stderr}${ran.stdout}`);
    if (round === 0) operation.ms = ran.ms;
  }

  await daemon.removeContainers();
  await daemon.ok(['image', 'prune', '-a', '-f']);
  const pruned = await daemon.api('POST', '/build/prune?all=1');
  assert.equal(pruned.status, 200, pruned.body.toString());
  await assertNothingLeaked(daemon, cgroupParent, 'at the end');
  // What a killed build had made and nothing came to refer to goes at a start at the latest.
  await daemon.restart();
  const left = async (): Promise<Record<string, number>> =>
    ((await daemon.api('GET', '/berth/fsck')).json() as { readonly checked: Record<string, number> }).checked;
  await eventually('everything can be removed', async () => {
    const { snapshots, images } = await left();
    return snapshots === 0 && images === 0;
  }).catch(async (error: unknown) => {
    throw new Error(`left: ${JSON.stringify(await left())}\n${await daemon.ok(['images', '-a'])}`, { cause: error });
  });
});

async function busyboxBinary(): Promise<Buffer> {
  const { readFileSync } = await import('node:fs');
  return readFileSync('/bin/busybox');
}
