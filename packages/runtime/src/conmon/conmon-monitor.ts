import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { resolve } from 'node:path';
import {
  type CallOptions,
  conflict,
  EngineError,
  errnoOf,
  invalid,
  type Logger,
  silentLogger,
  throwIfAborted,
} from '@berth/base';
import { createCliRuntime } from '../cli-runtime.ts';
import type { LaunchSpec, Monitor, Task } from '../monitor.ts';
import { runtimeError } from '../runtime-error.ts';
import { flavourOf, runtimeRoot } from '../runtime-flavour.ts';
import { ConmonTask, type TaskContext } from './conmon-task.ts';
import { discardLaunch } from './discard-launch.ts';
import { identify, isAlive, type ProcessIdentity } from './process-identity.ts';
import { type Conmon, spawnConmon } from './spawn-conmon.ts';
import { readProcess, readRecord, type TaskRecord, writeProcess, writeRecord } from './task-files.ts';

/** How long a runtime may take to create a container that nobody wants any more. */
const PATIENCE_MS = 10_000;
const NOBODY: ProcessIdentity = { pid: 0, startTime: 0 };
const ID = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/;

export interface ConmonMonitorOptions {
  /** Default `/usr/bin/conmon`. */
  readonly conmonPath?: string;
  /** Any length; should be on tmpfs. Runtime state is kept below it too, see {@link runtimeRoot}. */
  readonly execRoot: string;
  readonly logger?: Logger;
}

export interface ConmonMonitor extends Monitor, Disposable {}

/** What crun and runc say of an ID that is taken. */
const isInTheWay = (error: unknown): boolean =>
  error instanceof EngineError && /container .*\bexists\b/i.test(String(error.details['raw'] ?? ''));

const firstArgument = (bundle: string): string => {
  try {
    const config = JSON.parse(readFileSync(`${bundle}/config.json`, 'utf8')) as { process?: { args?: string[] } };
    return config.process?.args?.[0] ?? '';
  } catch {
    return '';
  }
};

class Conmons implements ConmonMonitor {
  readonly #conmonPath: string;
  readonly #execRoot: string;
  readonly #tasksDir: string;
  readonly #logger: Logger;
  readonly #tasks = new Map<string, ConmonTask>();
  readonly #children = new Map<string, Conmon>();

  constructor(options: ConmonMonitorOptions) {
    this.#conmonPath = options.conmonPath ?? '/usr/bin/conmon';
    this.#execRoot = resolve(options.execRoot);
    this.#tasksDir = `${this.#execRoot}/tasks`;
    this.#logger = options.logger ?? silentLogger;
    mkdirSync(this.#tasksDir, { recursive: true, mode: 0o711 });
  }

  async launch(spec: LaunchSpec, options: CallOptions = {}): Promise<Task> {
    throwIfAborted(options.signal);
    if (!ID.test(spec.id)) throw invalid(`invalid container ID: ${spec.id}`);
    if (spec.logPath?.includes(':')) throw invalid(`the log path must not contain a colon: ${spec.logPath}`);
    try {
      return await this.#launch(spec, options);
    } catch (error) {
      if (!isInTheWay(error)) throw error;
      // A launch that a daemon's death cut short came to its end after the next daemon had looked for it. No task of
      // this name is known, and what was in the way has just been deleted.
      this.#logger.warn('a container that nobody knew of was in the way', { id: spec.id });
      return await this.#launch(spec, options);
    }
  }

  async #launch(spec: LaunchSpec, options: CallOptions): Promise<Task> {
    const dir = this.#makeDir(spec);
    const context = this.#contextOf(spec.runtime);
    try {
      return await this.#create(spec, dir, context, options);
    } catch (error) {
      await discardLaunch(context, spec.id, dir).catch((cause: unknown) =>
        this.#logger.warn('a container that failed to start was not deleted', { id: spec.id, error: cause }),
      );
      rmSync(dir, { recursive: true, force: true });
      throw error;
    }
  }

