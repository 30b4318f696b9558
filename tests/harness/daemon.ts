import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { type Child, type CommandOptions, eventually, explain, type Ran, run, start } from './command.ts';
import { busyboxTar, debianTar } from './images.ts';
import { leftBy, mountsBelow, processesOf } from './leaks.ts';
import { CHECKOUT, KEEP, tempDirectory } from './temp.ts';
import { requireTool } from './tools.ts';

export interface StartDaemonOptions {
  /** More arguments for berthd, after the ones that give it roots of its own. */
  readonly args?: readonly string[];
  /** Added to berthd's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Keep everything below this directory, which is not removed afterwards; a new temporary one unless given. */
  readonly root?: string;
  /** Log level; `debug` unless told, so that a failure has something to show. */
  readonly logLevel?: 'debug' | 'info' | 'warn' | 'error';
  /** Milliseconds until `/_ping` must answer; 20,000 unless told. */
  readonly readyMs?: number;
  /** Keep a terminal's ^C from berthd, for a program that takes it down itself. */
  readonly detached?: boolean;
}

export interface ApiAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Buffer;
  /** The body as JSON. Throws when it is none. */
  json(): unknown;
}

export interface ApiOptions {
  readonly body?: string | Uint8Array | object;
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
}

/**
 * A berthd of its own. Disposing it removes its containers, stops it, and throws when it left anything on the machine
 * (mounts, processes, links, nft tables) or did not stop with exit code 0.
 */
export interface TestDaemon extends AsyncDisposable {
  readonly root: string;
  readonly dataRoot: string;
  readonly execRoot: string;
  readonly socket: string;
  /** `unix:///…`, for DOCKER_HOST. */
  readonly host: string;
  /** The running berthd; throws when it does not run. */
  readonly pid: number;
  /** Everything berthd wrote so far, over all its starts. */
  log(): string;
  /** Runs the docker CLI against this daemon. Never throws because of the exit code. */
  docker(args: readonly string[], options?: CommandOptions): Promise<Ran>;
  /** As {@link docker}, but throws with what CLI and daemon said unless the exit code is 0; trimmed standard output. */
  ok(args: readonly string[], options?: CommandOptions): Promise<string>;
  /** Starts the docker CLI and returns at once: for attach, logs -f, an interrupted pull. */
  spawn(args: readonly string[], options?: CommandOptions): Child;
  /** Runs `bin/berth` against this daemon. */
  berth(args: readonly string[], options?: CommandOptions): Promise<Ran>;
  /** What {@link docker} and {@link berth} add to the environment. */
  readonly env: Readonly<Record<string, string>>;
  /** One request on the unix socket, as raw as it gets: no version prefix is added. */
  api(method: string, path: string, options?: ApiOptions): Promise<ApiAnswer>;
  /** Imports the busybox image as `busybox:latest` unless it is there. */
  seedBusybox(): Promise<void>;
  /** Imports Debian as `debian:latest`; throws when it can not be made here (see {@link debianTar}). */
  seedDebian(): Promise<void>;
  /** SIGTERM and wait; returns the exit code. */
  stop(): Promise<number>;
  /** SIGKILL and wait: containers go on. */
  kill9(): Promise<void>;
  /** Starts berthd again over the same roots, with the same arguments; stops it first if it runs. */
  restart(options?: { readonly args?: readonly string[] }): Promise<void>;
  /** Fails unless `GET /berth/fsck` finds nothing. */
  assertClean(): Promise<void>;
  /** `rm -f` of every container. */
  removeContainers(): Promise<void>;
}

/** Starts a berthd with roots and socket of its own and waits until it answers. */
export async function startDaemon(options: StartDaemonOptions = {}): Promise<TestDaemon> {
  const temp = options.root === undefined ? await tempDirectory('d') : undefined;
  const daemon = createDaemon(options, temp?.path ?? options.root ?? '', async () => temp?.[Symbol.asyncDispose]());
  try {
    await daemon.restart();
    return daemon;
  } catch (error) {
    await Promise.resolve(daemon[Symbol.asyncDispose]()).catch(() => undefined);
    throw error;
  }
}

