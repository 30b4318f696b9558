import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { eventually, run, runOk } from '../tests/harness/command.ts';
import { CHECKOUT } from '../tests/harness/temp.ts';
import { requireTool, toolEnvironment } from '../tests/harness/tools.ts';
import { inParallel, time } from './measure.ts';

export const ENGINE_NAMES = ['dockerd', 'berth', 'podman'] as const;
export type EngineName = (typeof ENGINE_NAMES)[number];

/** One of the engines compared, driven through its command line: the docker CLI for both daemons, podman's own. */
export interface Engine extends AsyncDisposable {
  readonly name: EngineName;
  readonly version: string;
  /** The daemon, where there is one. */
  readonly pid: number | undefined;
  readonly socketPath: string | undefined;
  /**
   * Kills the daemon as a crash would and starts it again; milliseconds until it lists `running` running containers.
   * Undefined where there is no daemon.
   */
  readonly crash: ((running: number) => Promise<number>) | undefined;
  /** The whole command line for a docker verb. */
  command(...args: readonly string[]): readonly string[];
  /** Milliseconds of one command. */
  time(...args: readonly string[]): Promise<number>;
  /** Runs a command outside of any measurement. Throws unless its exit code is 0; standard output. */
  ok(...args: readonly string[]): Promise<string>;
  /** The same without caring how it ends. */
  tryTo(...args: readonly string[]): Promise<void>;
  /** Gives an image names, outside of any measurement. */
  tag(image: string, ...names: readonly string[]): Promise<void>;
  /** `rm -f`, without the grace period that podman gives. */
  remove(...containers: readonly string[]): Promise<void>;
}

export interface EngineOptions {
  /** Data and run directories go below. */
  readonly root: string;
}

export async function startEngine(name: EngineName, options: EngineOptions): Promise<Engine> {
  return name === 'podman' ? preparePodman(options) : startDocker(name, options);
}

async function startDocker(name: 'dockerd' | 'berth', { root }: EngineOptions): Promise<Engine> {
  const own = join(root, name);
  mkdirSync(join(own, 'config'), { recursive: true });
  const host = `unix://${join(root, `${name}.sock`)}`;
  const program = name === 'berth' ? join(CHECKOUT, 'bin/berthd') : requireTool('dockerd');
  const args = [
    '--data-root',
    join(own, 'data'),
    '--exec-root',
    join(own, 'exec'),
    '-p',
    join(own, 'pid'),
    '-H',
    host,
    '-l',
    'warn',
    // both let containers run on without them: what a crash costs is to be compared too
    '--live-restore',
  ];
  const launch = (): ChildProcess => {
    const log = openSync(join(own, 'log'), 'a');
    try {
      const env = { ...process.env, BERTH_NODE: process.execPath };
      return spawn(program, args, { stdio: ['ignore', log, log], env });
    } finally {
      closeSync(log);
    }
  };
  let child = launch();
  const prefix = [requireTool('docker'), '--config', join(own, 'config'), '-H', host];
  const version = await eventually(
    `${name} answers (its log: ${join(own, 'log')})`,
    () => runOk(prefix[0] ?? '', [...prefix.slice(1), 'version', '--format', '{{.Server.Version}}']),
    60_000,
  );
  const env = { ...process.env, DOCKER_BUILDKIT: '0', DOCKER_CLI_HINTS: 'false' };
  return createEngine({
    name,
    version,
    prefix,
    env,
    socketPath: host.slice('unix://'.length),
    force: ['rm', '-f'],
    tagsAtOnce: 1,
    pid: () => child.pid,
    crash: async (running) => {
      await stopChild(child, 'SIGKILL');
      const began = performance.now();
      child = launch();
      for (;;) {
        if ((await countRunning(host.slice('unix://'.length))) === running) return performance.now() - began;
        if (performance.now() - began > 120_000) throw new Error(`${name} did not come back: ${join(own, 'log')}`);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    },
    stop: () => stopChild(child, 'SIGTERM'),
  });
}

/** How many running containers the daemon lists; undefined while it does not answer. */
function countRunning(socketPath: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    const failed = (): void => resolve(undefined);
    const asked = request({ socketPath, path: '/containers/json', timeout: 30_000 }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', failed);
      response.on('end', () => {
        const list: unknown = response.statusCode === 200 ? JSON.parse(Buffer.concat(chunks).toString()) : undefined;
        resolve(Array.isArray(list) ? list.length : undefined);
      });
    });
    asked.on('error', failed);
    asked.end();
  });
}

