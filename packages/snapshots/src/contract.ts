import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isKind } from '@berth/base';
import { getXattr, type Mount, setXattr, withMounts } from '@berth/linux';
import { collectGarbage, openLeases, openState } from '@berth/state';
import { checkSnapshots } from './check-snapshots.ts';
import { snapshotDiskReport } from './disk-report.ts';
import type { StoredSnapshotter } from './recorded-snapshotter.ts';
import { snapshotCollectable, snapshotRef } from './snapshot-collectable.ts';

/** What the contract needs of a driver: a fresh snapshotter, and the same one opened again after a crash. */
export interface SnapshotterSubject extends AsyncDisposable {
  /** Scratch directory for mount points. */
  readonly scratch: string;
  readonly snapshots: StoredSnapshotter;
  reopen(): StoredSnapshotter;
}

/** Registers the tests every {@link StoredSnapshotter} must pass. They mount: root is needed. */
export function snapshotterContract(name: string, create: () => SnapshotterSubject): void {
  const inside = async (subject: SnapshotterSubject, mounts: readonly Mount[], work: (root: string) => void) =>
    withMounts(mounts, subject.scratch, async (root) => work(root));

  const layer = async (
    subject: SnapshotterSubject,
    key: string,
    parent: string | undefined,
    work: (root: string) => void,
  ) => {
    await inside(subject, await subject.snapshots.prepare(`${key}-active`, parent), work);
    await subject.snapshots.commit(key, `${key}-active`);
  };

  const look = async (subject: SnapshotterSubject, parent: string, work: (root: string) => void) => {
    await inside(subject, await subject.snapshots.view('look', parent), work);
    await subject.snapshots.remove('look');
  };

  const rejects = (promise: Promise<unknown>, kind: Parameters<typeof isKind>[1]) =>
    assert.rejects(promise, (error) => isKind(error, kind) || assert.fail(`${error} is not of kind ${kind}`));

  test(`${name}: layers build upon each other and leave their parents alone`, async () => {
    await using subject = create();
    await layer(subject, 'one', undefined, (root) => {
      writeFileSync(join(root, 'a'), 'one');
      writeFileSync(join(root, 'gone'), 'x');
      mkdirSync(join(root, 'replaced'));
      writeFileSync(join(root, 'replaced/old'), 'x');
    });
    await layer(subject, 'two', 'one', (root) => {
      writeFileSync(join(root, 'a'), 'two');
      writeFileSync(join(root, 'b'), 'two');
      rmSync(join(root, 'gone'));
      rmSync(join(root, 'replaced'), { recursive: true });
      mkdirSync(join(root, 'replaced'));
      writeFileSync(join(root, 'replaced/new'), 'x');
    });
    await look(subject, 'one', (root) => {
      assert.deepEqual(readdirSync(root).sort(), ['a', 'gone', 'replaced']);
      assert.equal(readFileSync(join(root, 'a'), 'utf8'), 'one');
      assert.deepEqual(readdirSync(join(root, 'replaced')), ['old']);
    });
    await look(subject, 'two', (root) => {
      assert.deepEqual(readdirSync(root).sort(), ['a', 'b', 'replaced']);
      assert.equal(readFileSync(join(root, 'a'), 'utf8'), 'two');
      assert.deepEqual(readdirSync(join(root, 'replaced')), ['new']);
    });
  });

  test(`${name}: a view is read-only, an active snapshot is not`, async () => {
    await using subject = create();
    await layer(subject, 'one', undefined, () => undefined);
    await layer(subject, 'two', 'one', () => undefined);
    for (const parent of ['one', 'two'])
      await look(subject, parent, (root) => assert.throws(() => writeFileSync(join(root, 'x'), ''), { code: 'EROFS' }));
    await inside(subject, await subject.snapshots.prepare('rw', 'two'), (root) => writeFileSync(join(root, 'x'), ''));
    await inside(subject, await subject.snapshots.mounts('rw'), (root) => assert.ok(existsSync(join(root, 'x'))));
  });

  test(`${name}: metadata comes through: owners, modes, times, links, attributes, the root's own`, async () => {
    await using subject = create();
    const time = new Date('2001-02-03T04:05:06Z');
    await layer(subject, 'one', undefined, (root) => {
      writeFileSync(join(root, 'file'), 'x');
      chownSync(join(root, 'file'), 1234, 4321);
      chmodSync(join(root, 'file'), 0o4751);
      setXattr(join(root, 'file'), 'trusted.test', Buffer.from('value'));
      linkSync(join(root, 'file'), join(root, 'link'));
      symlinkSync('/nowhere', join(root, 'symlink'));
      execFileSync('mkfifo', [join(root, 'fifo')]);
      utimesSync(join(root, 'file'), time, time);
      chmodSync(root, 0o1775);
      chownSync(root, 7, 8);
    });
    const check = (root: string): void => {
      const file = lstatSync(join(root, 'file'));
      assert.deepEqual([file.uid, file.gid, file.mode & 0o7777, file.nlink], [1234, 4321, 0o4751, 2]);
      assert.equal(file.mtimeMs, time.getTime());
      assert.equal(file.ino, lstatSync(join(root, 'link')).ino);
      assert.equal(getXattr(join(root, 'file'), 'trusted.test')?.toString(), 'value');
      assert.ok(lstatSync(join(root, 'symlink')).isSymbolicLink());
      assert.ok(lstatSync(join(root, 'fifo')).isFIFO());
      const own = lstatSync(root);
      assert.deepEqual([own.uid, own.gid, own.mode & 0o7777], [7, 8, 0o1775]);
    };
    await inside(subject, await subject.snapshots.prepare('child', 'one'), check);
    await look(subject, 'one', check);
  });

  test(`${name}: a hundred layers`, async () => {
    await using subject = create();
    let parent: string | undefined;
    for (let i = 0; i < 100; i++) {
      const key = `sha256:${i.toString(16).padStart(64, '0')}`;
      if (subject.snapshots.capabilities.rebase) {
        await subject.snapshots.prepare(`unpack-${i}`);
        writeFileSync(join(subject.snapshots.diffPath(`unpack-${i}`) ?? '', `file-${i}`), '');
        await subject.snapshots.commit(key, `unpack-${i}`, parent === undefined ? {} : { parent });
      } else await layer(subject, key, parent, (root) => writeFileSync(join(root, `file-${i}`), ''));
      parent = key;
    }
    const mounts = await subject.snapshots.prepare('container', parent);
    await inside(subject, mounts, (root) => {
      assert.equal(readdirSync(root).length, 100);
      writeFileSync(join(root, 'mine'), '');
    });
    assert.equal([...subject.snapshots.list()].length, 101);
  });

  test(`${name}: keys are unique, parents must be there, committed and without children to go`, async () => {
    await using subject = create();
    const { snapshots } = subject;
    await layer(subject, 'base', undefined, () => undefined);
    await snapshots.prepare('child', 'base');
    await rejects(snapshots.prepare('child'), 'conflict');
    await rejects(snapshots.view('child', 'base'), 'conflict');
    await rejects(snapshots.prepare('base'), 'conflict');
    await rejects(snapshots.prepare('x', 'child'), 'conflict');
    await rejects(snapshots.view('x', 'child'), 'conflict');
    await rejects(snapshots.prepare('x', 'nothing'), 'notFound');
    await rejects(snapshots.commit('base', 'child'), 'conflict');
    await rejects(snapshots.commit('other', 'base'), 'conflict');
    await rejects(snapshots.commit('other', 'nothing'), 'notFound');
    await rejects(snapshots.mounts('nothing'), 'notFound');
    await rejects(snapshots.mounts('base'), 'conflict');
    await rejects(snapshots.usage('nothing'), 'notFound');
    await rejects(snapshots.remove('nothing'), 'notFound');
    await rejects(snapshots.remove('base'), 'conflict');
    await rejects(snapshots.prepare(''), 'invalid');
    assert.equal(snapshots.stat('nothing'), undefined);
    await snapshots.remove('child');
    await snapshots.remove('base');
    assert.deepEqual([...snapshots.list()], []);
    assert.deepEqual(readdirSync(snapshots.root), [], 'refused and removed snapshots leave nothing');
  });

  test(`${name}: of two preparing one key at once, one gets it`, async () => {
    await using subject = create();
    const { snapshots } = subject;
    await layer(subject, 'base', undefined, (root) => writeFileSync(join(root, 'x'), ''));
    const results = await Promise.allSettled(Array.from({ length: 5 }, () => snapshots.prepare('same', 'base')));
    assert.equal(results.filter((result) => result.status === 'fulfilled').length, 1);
    assert.equal(readdirSync(snapshots.root).length, 2);
  });

  test(`${name}: what a snapshot is can be asked, also after a restart`, async () => {
    await using subject = create();
    await layer(subject, 'base', undefined, () => undefined);
    await subject.snapshots.prepare('active', 'base');
    await subject.snapshots.view('view', 'base');
    for (const reopened of [false, true]) {
      const snapshots = reopened ? subject.reopen() : subject.snapshots;
      assert.equal(snapshots.stat('base')?.kind, 'committed');
      assert.equal(snapshots.stat('base')?.parent, undefined);
      assert.equal(snapshots.stat('active')?.kind, 'active');
      assert.equal(snapshots.stat('view')?.kind, 'view');
      assert.equal(snapshots.stat('view')?.parent, 'base');
      assert.deepEqual([...snapshots.list()].map((info) => info.key).sort(), ['active', 'base', 'view']);
      assert.equal(snapshots.lowerPaths('active').length, 1);
      assert.deepEqual(snapshots.lowerPaths('base'), []);
    }
    const fresh = await subject.snapshots.prepare('another', 'base');
    assert.equal(fresh.length, 1, 'directories are not taken twice after a restart');
  });

  test(`${name}: usage is what du says`, async () => {
    await using subject = create();
    const { snapshots } = subject;
    await layer(subject, 'base', undefined, (root) => {
      writeFileSync(join(root, 'big'), Buffer.alloc(300_000, 1));
      linkSync(join(root, 'big'), join(root, 'again'));
      mkdirSync(join(root, 'dir'));
      execFileSync('truncate', ['-s', '1G', join(root, 'sparse')]);
    });
    await inside(subject, await snapshots.prepare('active', 'base'), (root) =>
      writeFileSync(join(root, 'more'), Buffer.alloc(50_000, 1)),
    );
    await snapshots.view('view', 'base');
    let sum = 0;
    for (const { info, directory } of snapshots.stored()) {
      const { bytes } = await snapshots.usage(info.key);
      sum += bytes;
      const du =
        directory === undefined ? 0 : Number(execFileSync('du', ['-s', '-B1', directory]).toString().split('\t')[0]);
      assert.equal(bytes, du, info.key);
      assert.deepEqual(await snapshots.usage(info.key), await snapshots.usage(info.key));
    }
    assert.ok(sum > 300_000 && sum < 1_000_000);
  });

  test(`${name}: a crash between files and record leaves only what cleanup removes`, async () => {
    await using subject = create();
    await layer(subject, 'base', undefined, (root) => writeFileSync(join(root, 'x'), 'x'));
    // prepare died before its record, or remove after it: a directory without a record
    mkdirSync(join(subject.snapshots.root, 'zz/fs/deep'), { recursive: true });
    writeFileSync(join(subject.snapshots.root, 'zz/fs/deep/file'), Buffer.alloc(10_000));
    const snapshots = subject.reopen();
    assert.deepEqual(snapshots.strays(), ['zz']);
    assert.ok((await snapshots.cleanup()) >= 10_000);
    assert.deepEqual(snapshots.strays(), []);
    assert.equal(await snapshots.cleanup(), 0);
    await look({ ...subject, snapshots } as SnapshotterSubject, 'base', (root) =>
      assert.deepEqual(readdirSync(root), ['x']),
    );
  });

  test(`${name}: cleanup leaves alone what is being made`, async () => {
    await using subject = create();
    await layer(subject, 'base', undefined, (root) => {
      for (let i = 0; i < 200; i++) writeFileSync(join(root, `file-${i}`), 'x');
    });
    const preparing = subject.snapshots.prepare('new', 'base');
    await subject.snapshots.cleanup();
    await inside(subject, await preparing, (root) => assert.equal(readdirSync(root).length, 200));
  });

  test(`${name}: big trees, odd names and deep directories go too`, async () => {
    await using subject = create();
    const { snapshots } = subject;
    await inside(subject, await snapshots.prepare('big'), (root) => {
      for (let i = 0; i < 1500; i++) writeFileSync(join(root, `-rf ${i}\n*`), '');
      const dive = `for (let i = 0; i < 30; i++) { fs.mkdirSync('7'.repeat(200)); process.chdir('7'.repeat(200)); }`;
      execFileSync(process.execPath, ['-e', dive], { cwd: root });
    });
    await snapshots.remove('big');
    assert.deepEqual(readdirSync(snapshots.root), []);
  });

  test(`${name}: a tree that something is mounted in is not removed, and nothing in the mount is`, async () => {
    await using subject = create();
    const { snapshots, scratch } = subject;
    const precious = join(scratch, 'precious');
    mkdirSync(precious);
    writeFileSync(join(precious, 'file'), '');
    await snapshots.prepare('x');
    const [stored] = [...snapshots.stored()];
    const bind = { type: 'bind', source: precious, options: ['bind'] };
    await withMounts([bind], join(stored?.directory ?? '', 'fs'), async () => {
      await rejects(snapshots.remove('x'), 'conflict');
      assert.equal(await snapshots.cleanup(), 0);
    });
    assert.deepEqual(readdirSync(precious), ['file']);
    assert.ok((await snapshots.cleanup()) >= 0);
    assert.deepEqual(readdirSync(snapshots.root), []);
  });

  test(`${name}: a parent may be named at commit where the driver says so`, async () => {
    await using subject = create();
    const { snapshots } = subject;
    await layer(subject, 'base', undefined, (root) => {
      writeFileSync(join(root, 'lower'), '');
      chmodSync(root, 0o555);
    });
    await snapshots.prepare('free');
    if (!snapshots.capabilities.rebase) {
      await rejects(snapshots.commit('top', 'free', { parent: 'base' }), 'notImplemented');
      assert.equal(snapshots.diffPath('free'), undefined);
      return;
    }
    const diff = snapshots.diffPath('free') ?? '';
    writeFileSync(join(diff, 'upper'), '');
    execFileSync('mknod', [join(diff, 'lower'), 'c', '0', '0']);
    await rejects(snapshots.commit('top', 'free', { parent: 'nothing' }), 'notFound');
    await snapshots.commit('top', 'free', { parent: 'base' });
    assert.equal(snapshots.stat('top')?.parent, 'base');
    await rejects(snapshots.remove('base'), 'conflict');
    await look(subject, 'top', (root) => {
      assert.deepEqual(readdirSync(root), ['upper']);
      assert.equal(lstatSync(root).mode & 0o7777, 0o555, "the root is the parent's where the layer does not say");
    });
    await snapshots.prepare('bound', 'top');
    await rejects(snapshots.commit('other', 'bound', { parent: 'base' }), 'invalid');
  });

  test(`${name}: a snapshot mounted volatile can be mounted again, either way`, async () => {
    await using subject = create();
    const { snapshots } = subject;
    await layer(subject, 'base', undefined, () => undefined);
    await inside(subject, await snapshots.prepare('build', 'base', { volatile: true }), (root) =>
      writeFileSync(join(root, '0'), ''),
    );
    for (const volatile of [true, false])
      await inside(subject, await snapshots.mounts('build', { volatile }), (root) =>
        writeFileSync(join(root, volatile ? '1' : '2'), ''),
      );
    await snapshots.commit('built', 'build');
    await look(subject, 'built', (root) => assert.deepEqual(readdirSync(root), ['0', '1', '2']));
  });

  test(`${name}: the check finds what is wrong, and only that`, async () => {
    await using subject = create();
    const { snapshots } = subject;
    await layer(subject, 'base', undefined, () => undefined);
    await layer(subject, 'child', 'base', () => undefined);
    await snapshots.view('view', 'child');
    await snapshots.prepare('active', 'child');
    assert.deepEqual(await checkSnapshots(snapshots), []);
    mkdirSync(join(snapshots.root, 'zz'));
    const directories = new Map(Array.from(snapshots.stored(), ({ info, directory }) => [info.key, directory]));
    rmSync(directories.get('active') ?? '', { recursive: true });
    const findings = await checkSnapshots(snapshots);
    assert.deepEqual(
      findings.map(({ severity, kind, key }) => [severity, kind, key]),
      [
        ['error', 'missingDirectory', 'active'],
        ['warning', 'unrecordedDirectory', undefined],
      ],
    );
  });

  test(`${name}: the disk report adds up to du`, async () => {
    await using subject = create();
    const { snapshots } = subject;
    await layer(subject, 'base', undefined, (root) => writeFileSync(join(root, 'file'), Buffer.alloc(123_456)));
    await snapshots.prepare('active', 'base');
    mkdirSync(join(snapshots.root, 'zz/fs'), { recursive: true });
    const report = await snapshotDiskReport(snapshots);
    assert.equal(report.total, Number(execFileSync('du', ['-s', '-B1', snapshots.root]).toString().split('\t')[0]));
    assert.equal(report.snapshots.length, 2);
  });

  test(`${name}: collection takes children before parents and says what it freed`, async () => {
    await using subject = create();
    const { snapshots } = subject;
    let parent: string | undefined;
    for (const key of ['a', 'b', 'c', 'd']) {
      await layer(subject, key, parent, (root) => writeFileSync(join(root, key), Buffer.alloc(50_000)));
      parent = key;
    }
    await layer(subject, 'other', 'b', () => undefined);
    const before = (await snapshotDiskReport(snapshots)).total;
    using state = openState(':memory:');
    const leases = openLeases(state);
    using lease = leases.create('keep');
    lease.add(snapshotRef('other'));
    const { removed, bytes, failed } = await collectGarbage([snapshotCollectable(snapshots)], { leases });
    assert.deepEqual(failed, []);
    assert.deepEqual(
      removed.map(({ key }) => key),
      ['d', 'c'],
    );
    assert.equal((await snapshotDiskReport(snapshots)).total, before - bytes);
    assert.deepEqual([...snapshots.list()].map(({ key }) => key).sort(), ['a', 'b', 'other']);
  });
}