function createDaemon(options: StartDaemonOptions, root: string, removeRoot: () => Promise<void>): TestDaemon {
  const [dataRoot, execRoot, socket] = [join(root, 'data'), join(root, 'exec'), join(root, 'berth.sock')];
  const logFile = join(root, 'berthd.log');
  const host = `unix://${socket}`;
  const configDirectory = join(root, 'docker-config');
  mkdirSync(configDirectory, { recursive: true });
  const env = {
    DOCKER_HOST: host,
    BERTH_HOST: host,
    DOCKER_CONFIG: configDirectory,
    DOCKER_BUILDKIT: '0',
    DOCKER_CLI_HINTS: 'false',
    NODE_COMPILE_CACHE: join(CHECKOUT, '.berth/cache/compile'),
  };
  const cleared = { DOCKER_CONTEXT: undefined, DOCKER_TLS_VERIFY: undefined, DOCKER_CERT_PATH: undefined };
  let process_: ChildProcess | undefined;

  const log = (): string => {
    try {
      return readFileSync(logFile, 'utf8');
    } catch {
      return '';
    }
  };
  const lastWords = (): string => `\n--- berthd (${logFile}):\n${log().split('\n').slice(-25).join('\n')}`;
  const withEnv = (given: CommandOptions = {}): CommandOptions => ({
    ...given,
    env: { ...cleared, ...env, ...given.env },
  });
  const docker = (args: readonly string[], given?: CommandOptions): Promise<Ran> =>
    run(requireTool('docker'), args, withEnv(given));
  const ok = async (args: readonly string[], given?: CommandOptions): Promise<string> => {
    const ran = await docker(args, given);
    if (ran.code !== 0) throw new Error(explain(ran) + lastWords());
    return ran.stdout.trimEnd();
  };
  const api = (method: string, path: string, given: ApiOptions = {}): Promise<ApiAnswer> =>
    callApi(socket, method, path, given);
  const running = (): boolean => process_ !== undefined && process_.exitCode === null && process_.signalCode === null;

  const end = async (signal: NodeJS.Signals): Promise<number> => {
    const child = process_;
    if (child === undefined || !running()) return child?.exitCode ?? 0;
    const { promise, resolve } = Promise.withResolvers<number>();
    child.once('exit', (code) => resolve(code ?? -1));
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGKILL'), 40_000);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      process_ = undefined;
    }
  };

  const launch = async (args: readonly string[]): Promise<void> => {
    const sink = openSync(logFile, 'a');
    const roots = [
      '--data-root',
      dataRoot,
      '--exec-root',
      execRoot,
      '-H',
      host,
      '-p',
      join(root, 'berthd.pid'),
      '-l',
      options.logLevel ?? 'debug',
    ];
    try {
      process_ = spawn(join(CHECKOUT, 'bin/berthd'), [...roots, ...args], {
        stdio: ['ignore', sink, sink],
        env: { ...process.env, BERTH_NODE: process.execPath, ...options.env },
        cwd: root,
        detached: options.detached ?? false,
      });
    } finally {
      closeSync(sink);
    }
    const child = process_;
    child.once('error', () => undefined);
    const ready = async (): Promise<boolean> => {
      if (!running()) return true;
      return (await api('GET', '/_ping', { timeoutMs: 2000 })).status === 200;
    };
    await eventually('berthd answers /_ping', ready, options.readyMs ?? 20_000).catch((error: unknown) => {
      throw new Error(`berthd does not answer${lastWords()}`, { cause: error });
    });
    if (!running()) throw new Error(`berthd ended with exit code ${child.exitCode}${lastWords()}`);
  };

  const removeContainers = async (): Promise<void> => {
    const answer = (await api('GET', '/containers/json?all=1')).json();
    const ids = Array.isArray(answer) ? answer.map((c: { Id: string }) => c.Id) : [];
    for (const id of ids) await api('DELETE', `/containers/${id}?force=1&v=1`);
  };

  const dispose = async (): Promise<void> => {
    const problems: string[] = [];
    const note = (what: string) => (error: unknown) =>
      void problems.push(`${what}: ${error instanceof Error ? error.message : error}`);
    // Containers outlive a killed daemon: only a daemon can take them down in order.
    if (!running() && processesOf(root).length > 0) await launch(lastArgs).catch(note('start to clean up'));
    if (running()) {
      await removeContainers().catch(note('remove containers'));
      const code = await end('SIGTERM').catch(note('stop'));
      if (typeof code === 'number' && code !== 0) problems.push(`berthd stopped with exit code ${code}`);
    }
    const left = await leftUntilQuiet(root, dataRoot);
    problems.push(...left.map((thing) => `left behind: ${thing}`));
    const text = problems.length === 0 ? '' : lastWords();
    await force(root);
    await removeRoot().catch(note('remove files'));
    if (problems.length > 0) throw new Error(problems.join('\n') + text);
  };
  let lastArgs = options.args ?? [];

  const seed = async (name: string, tar: string): Promise<void> => {
    if ((await api('GET', `/images/${name}/json`)).status === 200) return;
    await ok(['import', tar, name], { timeoutMs: 120_000 });
  };

  return {
    root,
    dataRoot,
    execRoot,
    socket,
    host,
    env,
    get pid() {
      if (process_?.pid === undefined || !running()) throw new Error('berthd does not run');
      return process_.pid;
    },
    log,
    docker,
    ok,
    spawn: (args, given) => start(requireTool('docker'), args, withEnv(given)),
    berth: (args, given = {}) =>
      run(
        join(CHECKOUT, 'bin/berth'),
        args,
        withEnv({ ...given, env: { BERTH_NODE: process.execPath, ...given.env } }),
      ),
    api,
    seedBusybox: async () => seed('busybox', await busyboxTar()),
    seedDebian: async () => seed('debian', await debianTar()),
    stop: () => end('SIGTERM'),
    kill9: async () => void (await end('SIGKILL')),
    async restart(given = {}) {
      if (running()) await end('SIGTERM');
      lastArgs = given.args ?? lastArgs;
      await launch(lastArgs);
    },
    async assertClean() {
      const answer = await api('GET', '/berth/fsck', { timeoutMs: 120_000 });
      assert.equal(answer.status, 200, `fsck: ${answer.body.toString()}`);
      const report = answer.json() as { readonly clean: boolean; readonly findings: readonly unknown[] };
      assert.deepEqual(report.findings, [], 'fsck found something');
      assert.equal(report.clean, true);
    },
    removeContainers,
    [Symbol.asyncDispose]: dispose,
  };
}

