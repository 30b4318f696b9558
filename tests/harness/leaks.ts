import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { run } from './command.ts';

/** One thing on the machine: `mount /path`, `process 123 conmon …`, `link berth0`, `nft table inet berth`, … */
export type Thing = string;

const read = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
};
const list = (path: string): readonly string[] => {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
};

/** Mount points at or below a directory, deepest first. */
export function mountsBelow(directory: string): readonly string[] {
  const root = resolve(directory);
  return read('/proc/self/mountinfo')
    .split('\n')
    .map((line) =>
      (line.split(' ')[4] ?? '').replace(/\\(\d{3})/g, (_, octal: string) =>
        String.fromCharCode(Number.parseInt(octal, 8)),
      ),
    )
    .filter((point) => point === root || point.startsWith(`${root}/`))
    .toReversed();
}

export interface ProcessInfo {
  readonly pid: number;
  readonly parent: number;
  /** Words joined by spaces; empty for kernel threads. */
  readonly command: string;
}

/** Every process of the machine that this one may see. */
export function processes(): readonly ProcessInfo[] {
  return list('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => ({
      pid: Number(name),
      parent: Number(/\) \S (\d+)/.exec(read(`/proc/${name}/stat`))?.[1] ?? 0),
      command: read(`/proc/${name}/cmdline`).replaceAll('\0', ' ').trim(),
    }))
    .filter(({ command }) => command !== '');
}

/** Processes whose command line names a path below a directory, and all their descendants; never this one. */
export function processesOf(directory: string): readonly ProcessInfo[] {
  const all = processes();
  const named = all.filter(({ pid, command }) => pid !== process.pid && command.includes(resolve(directory)));
  const family = new Set(named.map(({ pid }) => pid));
  for (let grown = true; grown; ) {
    grown = false;
    for (const { pid, parent } of all)
      if (family.has(parent) && !family.has(pid) && pid !== process.pid) {
        family.add(pid);
        grown = true;
      }
  }
  return all.filter(({ pid }) => family.has(pid));
}

const hasNetns = (pid: string): boolean => {
  try {
    readlinkSync(`/proc/${pid}/ns/net`);
    return true;
  } catch {
    return false;
  }
};

async function links(): Promise<readonly string[]> {
  const { stdout } = await run('ip', ['-o', 'link', 'show']);
  return stdout.split('\n').flatMap((line) => /^\d+: ([^:@]+)/.exec(line)?.[1] ?? []);
}

async function tables(): Promise<readonly string[]> {
  const { stdout } = await run('nft', ['list', 'tables']).catch(() => ({ stdout: '' }));
  return stdout.split('\n').filter((line) => line !== '');
}

/** The part of names by which one daemon's bridge and nft table are told from another's. */
export const instanceOf = (dataRoot: string): string =>
  createHash('sha256').update(resolve(dataRoot)).digest('hex').slice(0, 8);

/** What a daemon with its roots below `directory` left: mounts, processes, links and tables. Empty is right. */
export async function leftBy(directory: string, dataRoot: string): Promise<readonly Thing[]> {
  const instance = instanceOf(dataRoot);
  const mine = (name: string): boolean => name.includes(instance);
  return [
    ...mountsBelow(directory).map((point) => `mount ${point}`),
    ...processesOf(directory).map(({ pid, command }) => `process ${pid} ${command.slice(0, 160)}`),
    ...(await links()).filter(mine).map((name) => `link ${name}`),
    ...(await tables()).filter(mine).map((name) => `nft ${name}`),
  ];
}

const CGROUP_ROOT = '/sys/fs/cgroup';

function cgroups(): readonly string[] {
  const below = (directory: string, depth: number): readonly string[] =>
    depth === 0
      ? []
      : list(directory)
          .filter(
            (name) =>
              read(join(directory, name, 'cgroup.procs')) !== '' ||
              list(join(directory, name)).includes('cgroup.procs'),
          )
          .flatMap((name) => [join(directory, name), ...below(join(directory, name), depth - 1)]);
  const hierarchies = [CGROUP_ROOT, ...list(CGROUP_ROOT).map((name) => join(CGROUP_ROOT, name))];
  const found = [...new Set(hierarchies.flatMap((directory) => below(directory, 3)))];
  // One with processes in it is in use; what runs is looked at as a process.
  return found.filter((path) => /berth/.test(path) && read(join(path, 'cgroup.procs')) === '');
}

/**
 * Everything Berth could leave on a machine, to be taken before and after a run and compared with {@link newSince}.
 * With `only`, mounts, processes and files count just where they belong to that directory.
 */
export async function snapshotMachine(only?: string): Promise<ReadonlySet<Thing>> {
  const ours = /\b(berthd|conmon|crun|runc)\b/;
  const found = only === undefined ? processes().filter(({ command }) => ours.test(command)) : processesOf(only);
  return new Set([
    ...mountsBelow(only ?? '/')
      .filter((point) => only !== undefined || /berth/.test(point))
      .map((point) => `mount ${point}`),
    ...found
      .filter(({ pid }) => hasNetns(String(pid)))
      .map(({ pid, command }) => `process ${pid} ${command.slice(0, 160)}`),
    ...(await links()).map((name) => `link ${name}`),
    ...(await tables()).map((name) => `nft ${name}`),
    ...list('/run/netns').map((name) => `network namespace ${name}`),
    ...cgroups().map((path) => `cgroup ${path}`),
    ...(only === undefined ? [] : list(only).map((name) => `file ${join(only, name)}`)),
    ...['/tmp', '/dev/shm', '/run'].flatMap((d) =>
      list(d)
        .filter((n) => /^berth/.test(n))
        .map((n) => `file ${join(d, n)}`),
    ),
  ]);
}

/** What is there now and was not before. */
export const newSince = (before: ReadonlySet<Thing>, after: ReadonlySet<Thing>): readonly Thing[] =>
  [...after].filter((thing) => !before.has(thing));
