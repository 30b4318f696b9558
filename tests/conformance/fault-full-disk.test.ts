/** A data root that is full: every operation says so, leaves nothing half-made, and works once there is room again. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { closeSync, mkdirSync, openSync, rmSync, statfsSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { dockerArchive, makeImage, ociArchive } from '@berth/testkit';
import {
  eventually,
  missing,
  runOk,
  startDaemon,
  startRegistry,
  type TestDaemon,
  tempDirectory,
} from '../harness/index.ts';
import { putImage } from './image-kit.ts';

const MB = 1024 * 1024;

/** Fills a file system but for `leave` bytes; undone by removing the file. */
function fill(directory: string, leave: number): string {
  const path = join(directory, 'ballast');
  const { bavail, bsize } = statfsSync(directory);
  const handle = openSync(path, 'w');
  const block = Buffer.alloc(MB / 4);
  for (let left = bavail * bsize - leave; left > 0; left -= block.length)
    writeSync(handle, block, 0, Math.min(left, block.length));
  closeSync(handle);
  return path;
} // prettier-ignore

/** Files that are being removed in the background would make room in the middle of a test. */
async function quiet(directory: string): Promise<void> {
  let before = -1;
  await eventually('the disk is quiet', async () => {
    await new Promise((resolve) => setTimeout(resolve, 50));
    const now = statfsSync(directory).bavail;
    const same = now === before;
    before = now;
    return same;
  });
}

const NO_SPACE = /no space left on device/i;

async function images(daemon: TestDaemon): Promise<string> {
  return await daemon.ok(['images', '-a', '-q', '--no-trunc']);
}

test('a full disk', { skip: missing('docker'), timeout: 120_000 }, async (t) => {
  await using temp = await tempDirectory('full');
  await using registry = await startRegistry();
  const [data, root] = [join(temp.path, 'disk'), join(temp.path, 'run')];
  mkdirSync(data);
  mkdirSync(root);
  await runOk('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', data]);
  try {
    await using daemon = await startDaemon({ root, args: ['--data-root', join(data, 'berth')] });
    await daemon.seedBusybox();
    const image = makeImage({ layers: [1, 2].map((n) => [{ name: `f${n}`, body: randomBytes(5 * MB) }]) });
    await putImage(registry.host, 'full', '1', image);
    const name = `${registry.host}/full:1`;
    const archives = { docker: dockerArchive(image, ['full:1']), oci: ociArchive(image, 'full:1') };
    const context = join(temp.path, 'context');
    mkdirSync(context);
    writeFileSync(join(context, 'Dockerfile'), 'FROM busybox\nCOPY big /\n');
    writeFileSync(join(context, 'big'), randomBytes(7 * MB));
    await daemon.ok([
      'run',
      '-d',
      '--name',
      'changed',
      '--network',
      'none',
      'busybox',
      'sh',
      '-c',
      'dd if=/dev/urandom of=/big bs=1M count=7; exec sleep 1000',
    ]); // prettier-ignore
    await new Promise((resolve) => setTimeout(resolve, 500));

    const cases: readonly {
      readonly what: string;
      readonly args: readonly string[];
      readonly input?: Buffer;
      readonly name: string;
    }[] = [
      { what: 'pull', args: ['pull', name], name },
      { what: 'load of a docker-archive', args: ['load'], input: archives.docker, name: 'full:1' },
      { what: 'load of an OCI layout', args: ['load'], input: archives.oci, name: 'full:1' },
      { what: 'import', args: ['import', '-', 'imported'], input: image.tars[0] ?? Buffer.alloc(0), name: 'imported' },
      { what: 'commit', args: ['commit', 'changed', 'committed'], name: 'committed' },
      { what: 'build', args: ['build', '-t', 'built', context], name: 'built' },
    ]; // prettier-ignore
    for (const { what, args, input, name: made } of cases) {
      for (const room of [3 * MB, 6 * MB]) {
        await t.test(`${what} with ${room / MB} MB of room`, async () => {
          const before = await images(daemon);
          await quiet(data);
          const path = fill(data, room);
          const ran = await daemon.docker(args, input === undefined ? {} : { input });
          rmSync(path);
          assert.notEqual(ran.code, 0, ran.stdout);
          assert.match(ran.stderr + ran.stdout, NO_SPACE);
          assert.equal(await images(daemon), before, 'no image came of it');
          await daemon.assertClean();
        });
      }
      await t.test(`${what} once there is room`, async () => {
        await daemon.ok(args, input === undefined ? {} : { input });
        await daemon.assertClean();
        await daemon.ok(['rmi', '-f', made]);
        await daemon.api('POST', '/build/prune?all=1');
      });
    }

    await t.test('a disk without a single byte', async () => {
      const path = fill(data, 0);
      try {
        assert.notEqual((await daemon.docker(['pull', name])).code, 0);
        assert.notEqual((await daemon.docker(['create', '--name', 'late', 'busybox'])).code, 0);
        assert.equal((await daemon.api('GET', '/_ping')).status, 200);
        assert.equal((await daemon.docker(['ps', '-a'])).code, 0);
      } finally {
        rmSync(path);
      }
      await daemon.ok(['pull', name]);
      await daemon.ok(['run', '--rm', '--network', 'none', 'busybox', 'true']);
      await daemon.assertClean();
    });

    await t.test('room is made by removing an image, on the full disk itself', async () => {
      const path = fill(data, 0);
      await daemon.ok(['rmi', name]);
      rmSync(path);
      await daemon.assertClean();
    });
  } finally {
    await runOk('umount', ['-l', data]);
  }
});