/** What is still there after two seconds of grace: the kernel takes mounts and links down a moment after their last user. */
async function leftUntilQuiet(root: string, dataRoot: string): Promise<readonly string[]> {
  let left = await leftBy(root, dataRoot);
  for (let attempt = 0; left.length > 0 && attempt < 10; attempt++) {
    await new Promise((resolve) => setTimeout(resolve, 200));
    left = await leftBy(root, dataRoot);
  }
  return left;
}

/** The way out when a daemon could not clean up: its monitors and containers are killed, its mounts detached. */
async function force(root: string): Promise<void> {
  for (const { pid } of processesOf(root)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It ended by itself.
    }
  }
  for (const point of mountsBelow(root)) await run('umount', ['-l', point]);
  if (!KEEP) await rm(join(root, 'docker-config'), { recursive: true, force: true });
}

/** One HTTP request on a unix socket. */
export function callApi(
  socketPath: string,
  method: string,
  path: string,
  options: ApiOptions = {},
): Promise<ApiAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<ApiAnswer>();
  const isJson = typeof options.body === 'object' && !(options.body instanceof Uint8Array);
  const body = isJson ? JSON.stringify(options.body) : (options.body as string | Uint8Array | undefined);
  const headers = { host: 'berth', ...(isJson ? { 'content-type': 'application/json' } : {}), ...options.headers };
  const outgoing = request(
    { socketPath, method, path, headers, agent: false, timeout: options.timeoutMs ?? 30_000 },
    (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('error', reject);
      incoming.on('end', () => {
        const whole = Buffer.concat(chunks);
        resolve({
          status: incoming.statusCode ?? 0,
          headers: incoming.headers,
          body: whole,
          json: () => JSON.parse(whole.toString()),
        });
      });
    },
  );
  outgoing.on('timeout', () => outgoing.destroy(new Error(`${method} ${path}: no answer`)));
  outgoing.on('error', reject);
  outgoing.end(body);
  return promise;
}

/** A daemon.json written below a daemon's root before its start; returns the arguments that make berthd read it. */
export async function withConfigFile(root: string, config: object): Promise<readonly string[]> {
  const path = join(root, 'daemon.json');
  await writeFile(path, JSON.stringify(config));
  return ['--config-file', path];
}
