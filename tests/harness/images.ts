import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { run, runOk } from './command.ts';
import { CHECKOUT, TEST_TMP } from './temp.ts';
import { findTool } from './tools.ts';

const CACHE = join(CHECKOUT, '.berth/cache');

/** `tar` arguments that make the same tree always the same bytes. */
export const REPRODUCIBLE_TAR = [
  '--sort=name',
  '--numeric-owner',
  '--owner=0',
  '--group=0',
  '--mtime=@1700000000',
  '--format=pax',
  '--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime',
]; // prettier-ignore

/**
 * A tar of a root file system with Debian's static busybox and all its applets in /bin, for `docker import`.
 * Made once and kept in the checkout's cache.
 */
export async function busyboxTar(): Promise<string> {
  return cached('busybox-1.tar', async (target) => {
    const busybox = findTool('busybox');
    if (busybox === undefined) throw new Error('busybox is not installed: npm run setup');
    const root = `${target}.root`;
    try {
      for (const directory of ['bin', 'dev', 'etc', 'proc', 'root', 'sys', 'tmp', 'usr', 'var/www'])
        mkdirSync(join(root, directory), { recursive: true });
      copyFileSync(busybox, join(root, 'bin/busybox'));
      for (const applet of (await runOk(busybox, ['--list'])).split('\n')) {
        if (applet !== 'busybox') symlinkSync('busybox', join(root, 'bin', applet));
      }
      for (const name of ['sbin', 'usr/bin', 'usr/sbin'])
        symlinkSync(`${'../'.repeat(name.split('/').length - 1)}bin`, join(root, name));
      writeFileSync(
        join(root, 'etc/passwd'),
        'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n',
      );
      writeFileSync(join(root, 'etc/group'), 'root:x:0:\nnogroup:x:65534:\n');
      await runOk('chmod', ['1777', join(root, 'tmp')]);
      await runOk('tar', [...REPRODUCIBLE_TAR, '-cf', target, '-C', root, '.']);
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  });
}

/**
 * A tar of a minimal Debian made by debootstrap, for `docker import`; kept in the checkout's cache.
 * Throws when debootstrap is missing or no mirror answers.
 */
export async function debianTar(): Promise<string> {
  return cached('debian-bookworm.tar', async (target) => {
    const debootstrap = findTool('debootstrap');
    if (debootstrap === undefined) throw new Error('debootstrap is not installed: npm run setup -- --test');
    // Thousands of small files: on the tests' file system, not on the checkout's.
    const work = mkdtempSync(join(TEST_TMP, 'berth-test-debootstrap-'));
    try {
      await runOk(debootstrap, ['--variant=minbase', 'bookworm', join(work, 'root')], { timeoutMs: 300_000 });
      rmSync(join(work, 'root/var/cache/apt/archives'), { recursive: true, force: true });
      for (const name of readdirSync(join(work, 'root/var/lib/apt/lists')))
        rmSync(join(work, 'root/var/lib/apt/lists', name), { recursive: true, force: true });
      await runOk('tar', ['--sort=name', '--numeric-owner', '-cf', target, '-C', join(work, 'root'), '.']);
    } finally {
      for (const point of ['root/proc', 'root/sys']) await run('umount', ['-l', join(work, point)]);
      rmSync(work, { recursive: true, force: true });
    }
  });
}

/** `false` when {@link debianTar} is there already or can be tried, else why not. */
export function missingDebian(): string | false {
  if (existsSync(join(CACHE, 'debian-bookworm.tar')) || findTool('debootstrap') !== undefined) return false;
  return 'not installed: debootstrap (npm run setup -- --test)';
}

/** Makes a file once; test files run at the same time, so each makes its own and the first one there stays. */
async function cached(name: string, make: (target: string) => Promise<void>): Promise<string> {
  const path = join(CACHE, name);
  if (existsSync(path) && statSync(path).size > 0) return path;
  mkdirSync(CACHE, { recursive: true });
  const draft = `${path}.${process.pid}`;
  try {
    await make(draft);
    renameSync(draft, path);
  } finally {
    rmSync(draft, { force: true });
  }
  return path;
}