  #makeDir(spec: LaunchSpec): string {
    const dir = `${this.#tasksDir}/${spec.id}`;
    try {
      mkdirSync(dir, { mode: 0o700 });
    } catch (cause) {
      if (errnoOf(cause) === 'EEXIST') throw conflict(`container ${spec.id} has been launched already`, { cause });
      throw cause;
    }
    symlinkSync(`${resolve(spec.bundle)}/config.json`, `${dir}/config.json`);
    return dir;
  }

  #contextOf(runtime: LaunchSpec['runtime']): TaskContext {
    const root = runtimeRoot(this.#execRoot, runtime.name);
    return {
      conmonPath: this.#conmonPath,
      runtime: createCliRuntime({ ...runtime, root }),
      runtimeRoot: root,
      flavour: flavourOf(runtime.path),
      onRelease: (id) => this.#tasks.delete(id),
    };
  }

  async #create(spec: LaunchSpec, dir: string, context: TaskContext, options: CallOptions): Promise<Task> {
    mkdirSync(context.runtimeRoot, { recursive: true, mode: 0o711 });
    const record = {
      bundle: resolve(spec.bundle),
      runtime: spec.runtime,
      ...(spec.logPath === undefined ? {} : { logPath: spec.logPath }),
    };
    // Before there is a process: should this one die the next moment, the next knows what to look for.
    writeRecord(dir, { ...record, monitor: NOBODY });
    const conmon = spawnConmon({
      conmonPath: this.#conmonPath,
      containerId: spec.id,
      dir,
      runtimePath: spec.runtime.path,
      runtimeRoot: context.runtimeRoot,
      flavour: context.flavour,
      runtimeArgs: spec.runtime.args ?? [],
      logPath: spec.logPath,
      terminal: spec.terminal,
      stdin: spec.stdin,
      keepStdinOpen: spec.terminal || !spec.stdinOnce,
    });
    const started: TaskRecord = { ...record, monitor: identify(conmon.child.pid ?? 0) };
    writeRecord(dir, started);
    const pid = await this.#created(spec, conmon, options);
    const identity = identify(pid);
    writeProcess(dir, identity);
    const task = new ConmonTask(spec.id, dir, identity, started, context);
    task.follow(conmon);
    this.#tasks.set(spec.id, task);
    this.#children.set(spec.id, conmon);
    void conmon.gone.then(() => this.#children.delete(spec.id));
    return task;
  }

  /** A cancelled launch is seen through and then undone: a runtime killed midway leaves what nobody knows of. */
  async #created(spec: LaunchSpec, conmon: Conmon, options: CallOptions): Promise<number> {
    let timer: NodeJS.Timeout | undefined;
    const patience = (): void => {
      timer = setTimeout(() => conmon.child.kill('SIGKILL'), PATIENCE_MS);
    };
    options.signal?.addEventListener('abort', patience, { once: true });
    try {
      const message = await conmon.sync.next();
      throwIfAborted(options.signal);
      if (message !== undefined && message.data > 0) return message.data;
      await conmon.gone;
      throw runtimeError(message?.message || conmon.complaint(), 'create', firstArgument(spec.bundle));
    } finally {
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', patience);
    }
  }

  async reconnect(id: string): Promise<Task | undefined> {
    const known = this.#tasks.get(id);
    if (known !== undefined) return known;
    if (!ID.test(id)) throw invalid(`invalid container ID: ${id}`);
    const dir = `${this.#tasksDir}/${id}`;
    const record = readRecord(dir);
    const identity = record === undefined ? undefined : readProcess(dir, record.monitor);
    if (record === undefined || identity === undefined) {
      await this.#discard(id, dir, record);
      return undefined;
    }
    const task = new ConmonTask(id, dir, identity, record, this.#contextOf(record.runtime));
    this.#tasks.set(id, task);
    task.observe();
    if (!isAlive(record.monitor)) await task.wait();
    return task;
  }

  /** A launch that a daemon's death cut short: nothing of the user's has run yet. */
  async #discard(id: string, dir: string, record: TaskRecord | undefined): Promise<void> {
    if (record !== undefined) await discardLaunch(this.#contextOf(record.runtime), id, dir);
    rmSync(dir, { recursive: true, force: true });
  }

  async list(): Promise<readonly string[]> {
    return readdirSync(this.#tasksDir);
  }

  /** Stops watching, so that this process may end; the containers run on. */
  [Symbol.dispose](): void {
    for (const task of this.#tasks.values()) task.unobserve();
    for (const { child } of this.#children.values()) {
      child.unref();
      for (const pipe of child.stdio) pipe?.destroy();
    }
  }
}

/** {@link Monitor} with one conmon (2.1) for each container and each further process. */
export function createConmonMonitor(options: ConmonMonitorOptions): ConmonMonitor {
  return new Conmons(options);
}
