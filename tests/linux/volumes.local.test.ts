import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmod,
  chown,
  link,
  lstat,
  mkdir,
  mkdtemp,
  readFile,
  readlink,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { isMountPoint } from '@berth/linux';
import { openState } from '@berth/state';
import { copyUp, createVolumeService } from '@berth/volumes';

async function setUp() {
  const root = await mkdtemp(join(process.env['BERTH_TEST_TMP'] ?? '/dev/shm', 'berth-test-'));
  const state = openState(':memory:');
  const make = () => createVolumeService({ state, root: join(root, 'volumes'), emit: () => undefined });
  return {
    root,
    make,
    service: make(),
    [Symbol.asyncDispose]: async () => {
      state[Symbol.dispose]();
      await rm(root, { recursive: true });
    },
  };
}

describe('local volumes with a device', () => {
  it('mounts a tmpfs for the first user and unmounts it after the last', async () => {
    await using t = await setUp();
    const options = { type: 'tmpfs', device: 'tmpfs', o: 'size=1m,mode=0750,uid=7' };
    const { mountpoint } = await t.service.create({ name: 'ram', options });
    assert.equal(isMountPoint(mountpoint), false);
    await t.service.mount('ram', 'one');
    await t.service.mount('ram', 'two');
    const { uid, mode } = await lstat(mountpoint);
    assert.deepEqual([uid, mode & 0o777], [7, 0o750]);
    await assert.rejects(writeFile(join(mountpoint, 'big'), Buffer.alloc(2 << 20)), { code: 'ENOSPC' });
    await t.service.unmount('ram', 'one');
    assert.equal(isMountPoint(mountpoint), true);
    await t.service.unmount('ram', 'two');
    assert.equal(isMountPoint(mountpoint), false);
    await t.service.remove('ram');
  });

  it('undoes after a restart what nobody uses any more, and only that', async () => {
    await using t = await setUp();
    const options = { type: 'tmpfs', device: 'tmpfs' };
    const [used, unused] = await Promise.all(['used', 'unused'].map((name) => t.service.create({ name, options })));
    for (const name of ['used', 'unused']) await t.service.mount(name, 'one');
    const next = t.make();
    await next.mount('used', 'one');
    await next.unmountUnused();
    assert.deepEqual(
      [used, unused].map((volume) => isMountPoint(volume?.mountpoint ?? '')),
      [true, false],
    );
    await next.unmount('used', 'one');
  });

  it('takes over a mount after a restart', async () => {
    await using t = await setUp();
    const { mountpoint } = await t.service.create({ name: 'ram', options: { type: 'tmpfs', device: 'tmpfs' } });
    await t.service.mount('ram', 'one');
    await writeFile(join(mountpoint, 'f'), 'x');
    const next = t.make();
    await next.mount('ram', 'one');
    assert.equal(await readFile(join(mountpoint, 'f'), 'utf8'), 'x');
    await next.unmount('ram', 'one');
    assert.equal(isMountPoint(mountpoint), false);
  });

  it('binds a directory and never deletes what is in it', async () => {
    await using t = await setUp();
    const outside = join(t.root, 'outside');
    await mkdir(outside);
    await writeFile(join(outside, 'precious'), 'x');
    await t.service.create({ name: 'bound', options: { type: 'none', o: 'bind', device: outside } });
    const path = await t.service.mount('bound', 'one');
    assert.equal(await readFile(join(path, 'precious'), 'utf8'), 'x');
    // As after a crash: still mounted, nobody remembers.
    await t.make().remove('bound');
    assert.equal(await readFile(join(outside, 'precious'), 'utf8'), 'x');
  });

  it('explains a mount that fails', async () => {
    await using t = await setUp();
    await t.service.create({ name: 'odd', options: { type: 'nosuchfs', device: 'none' } });
    await assert.rejects(t.service.mount('odd', 'one'), /failed to mount local volume: mount none:/);
    await assert.rejects(
      t.service.create({ name: 'half', options: { type: 'tmpfs' } }),
      /missing required option: "device"/,
    );
  });
});

describe('copyUp', () => {
  it('keeps everything, the directory itself included, and only fills an empty volume', async () => {
    await using t = await setUp();
    const from = join(t.root, 'from');
    const { mountpoint: to } = await t.service.create({ name: 'fresh' });
    await mkdir(join(from, 'sub'), { recursive: true });
    await writeFile(join(from, 'sub/file'), 'text');
    await link(join(from, 'sub/file'), join(from, 'hard'));
    await symlink('/etc/passwd', join(from, 'soft'));
    execFileSync('mknod', [join(from, 'null'), 'c', '1', '3']);
    await chown(join(from, 'sub/file'), 11, 12);
    await chmod(join(from, 'sub/file'), 0o4751);
    await chown(from, 21, 22);
    await chmod(from, 0o1770);
    assert.equal(await copyUp(from, to), true);
    const directory = await lstat(to);
    assert.deepEqual([directory.uid, directory.gid, directory.mode & 0o7777], [21, 22, 0o1770]);
    const file = await lstat(join(to, 'sub/file'));
    assert.deepEqual([file.uid, file.gid, file.mode & 0o7777, file.nlink], [11, 12, 0o4751, 2]);
    assert.equal(file.ino, (await lstat(join(to, 'hard'))).ino);
    assert.equal(await readlink(join(to, 'soft')), '/etc/passwd');
    assert.equal((await lstat(join(to, 'null'))).isCharacterDevice(), true);
    assert.equal(await copyUp(from, to), false);
    assert.equal(await copyUp(join(t.root, 'missing'), to), false);
  });
});
