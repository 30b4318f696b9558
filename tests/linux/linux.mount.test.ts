import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import {
  bindMount,
  isMountPoint,
  mountAll,
  readMountInfo,
  SyscallError,
  setMountPropagation,
  unmount,
  unmountSync,
  withMounts,
} from '@berth/linux';

const base = mkdtempSync(join(process.env['BERTH_TEST_TMP'] ?? '/dev/shm', 'berth-test-'));
after(() => {
  unmountSync(base, { recursive: true, detach: true });
  rmSync(base, { recursive: true, force: true });
});

const dir = (...parts: string[]): string => {
  const path = join(base, ...parts);
  mkdirSync(path, { recursive: true });
  return path;
};

const overlayOf = (name: string, layers: number, padding: number) => {
  const lowers = Array.from({ length: layers }, (_, i) => dir(name, `${'l'.repeat(padding)}${i}`));
  for (const [i, lower] of lowers.entries()) writeFileSync(join(lower, `f${i}`), `${i}`);
  const options = [`lowerdir=${lowers.join(':')}`, `upperdir=${dir(name, 'up')}`, `workdir=${dir(name, 'work')}`];
  return { type: 'overlay', source: 'overlay', options };
};

for (const [layers, padding] of [
  [2, 1],
  [120, 40],
  [300, 200],
] as const)
  test(`an overlay of ${layers} layers shows them all and takes writes`, async () => {
    const mount = overlayOf(`o${layers}`, layers, padding);
    const names = await withMounts([mount], base, async (path) => {
      writeFileSync(join(path, 'new'), 'x');
      assert.equal(readFileSync(join(path, `f${layers - 1}`), 'utf8'), `${layers - 1}`);
      return readdirSync(path);
    });
    assert.equal(names.length, layers + 1);
    assert.deepEqual(readdirSync(join(base, `o${layers}`, 'up')), ['new']);
    assert.deepEqual(
      readMountInfo().filter((m) => m.mountPoint.startsWith(base)),
      [],
    );
  });

test('lower directories with very long names are mounted by descriptor', async () => {
  const deep = join('a'.repeat(200), 'b'.repeat(200));
  const mount = overlayOf(join('deep', deep), 40, 3);
  await withMounts([mount], base, async (path) => assert.equal(readdirSync(path).length, 40));
});

test('withMounts unmounts and removes its directory when the work fails', async () => {
  const before = readdirSync(base);
  await assert.rejects(
    withMounts([{ type: 'tmpfs', source: 'tmpfs', options: ['size=1m'] }], base, async () => {
      throw new Error('boom');
    }),
    /boom/,
  );
  assert.deepEqual(readdirSync(base), before);
});

test('a read-only bind refuses writes; propagation can be set; unmount is idempotent', async () => {
  const [source, target] = [dir('bind-src'), dir('bind-dst')];
  writeFileSync(join(source, 'f'), 'x');
  bindMount(source, target, { readOnly: true });
  setMountPropagation(target, 'rslave');
  assert.ok(isMountPoint(target));
  assert.throws(() => writeFileSync(join(target, 'g'), ''), { code: 'EROFS' });
  assert.equal(await unmount(target), true);
  assert.equal(await unmount(target), false);
  assert.equal(statSync(target).isDirectory(), true);
});

test('a failed mount undoes those before it and says what failed', () => {
  const target = dir('fail');
  const mounts = [
    { type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'mode=755'] },
    { type: 'bind', source: join(tmpdir(), 'does-not-exist-berth'), options: ['rbind', 'ro'] },
  ];
  assert.throws(
    () => mountAll(mounts, target),
    (error) => error instanceof SyscallError && error.code === 'ENOENT' && error.kind === 'notFound',
  );
  assert.equal(isMountPoint(target), false);
});

test('a busy mount is a conflict', async () => {
  const target = dir('busy');
  mountAll([{ type: 'tmpfs', source: 'tmpfs', options: [] }], target);
  const inner = join(target, 'sub');
  mkdirSync(inner);
  mountAll([{ type: 'tmpfs', source: 'tmpfs', options: [] }], inner);
  await assert.rejects(unmount(target), { kind: 'conflict', code: 'EBUSY' });
  assert.equal(await unmount(target, { recursive: true }), true);
});