async function preparePodman({ root }: EngineOptions): Promise<Engine> {
  const own = join(root, 'podman');
  for (const directory of ['root', 'run', 'tmp', 'net']) mkdirSync(join(own, directory), { recursive: true });
  const unpacked =
    toolEnvironment()
      .get('BERTH_PODMAN')
      ?.replace(/bin\/podman$/, 'root/usr') ?? '/usr';
  const helpers = [...new Set([unpacked, '/usr'])].map((directory) => `"${directory}/lib/podman"`);
  // What conmon runs at a container's end is podman again, which must find its libraries.
  const cleanup = [
    `"PATH=${process.env['PATH']}"`,
    `"LD_LIBRARY_PATH=${toolEnvironment().get('BERTH_TOOL_LIBRARIES') ?? ''}"`,
  ];
  const settings = join(own, 'containers.conf');
  writeFileSync(
    settings,
    [
      '[containers]',
      'default_ulimits = []',
      'log_driver = "k8s-file"',
      '[engine]',
      'cgroup_manager = "cgroupfs"',
      'events_logger = "file"',
      'runtime = "crun"',
      `tmp_dir = "${own}/tmp"`,
      `conmon_env_vars = [${cleanup.join(', ')}]`,
      `helper_binaries_dir = [${helpers.join(', ')}]`,
      '[network]',
      'network_backend = "netavark"',
      `network_config_dir = "${own}/net"`,
      'default_subnet = "10.99.0.0/16"',
      '',
    ].join('\n'),
  ); // prettier-ignore
  const prefix = [requireTool('podman'), '--root', join(own, 'root'), '--runroot', join(own, 'run')];
  const env = { ...process.env, CONTAINERS_CONF: settings };
  const version = await runOk(prefix[0] ?? '', [...prefix.slice(1), 'version', '--format', '{{.Client.Version}}'], {
    env,
  });
  return createEngine({
    name: 'podman',
    version,
    prefix,
    env,
    socketPath: undefined,
    force: ['rm', '-f', '-t', '0'],
    // Two of its processes that tag one image at the same time lose each other's names.
    tagsAtOnce: Number.POSITIVE_INFINITY,
    pid: () => undefined,
    crash: undefined,
    stop: async () => undefined,
  });
}

interface Parts {
  readonly name: EngineName;
  readonly version: string;
  readonly prefix: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly socketPath: string | undefined;
  readonly force: readonly string[];
  readonly crash: Engine['crash'];
  /** Names that one command gives. */
  readonly tagsAtOnce: number;
  pid(): number | undefined;
  stop(): Promise<void>;
}

function createEngine({ name, version, prefix, env, socketPath, force, tagsAtOnce, pid, crash, stop }: Parts): Engine {
  const command = (...args: readonly string[]): readonly string[] => [...prefix, ...args];
  const runIt = (args: readonly string[]) =>
    run(prefix[0] ?? '', [...prefix.slice(1), ...args], { env, timeoutMs: 600_000 });
  const ok = async (...args: readonly string[]): Promise<string> => {
    const ran = await runIt(args);
    if (ran.code !== 0) throw new Error(`${name} ${args.slice(0, 4).join(' ')}: ${ran.stderr.trim().slice(-300)}`);
    return ran.stdout.trimEnd();
  };
  const tryTo = async (...args: readonly string[]): Promise<void> => void (await runIt(args));
  const remove = (...containers: readonly string[]): Promise<void> => tryTo(...force, ...containers);
  return {
    name,
    version,
    get pid() {
      return pid();
    },
    socketPath,
    crash,
    command,
    time: (...args) => time(command(...args), { env }),
    ok,
    tryTo,
    tag: (image, ...names) =>
      tagsAtOnce > 1
        ? ok('tag', image, ...names).then(() => undefined)
        : inParallel(names, 4, (name) => ok('tag', image, name)),
    remove,
    async [Symbol.asyncDispose]() {
      const left = (await runIt(['ps', '-aq'])).stdout.split('\n').filter((id) => id !== '');
      if (left.length > 0) await remove(...left);
      await stop();
    },
  };
}

async function stopChild(child: ChildProcess, by: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  child.once('exit', () => resolve());
  child.kill(by);
  const timer = setTimeout(() => child.kill('SIGKILL'), 30_000);
  await promise;
  clearTimeout(timer);
}
