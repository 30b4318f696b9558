import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { ipAddresses, nftTables, readMountInfo, readProcessStat } from '@berth/linux';

export interface LeakScope {
  /** Only mounts below these count; default all. */
  readonly mountsBelow?: readonly string[];
  /** Directories whose entries (temporary files, namespaces) count. */
  readonly directories?: readonly string[];
  /** Only this process's own children count; default all processes of the host. */
  readonly childrenOnly?: boolean;
  /** Whether links and nft tables of the host count; default true. Leave them out where others work at the same time. */
  readonly network?: boolean;
}

/** What could leak, as sorted lines. */
export interface HostState {
  readonly mounts: readonly string[];
  readonly links: readonly string[];
  readonly tables: readonly string[];
  readonly processes: readonly string[];
  readonly files: readonly string[];
}

const processes = (scope: LeakScope): readonly string[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((name) => {
      const stat = readProcessStat(Number(name));
      // Kernel threads come and go on their own.
      if (stat === undefined || stat.parent === 2 || (scope.childrenOnly && stat.parent !== process.pid)) return [];
      return [`${stat.pid} ${stat.name} ${stat.startTime}`];
    });

export async function hostState(scope: LeakScope = {}): Promise<HostState> {
  const below = scope.mountsBelow;
  const mounts = readMountInfo()
    .filter((mount) => below === undefined || below.some((path) => mount.mountPoint.startsWith(path)))
    .map((mount) => `${mount.type} ${mount.mountPoint}`);
  const [links, tables] = scope.network === false ? [[], []] : await Promise.all([ipAddresses(), nftTables()]);
  const files = (scope.directories ?? []).flatMap((dir) =>
    existsSync(dir) ? readdirSync(dir).map((f) => `${dir}/${f}`) : [],
  );
  return {
    mounts: mounts.sort(),
    links: links.map((link) => link.ifname).sort(),
    tables: tables.map((table) => `${table.family} ${table.name}`).sort(),
    processes: processes(scope),
    files: files.sort(),
  };
}

/** What `after` has and `before` had not, by category. */
export function leaksBetween(before: HostState, after: HostState): Readonly<Record<string, readonly string[]>> {
  const extra = (key: keyof HostState): readonly string[] => after[key].filter((line) => !before[key].includes(line));
  const keys: readonly (keyof HostState)[] = ['mounts', 'links', 'tables', 'processes', 'files'];
  return Object.fromEntries(keys.map((key) => [key, extra(key)] as const).filter(([, lines]) => lines.length > 0));
}

/** Runs `work` and fails when something it started or made is still there `graceMs` after it has ended. */
export async function expectNoLeaks<T>(
  work: () => Promise<T>,
  scope: LeakScope & { readonly graceMs?: number } = {},
): Promise<T> {
  const before = await hostState(scope);
  const result = await work();
  const end = Date.now() + (scope.graceMs ?? 2000);
  let leaks = leaksBetween(before, await hostState(scope));
  while (Object.keys(leaks).length > 0 && Date.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    leaks = leaksBetween(before, await hostState(scope));
  }
  assert.deepEqual(leaks, {}, 'something was left behind');
  return result;
}
