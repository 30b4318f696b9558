import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe } from 'node:test';
import {
  type ApiAnswer,
  type ApiOptions,
  busyboxTar,
  type Child,
  type CommandOptions,
  callApi,
  eventually,
  explain,
  findTool,
  missing,
  type Ran,
  requireTool,
  run,
  start,
  startDaemon,
  type TestDaemon,
  tempDirectory,
} from '../harness/index.ts';

/** An engine that speaks the Docker API: berthd, or a real dockerd with which berthd is compared. */
export interface Engine extends AsyncDisposable {
  readonly name: 'berthd' | 'dockerd';
  readonly socket: string;
  /** Runs the docker CLI. Never throws because of the exit code. */
  docker(args: readonly string[], options?: CommandOptions): Promise<Ran>;
  /** As {@link docker}, but throws unless the exit code is 0; trimmed standard output. */
  ok(args: readonly string[], options?: CommandOptions): Promise<string>;
  spawn(args: readonly string[], options?: CommandOptions): Child;
  /** One raw request. */
  api(method: string, path: string, options?: ApiOptions): Promise<ApiAnswer>;
  /** For tests of berthd alone. */
  readonly berth: TestDaemon | undefined;
}

/** Set while the suite of an engine runs. */
export interface Under {
  readonly engine: Engine;
}

/**
 * Registers the same tests against berthd and, when one is installed, a real dockerd (20.10 or later, in a network
 * namespace of its own). The engine has the image `busybox`. At the end every container is removed, and berthd must
 * have left nothing behind and its store must be clean.
 */
export function conformance(title: string, define: (under: Under) => void): void {
  describe(`${title}: berthd`, { concurrency: 1, timeout: 120_000 }, () => withEngine(startBerth, define));
  const skip = missing('dockerd');
  describe(`${title}: dockerd`, { concurrency: 1, timeout: 120_000, skip }, () => withEngine(startDockerd, define));
}

/** Tests of berthd alone: what dockerd can not do here, or answers otherwise for a reason. */
export function berthOnly(title: string, define: (under: Under & { readonly berth: TestDaemon }) => void): void {
  describe(`${title}: berthd`, { concurrency: 1, timeout: 120_000 }, () =>
    withEngine(startBerth, (under) =>
      define({
        get engine() {
          return under.engine;
        },
        get berth() {
          if (under.engine.berth === undefined) throw new Error('not berthd');
          return under.engine.berth;
        },
      }),
    ),
  );
}

function withEngine(startEngine: () => Promise<Engine>, define: (under: Under) => void): void {
  let running: Engine | undefined;
  before(async () => {
    running = await startEngine();
    await running.ok(['import', await busyboxTar(), 'busybox']);
  });
  after(async () => {
    try {
      await running?.berth?.removeContainers();
      await running?.berth?.assertClean();
    } finally {
      await running?.[Symbol.asyncDispose]();
    }
  });
  define({
    get engine() {
      if (running === undefined) throw new Error('the engine did not start');
      return running;
    },
  });
}

export async function startBerth(): Promise<Engine> {
  const berth = await startDaemon();
  return {
    name: 'berthd',
    socket: berth.socket,
    docker: (args, options) => berth.docker(args, options),
    ok: (args, options) => berth.ok(args, options),
    spawn: (args, options) => berth.spawn(args, options),
    api: (method, path, options) => berth.api(method, path, options),
    berth,
    [Symbol.asyncDispose]: () => berth[Symbol.asyncDispose](),
  };
}

export async function startDockerd(): Promise<Engine> {
  const program = requireTool('dockerd');
  const temp = await tempDirectory('dockerd');
  const root = temp.path;
  const socket = join(root, 'd.sock');
  const host = `unix://${socket}`;
  const words = [
    program,
    ...['--data-root', join(root, 'data'), '--exec-root', join(root, 'exec'), '-p', join(root, 'pid')],
    ...['-H', host, '--bridge=none', '--iptables=false', '--ip-masq=false', '-s', 'overlay2', '-l', 'warn'],
  ];
  const path = [dirname(program), join(dirname(program), '../sbin'), process.env['PATH'] ?? '', '/usr/sbin'].join(':');
  const child = spawn('unshare', ['-n', 'sh', '-c', `ip link set lo up; exec ${words.join(' ')}`], {
    stdio: 'ignore',
    env: { ...process.env, PATH: path },
  });
  const env = { DOCKER_HOST: host, DOCKER_CONFIG: join(root, 'config'), DOCKER_CLI_HINTS: 'false' };
  const withEnv = (given: CommandOptions = {}): CommandOptions => ({ ...given, env: { ...env, ...given.env } });
  const docker = (args: readonly string[], options?: CommandOptions): Promise<Ran> =>
    run(requireTool('docker'), args, withEnv(options));
  const engine: Engine = {
    name: 'dockerd',
    socket,
    docker,
    async ok(args, options) {
      const ran = await docker(args, options);
      if (ran.code !== 0) throw new Error(explain(ran));
      return ran.stdout.trimEnd();
    },
    spawn: (args, options) => start(requireTool('docker'), args, withEnv(options)),
    api: (method, target, options) => callApi(socket, method, target, options),
    berth: undefined,
    async [Symbol.asyncDispose]() {
      await removeAll(engine).catch(() => undefined);
      await ended(child, root);
      for (const point of await mountsOf(root)) await run('umount', ['-l', point]);
      rmSync(root, { recursive: true, force: true });
    },
  };
  try {
    await eventually('dockerd answers', async () => (await engine.api('GET', '/_ping')).status === 200, 30_000);
    return engine;
  } catch (error) {
    await engine[Symbol.asyncDispose]();
    throw error;
  }
}

async function removeAll(engine: Engine): Promise<void> {
  const containers = (await engine.api('GET', '/containers/json?all=1')).json() as readonly { readonly Id: string }[];
  for (const { Id } of containers) await engine.api('DELETE', `/containers/${Id}?force=1&v=1`);
}

async function ended(child: ChildProcess, root: string): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((resolve) => child.once('exit', resolve));
  // `unshare` becomes the shell, and that dockerd: one process all along.
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 15_000);
  await exited;
  clearTimeout(timer);
  await eventually(
    'containerd ends',
    () => !readFileSync('/proc/mounts', 'utf8').includes(`${root}/exec/rootfs`),
    2000,
  ).catch(() => undefined);
}

async function mountsOf(root: string): Promise<readonly string[]> {
  return readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((point) => point.startsWith(`${root}/`))
    .toReversed();
}

/** Whether a peer is there that the comparison needs. */
export const hasTool = (name: string): boolean => findTool(name) !== undefined;
