import assert from 'node:assert/strict';
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { spawnChild } from './spawn.ts';

const descriptors = (): number => readdirSync('/proc/self/fd').length;

const openedFile = (): Disposable & { readonly path: string } => {
  const path = import.meta.filename;
  const fd = openSync(path, 'r');
  return { path, [Symbol.dispose]: () => closeSync(fd) };
};

test('streams, environment and directory are as asked for', async () => {
  const child = spawnChild('sh', ['-c', 'cat; echo "$PWD $WORD" >&4; exit 7'], {
    stdio: ['toChild', 'fromChild', 'ignore', 'ignore', 'fromChild'],
    env: { WORD: 'given' },
    cwd: '/',
  });
  child.stdio[0]?.end('typed');
  const [said, noted] = await Promise.all([1, 4].map((fd) => text(child.stdio[fd] ?? assert.fail())));
  assert.equal(said, 'typed');
  assert.equal(noted, '/ given\n');
  assert.deepEqual(await child.exited, { code: 7, signal: null });
});

test('a child has no descriptor of ours and no signal ignored or blocked', async () => {
  using file = openedFile();
  const outputOf = (program: string, ...args: string[]): Promise<string> =>
    text(spawnChild(program, args, { stdio: ['ignore', 'fromChild', 'ignore'] }).stdio[1] ?? assert.fail());
  const given = (await outputOf('ls', '-l', '/proc/self/fd')).split('\n');
  assert.ok(given.some((line) => line.includes('/dev/null')));
  assert.ok(!given.some((line) => line.endsWith(file.path)));
  const signals = await outputOf('grep', '-E', '^Sig(Ign|Blk)', '/proc/self/status');
  assert.equal(signals.replaceAll('\t', ' '), 'SigBlk: 0000000000000000\nSigIgn: 0000000000000000\n');
});

test('a killed child is told from one that exits', async () => {
  const child = spawnChild('sleep', ['100'], { stdio: [] });
  assert.equal(child.kill('SIGTERM'), true);
  assert.deepEqual(await child.exited, { code: null, signal: 'SIGTERM' });
  assert.equal(child.kill('SIGTERM'), false);
});

test('many at once are all collected', async () => {
  const exits = await Promise.all(
    Array.from({ length: 40 }, (_, code) => spawnChild('sh', ['-c', `exit ${code}`], { stdio: [] }).exited),
  );
  assert.deepEqual(
    exits.map(({ code }) => code),
    Array.from({ length: 40 }, (_, code) => code),
  );
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim();
  assert.equal(children, '');
});

test('what cannot be run leaves nothing open', () => {
  const before = descriptors();
  const pipes = { stdio: ['toChild', 'fromChild', 'fromChild'] } as const;
  assert.throws(() => spawnChild('/no/such/program', [], pipes), { kind: 'unavailable' });
  assert.throws(() => spawnChild('true', [], { ...pipes, cwd: '/no/such/directory' }), { kind: 'unavailable' });
  assert.throws(() => spawnChild('true', ['a\0b'], pipes), { kind: 'invalid' });
  assert.throws(() => spawnChild('true', [], { stdio: ['fromChild', 99_999] }));
  return new Promise<void>((resolve) =>
    setImmediate(() => {
      assert.equal(descriptors(), before);
      resolve();
    }),
  );
});
