import { mkdtempSync, readFileSync, rmdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run, runOk } from '../tests/harness/command.ts';
import { mountsBelow } from '../tests/harness/leaks.ts';

/** A file system of its own to work on; disposing unmounts and removes it with all it holds. */
export interface Scratch extends AsyncDisposable {
  readonly path: string;
  /** What it is, for people: `tmpfs of 8 GB`. */
  readonly kind: string;
}

const MEGABYTE = 1_000_000;

/**
 * A file system that is quick at creating files, whatever the machine's root is: in memory when there is plenty of it,
 * else an ext4 with a journal in a file. An ext4 without journal, as some virtual machines have for a root, takes a
 * millisecond for each file made after many were removed, and would be what every measurement shows.
 */
export async function createScratch(
  name: string,
  need: { readonly megabytes: number; readonly onDisk?: boolean },
): Promise<Scratch> {
  const path = mkdtempSync(join(tmpdir(), `berth-${name}-`));
  try {
    const inMemory = need.onDisk !== true && availableMegabytes() > need.megabytes * 1.5;
    const kind = inMemory ? await mountMemory(path, need.megabytes) : await mountFile(path, need.megabytes);
    return { path, kind, [Symbol.asyncDispose]: () => remove(path) };
  } catch (error) {
    await remove(path);
    throw error;
  }
}

function availableMegabytes(): number {
  const kilobytes = /^MemAvailable:\s+(\d+)/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1];
  return (Number(kilobytes ?? 0) * 1024) / MEGABYTE;
}

async function mountMemory(path: string, megabytes: number): Promise<string> {
  await runOk('mount', ['-t', 'tmpfs', '-o', `mode=755,size=${megabytes * MEGABYTE}`, 'berth-scratch', path]);
  return `tmpfs of up to ${(megabytes / 1000).toFixed(1)} GB`;
}

async function mountFile(path: string, megabytes: number): Promise<string> {
  const image = imageOf(path);
  writeFileSync(image, '');
  truncateSync(image, megabytes * MEGABYTE);
  await runOk('mkfs.ext4', ['-q', '-F', '-i', '16384', '-E', 'lazy_itable_init=0,lazy_journal_init=0', image]);
  await runOk('mount', ['-o', 'loop,noatime', image, path]);
  // The mount keeps the file alive; whatever ends this process, its room comes back with the last unmount.
  rmSync(image);
  rmdirSync(join(path, 'lost+found'));
  return `journaled ext4 of up to ${(megabytes / 1000).toFixed(1)} GB in a file`;
}

const imageOf = (path: string): string => `${path}.ext4`;

async function remove(path: string): Promise<void> {
  for (const point of mountsBelow(path)) await run('umount', ['-l', point]);
  rmSync(path, { recursive: true, force: true });
  rmSync(imageOf(path), { force: true });
}
