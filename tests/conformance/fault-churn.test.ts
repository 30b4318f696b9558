/**
 * Fifty containers, of which some run, some have ended, some come back by policy and some come and go all the time,
 * while at random instants the daemon, a container's monitor, or everything at once is killed: the last one with the
 * exec root, the mounts, links and tables gone too, as after a reboot. `BERTH_FAULT_CHURN` is the number of kills,
 * `BERTH_FAULT_SEED` repeats a run.
 */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { detectCgroups, removeEmptyCgroup } from '@berth/linux';
import { seededRandom } from '@berth/testkit';
import {
  cgroupFor,
  eventually,
  instanceOf,
  missing,
  mountsBelow,
  processesOf,
  run,
  startDaemon,
  type TestDaemon,
} from '../harness/index.ts';
import { assertNothingLeaked, containersOf } from './fault-kit.ts';

const KILLS = Number(process.env['BERTH_FAULT_CHURN'] ?? 3);
const SEED = Number(process.env['BERTH_FAULT_SEED'] ?? randomInt(2 ** 31));

type Kill = 'daemon' | 'monitor' | 'reboot';

/** What a container that nobody touches is to be after each kind of kill. */
type Role = 'web' | 'steady' | 'always' | 'unless' | 'stopped' | 'failed' | 'code' | 'created';

const COUNTS: Readonly<Record<Role, number>> = {
  web: 2,
  steady: 16,
  always: 6,
  unless: 4,
  stopped: 2,
  failed: 2,
  code: 4,
  created: 4,
};
/** Containers that come and go: with the others fifty. */
const CHURNERS = 10;

const sh = (line: string): readonly string[] => ['sh', '-c', line];
const IDLE = ['sleep', '100000'];

interface Fixed {
  readonly name: string;
  readonly role: Role;
}

interface State {
  readonly Status: string;
  readonly Running: boolean;
  readonly Pid: number;
  readonly ExitCode: number;
}

const FIXED: readonly Fixed[] = Object.entries(COUNTS).flatMap(([role, count]) =>
  Array.from({ length: count }, (_, n) => ({ name: `${role}${n}`, role: role as Role })),
);

function bodyOf({ name, role }: Fixed): object {
  const policy = (Name: string, MaximumRetryCount = 0): object => ({ RestartPolicy: { Name, MaximumRetryCount } });
  // A few on the user's network, whose names must resolve; the others without one, which is quicker.
  const network = { NetworkMode: role === 'web' || /^(always|steady)[0-3]$/.test(name) ? 'churn' : 'none' };
  const base = { Image: 'busybox', Cmd: IDLE, HostConfig: network };
  switch (role) {
    case 'web':
      return {
        ...base,
        Cmd: sh('mkdir -p /www; echo up >/www/index.html; exec httpd -f -h /www'),
        ExposedPorts: { '80/tcp': {} },
        HostConfig: { ...network, ...policy('always'), PortBindings: { '80/tcp': [{ HostIp: '127.0.0.1' }] } },
      };
    case 'always':
      return { ...base, HostConfig: { ...network, ...policy('always') } };
    case 'unless':
    case 'stopped':
      return { ...base, StopSignal: 'KILL', HostConfig: { ...network, ...policy('unless-stopped') } };
    case 'failed':
      return { ...base, Cmd: sh('exit 5'), HostConfig: { ...network, ...policy('on-failure', 1) } };
    case 'code':
      return { ...base, Cmd: sh(`exit ${40 + Number(name.slice(4))}`) };
    default:
      return base;
  }
}

class World {
  readonly #daemon: TestDaemon;
  readonly #random: ReturnType<typeof seededRandom>;
  readonly #cgroupParent: string;
  /** What each steady container was when it was last looked at. */
  readonly #pids = new Map<string, number>();
  #churning = false;
  #made = 0;

  constructor(daemon: TestDaemon, cgroupParent: string) {
    this.#daemon = daemon;
    this.#cgroupParent = cgroupParent;
    this.#random = seededRandom(SEED);
  }

  async make(): Promise<void> {
    await this.#post('/networks/create', { Name: 'churn' });
    await Promise.all(
      FIXED.map(async (fixed) => {
        await this.#post(`/containers/create?name=${fixed.name}`, bodyOf(fixed));
        if (fixed.role !== 'created') await this.#post(`/containers/${fixed.name}/start`);
      }),
    );
    for (const { name, role } of FIXED) if (role === 'stopped') await this.#post(`/containers/${name}/stop`);
    await this.check(undefined, undefined);
  }

