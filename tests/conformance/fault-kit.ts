import assert from 'node:assert/strict';
import { existsSync, globSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { eventually, instanceOf, mountsBelow, processesOf, run, type TestDaemon } from '../harness/index.ts';

/** Most network namespaces that a daemon keeps ready; one that a container took keeps its name. */
const POOL = 8;

const entries = (directory: string): readonly string[] => (existsSync(directory) ? readdirSync(directory) : []);

interface Listed {
  readonly Id: string;
  readonly State: string;
}

export async function containersOf(daemon: TestDaemon): Promise<readonly Listed[]> {
  return (await daemon.api('GET', '/containers/json?all=1')).json() as readonly Listed[];
}

export interface Inspected {
  readonly Id: string;
  readonly State: {
    readonly Status: string;
    readonly Running: boolean;
    readonly Pid: number;
    readonly ExitCode: number;
    readonly StartedAt: string;
  };
}

/** Undefined when there is no such container. */
export async function inspect(daemon: TestDaemon, name: string): Promise<Inspected | undefined> {
  const answer = await daemon.api('GET', `/containers/${name}/json`);
  return answer.status === 404 ? undefined : (answer.json() as Inspected);
}

/** What is on the machine and in the daemon's roots without a container, build or record that would own it. */
async function unowned(daemon: TestDaemon, cgroupParent: string): Promise<readonly string[]> {
  const containers = await containersOf(daemon);
  const known = new Set(containers.map(({ Id }) => Id));
  const running = new Set(containers.filter(({ State }) => State === 'running').map(({ Id }) => Id));
  const within = (text: string, ids: ReadonlySet<string>): boolean => [...ids].some((id) => text.includes(id));
  const ready = mountsBelow(join(daemon.execRoot, 'netns')).filter((point) => point.includes('/ready-'));
  const family = processesOf(daemon.root);
  const owners = new Set([
    daemon.pid,
    ...family.filter(({ command }) => within(command, running)).map(({ pid }) => pid),
  ]);
  for (let grown = true; grown; ) {
    grown = false;
    for (const { pid, parent } of family)
      if (owners.has(parent) && !owners.has(pid)) {
        owners.add(pid);
        grown = true;
      }
  }
  const bridge = `berth-${instanceOf(daemon.dataRoot)}`;
  const ports = (await run('ip', ['-o', 'link', 'show', 'master', bridge])).stdout.split('\n').filter((l) => l !== '');
  const cgroups = globSync([`/sys/fs/cgroup/*/${cgroupParent}/*/`, `/sys/fs/cgroup/${cgroupParent}/*/`]);
  return [
    ...mountsBelow(daemon.root)
      .filter((point) => point !== daemon.dataRoot && !point.includes('/netns/ready-') && !within(point, running))
      .map((point) => `mount ${point}`),
    ...(ready.length > POOL + running.size ? [`${ready.length} ready network namespaces`] : []),
    ...(ports.length > running.size + POOL ? [`${ports.length} ports on ${bridge}:\n${ports.join('\n')}`] : []),
    ...family
      .filter(({ pid, parent }) => !owners.has(pid) && parent !== daemon.pid)
      .map(({ pid, command }) => `process ${pid} ${command.slice(0, 300)}`),
    ...cgroups.filter((path) => !within(path, running)).map((path) => `cgroup ${path}`),
    ...entries(join(daemon.dataRoot, 'tmp')).map((name) => `scratch ${name}`),
    ...entries(join(daemon.execRoot, 'mounts')).map((name) => `mount point ${name}`),
    ...entries(join(daemon.execRoot, 'rootfs'))
      .filter((id) => !running.has(id))
      .map((id) => `rootfs ${id}`),
    ...entries(join(daemon.execRoot, 'tasks'))
      .filter((id) => !known.has(id))
      .map((id) => `task ${id}`),
    ...globSync(join(daemon.execRoot, 'runtime-*/*'))
      .filter((path) => !within(path, known))
      .map((path) => `runtime state ${path}`),
  ];
}

/** fsck is clean and nothing is left without an owner. What the kernel takes down late has two seconds. */
export async function assertNothingLeaked(daemon: TestDaemon, cgroupParent: string, when: string): Promise<void> {
  let left: readonly string[] = [];
  await eventually(
    'all is owned',
    async () => {
      left = await unowned(daemon, cgroupParent);
      return left.length === 0;
    },
    2000,
  ).catch(() => undefined); // prettier-ignore
  assert.deepEqual(left, [], when);
  await daemon.assertClean();
}