  async #post(path: string, body?: object): Promise<void> {
    const answer = await this.#daemon.api('POST', path, { timeoutMs: 60_000, ...(body ? { body } : {}) });
    assert.ok(answer.status < 300 || answer.status === 304, `${path}: ${answer.status} ${answer.body.toString()}`);
  }

  async #state(name: string): Promise<State> {
    return ((await this.#daemon.api('GET', `/containers/${name}/json`)).json() as { readonly State: State }).State;
  }

  /** One kill at a random instant of the churn, the recovery, and a look at everything. */
  async round(kill: Kill): Promise<void> {
    this.#churning = true;
    const churn = Promise.all(Array.from({ length: CHURNERS }, (_, n) => this.#churn(n)));
    await sleep(50 + this.#random.below(600));
    const victim = await this.#strike(kill);
    if (kill === 'monitor') await sleep(200);
    this.#churning = false;
    await churn;
    if (kill !== 'monitor') await this.#daemon.restart();
    await this.#clearChurn();
    await this.check(kill, victim);
  }

  /** Makes, uses and removes a container over and over; whatever fails because somebody was killed is no matter here. */
  async #churn(slot: number): Promise<void> {
    const quietly = async (method: string, path: string, body?: object): Promise<number> => {
      try {
        return (await this.#daemon.api(method, path, { timeoutMs: 20_000, ...(body ? { body } : {}) })).status;
      } catch {
        return 0;
      }
    };
    while (this.#churning) {
      const name = `churn${slot}-${this.#made++}`;
      const rm = slot % 2 === 0;
      const HostConfig = { NetworkMode: slot % 3 === 0 ? 'churn' : 'none', AutoRemove: rm, Binds: [`vol${slot}:/v`] };
      const status = await quietly('POST', `/containers/create?name=${name}`, {
        Image: 'busybox',
        Cmd: sh('echo x >/v/x; sleep 0.1'),
        HostConfig,
      }); // prettier-ignore
      if (status === 201) await quietly('POST', `/containers/${name}/start`);
      if (!rm) await quietly('DELETE', `/containers/${name}?force=1&v=1`);
      // Gone with the daemon: no busy loop until it is back.
      if (status === 0) await sleep(20);
    }
  }

  async #strike(kill: Kill): Promise<string | undefined> {
    if (kill === 'daemon') {
      await this.#daemon.kill9();
      return undefined;
    }
    if (kill === 'monitor') return await this.#killMonitor();
    await this.#reboot();
    return undefined;
  }

  async #killMonitor(): Promise<string> {
    const alive = FIXED.filter(({ role }) => role === 'steady' || role === 'always' || role === 'web');
    const { name } = alive[this.#random.below(alive.length)] ?? { name: '' };
    const { Id } = (await this.#daemon.api('GET', `/containers/${name}/json`)).json() as { readonly Id: string };
    const task = JSON.parse(readFileSync(join(this.#daemon.execRoot, 'tasks', Id, 'task.json'), 'utf8')) as {
      readonly monitor: { readonly pid: number };
    }; // prettier-ignore
    process.kill(task.monitor.pid, 'SIGKILL');
    return name;
  }

  /** Nothing that lives in memory survives: processes, mounts, links, tables, control groups, the exec root. */
  async #reboot(): Promise<void> {
    const { root, dataRoot, execRoot } = this.#daemon;
    await this.#daemon.kill9();
    for (let left = processesOf(root); left.length > 0; left = processesOf(root)) {
      for (const { pid } of left) signal(pid, 'SIGKILL');
      await sleep(20);
    }
    for (const point of mountsBelow(execRoot)) await run('umount', ['-l', point]);
    rmSync(execRoot, { recursive: true, force: true });
    const instance = instanceOf(dataRoot);
    const { stdout: links } = await run('ip', ['-o', 'link', 'show', 'type', 'bridge']);
    for (const [, name = ''] of links.matchAll(/^\d+: ([^:@]+)/gm))
      if (name.includes(instance)) await run('ip', ['link', 'delete', name]);
    const { stdout: tables } = await run('nft', ['list', 'tables']);
    for (const [, family = '', name = ''] of tables.matchAll(/^table (\S+) (\S+)$/gm))
      if (name.includes(instance)) await run('nft', ['delete', 'table', family, name]);
    for (const directory of readdirSync('/sys/fs/cgroup'))
      removeBelow(`/sys/fs/cgroup/${directory}/${this.#cgroupParent}`);
    removeBelow(`/sys/fs/cgroup/${this.#cgroupParent}`);
    removeEmptyCgroup(detectCgroups(), `/${this.#cgroupParent}`);
  }

  async #clearChurn(): Promise<void> {
    const { body } = await this.#daemon.api('GET', `/containers/json?all=1&filters={"name":["churn"]}`);
    for (const { Id } of JSON.parse(body.toString()) as readonly { readonly Id: string }[])
      await this.#daemon.api('DELETE', `/containers/${Id}?force=1&v=1`);
    for (let slot = 0; slot < CHURNERS; slot++) await this.#daemon.api('DELETE', `/volumes/vol${slot}`);
  }

  async check(kill: Kill | undefined, victim: string | undefined): Promise<void> {
    for (const fixed of FIXED) await this.#checkOne(fixed, kill, fixed.name === victim);
    assert.equal((await containersOf(this.#daemon)).length, FIXED.length);
    await this.#checkNetwork();
    await assertNothingLeaked(this.#daemon, this.#cgroupParent, String(kill));
  }

  async #checkOne({ name, role }: Fixed, kill: Kill | undefined, isVictim: boolean): Promise<void> {
    const is = async (...wanted: readonly (string | number)[]): Promise<void> => {
      const state = await this.#state(name);
      assert.deepEqual([state.Status, state.ExitCode], wanted, `${name} ${JSON.stringify(state)}`);
    };
    const runs = async (): Promise<void> => {
      await eventually(`${name} runs`, async () => (await this.#state(name)).Status === 'running', 30_000);
      const { Pid } = await this.#state(name);
      assert.ok(existsSync(`/proc/${Pid}`), `${name} has the process ${Pid}`);
      const before = this.#pids.get(name);
      if (before !== undefined && kill !== 'reboot' && !isVictim) assert.equal(Pid, before, `${name} went on`);
      this.#pids.set(name, Pid);
    };
    switch (role) {
      case 'web':
      case 'always':
      case 'unless':
        // Its policy brings back one whose monitor was killed: wait for the end of the old run first.
        if (isVictim)
          await eventually(`${name} is another`, async () => (await this.#state(name)).Pid !== this.#pids.get(name)); // prettier-ignore
        return await runs();
      case 'steady':
        if (kill === 'reboot' || isVictim) {
          await eventually(`${name} is over`, async () => !(await this.#state(name)).Running);
          await is('exited', kill === 'reboot' ? 255 : 137);
          await this.#post(`/containers/${name}/start`);
          this.#pids.delete(name);
        }
        return await runs();
      case 'stopped':
        return await is('exited', 137);
      case 'failed':
        await eventually(`${name} gave up`, async () => (await this.#state(name)).Status === 'exited', 10_000);
        return await is('exited', 5);
      case 'code':
        await eventually(`${name} is over`, async () => (await this.#state(name)).Status === 'exited');
        return await is('exited', 40 + Number(name.slice(4)));
      default:
        return await is('created', 0);
    }
  }

  /** Names resolve between containers, and the published port answers from the host. */
  async #checkNetwork(): Promise<void> {
    for (const { name } of FIXED.filter(({ role }) => role === 'web')) {
      const get = async (): Promise<boolean> => {
        const port = (await this.#daemon.docker(['port', name, '80'])).stdout.trim().split(':').at(-1);
        return (
          (await (await fetch(`http://127.0.0.1:${port}/`, { signal: AbortSignal.timeout(2000) })).text()) === 'up\n'
        );
      };
      await eventually(`${name} answers from the host`, get, 10_000);
      const inside = await this.#daemon.docker(['exec', 'steady0', 'wget', '-qO-', `http://${name}/`]);
      assert.equal(inside.stdout, 'up\n', `steady0 to ${name}: ${inside.stderr}`);
    }
    const { Containers } = (await this.#daemon.api('GET', '/networks/churn')).json() as { readonly Containers: object };
    assert.equal(Object.keys(Containers).length, COUNTS.web + 4 + 4);
  }
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended.
  }
}

function removeBelow(directory: string): void {
  if (existsSync(directory)) {
    for (const entry of readdirSync(directory, { withFileTypes: true }))
      if (entry.isDirectory()) removeBelow(join(directory, entry.name));
    // Only what control groups are: not files, which go with them.
    run('rmdir', [directory]).catch(() => undefined);
  }
}

test(`${KILLS} kills during the churn of fifty containers leave nothing wrong`, {
  skip: missing('docker'),
  timeout: 120_000 + KILLS * 30_000,
}, async (t) => {
  t.diagnostic(`seed ${SEED}, ${KILLS} kills`);
  using parent = cgroupFor(`berthchurn${process.pid}`);
  await using daemon = await startDaemon({ args: ['--cgroup-parent', parent.name] });
  await daemon.seedBusybox();
  const world = new World(daemon, parent.name);
  await world.make();
  const random = seededRandom(SEED);
  for (let round = 0; round < KILLS; round++) {
    // Each kind at least once in a short run.
    const kill = (['daemon', 'monitor', 'reboot'] as const)[round < 3 ? round : random.below(3)] ?? 'daemon';
    try {
      await world.round(kill);
    } catch (error) {
      const log = daemon
        .log()
        .split('\n')
        .filter((line) => !/"debug"|"info"/.test(line)); // prettier-ignore
      t.diagnostic(`${error instanceof Error ? error.stack : error}\n${log.slice(-30).join('\n')}`);
      throw new Error(`seed ${SEED}, round ${round}, ${kill}`, { cause: error });
    }
  }
});
