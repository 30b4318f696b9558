import { type FSWatcher, mkdirSync, rmSync, watch, writeFileSync } from 'node:fs';
import { access, rm } from 'node:fs/promises';
import { type CallOptions, conflict, invalid, isKind, sleep, throwIfAborted } from '@berth/base';
import type { AttachedStreams, ExecSpec, ExecStarted, Task } from '../monitor.ts';
import type { OciRuntime } from '../oci-runtime.ts';
import { runtimeError } from '../runtime-error.ts';
import type { RuntimeFlavour } from '../runtime-flavour.ts';
import { encodeSpec } from '../spec/encode-spec.ts';
import { ConmonProcess } from './conmon-process.ts';
import { sendReopenLogs } from './control-fifo.ts';
import { identify, isAlive, type ProcessIdentity } from './process-identity.ts';
import { removeState } from './remove-state.ts';
import { type Conmon, spawnConmon } from './spawn-conmon.ts';
import { openStartGate } from './start-gate.ts';
import { cgroupsPathOf, readExit, type TaskRecord } from './task-files.ts';

const SIGKILL = 9;
const LIVENESS_MS = 2000;
const REOPEN_MS = 2000;
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/;

export interface TaskContext {
  readonly conmonPath: string;
  readonly runtime: OciRuntime;
  readonly runtimeRoot: string;
  readonly flavour: RuntimeFlavour;
  readonly onRelease: (id: string) => void;
}

/** A container's first process under conmon. */
export class ConmonTask extends ConmonProcess implements Task {
  readonly #context: TaskContext;
  readonly #record: TaskRecord;
  #watcher: FSWatcher | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(id: string, dir: string, identity: ProcessIdentity, record: TaskRecord, context: TaskContext) {
    super(id, dir, identity);
    this.#record = record;
    this.#context = context;
  }

  /** For a monitor that is this daemon's child. */
  follow(conmon: Conmon): void {
    void conmon.gone.then(() => this.settle());
  }

  /** For a monitor that a former daemon started: its files and its process are looked at. */
  observe(): void {
    const look = (): void => {
      if (readExit(this.dir) === undefined && isAlive(this.#record.monitor)) return;
      this.unobserve();
      void this.settle();
    };
    this.#watcher = watch(this.dir, (_, name) => {
      if (name === 'exit') look();
    });
    this.#watcher.on('error', () => undefined);
    this.#timer = setInterval(look, LIVENESS_MS);
    look();
  }

  unobserve(): void {
    this.#watcher?.close();
    clearInterval(this.#timer);
  }

  async start(options: CallOptions = {}): Promise<void> {
    throwIfAborted(options.signal);
    const { flavour, runtime, runtimeRoot } = this.#context;
    if (await openStartGate(flavour, `${runtimeRoot}/${this.id}`)) return;
    await runtime.start(this.id, options);
  }

  async exec(spec: ExecSpec, options: CallOptions = {}): Promise<ExecStarted> {
    throwIfAborted(options.signal);
    if (!NAME.test(spec.id)) throw invalid(`invalid exec ID: ${spec.id}`);
    if (this.exitStatus() !== undefined) throw conflict(`container ${this.id} is not running`);
    const dir = `${this.dir}/exec/${spec.id}`;
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    try {
      return await this.#execIn(dir, spec, options);
    } catch (error) {
      rmSync(dir, { recursive: true, force: true });
      throw error;
    }
  }

  async #execIn(dir: string, spec: ExecSpec, options: CallOptions): Promise<ExecStarted> {
    const processPath = `${dir}/process.json`;
    writeFileSync(processPath, encodeSpec(spec.process), { mode: 0o600 });
    const conmon = spawnConmon({
      conmonPath: this.#context.conmonPath,
      containerId: this.id,
      dir,
      runtimePath: this.#record.runtime.path,
      runtimeRoot: this.#context.runtimeRoot,
      flavour: this.#context.flavour,
      runtimeArgs: this.#record.runtime.args ?? [],
      logPath: undefined,
      terminal: spec.terminal,
      stdin: spec.stdin,
      keepStdinOpen: spec.terminal,
      exec: { processPath, attach: spec.attach },
    });
    return await this.#running(dir, spec, conmon, options);
  }

  async #running(dir: string, spec: ExecSpec, conmon: Conmon, options: CallOptions): Promise<ExecStarted> {
    const process = new ConmonProcess(spec.id, dir, { pid: 0, startTime: 0 });
    let streams: AttachedStreams | undefined;
    if (conmon.gate !== undefined && (await conmon.gate.listening.next()) !== undefined) {
      streams = await process.connect();
      conmon.gate.release();
    }
    const created = await conmon.sync.next();
    if (created === undefined || created.data < 0) {
      await streams?.[Symbol.asyncDispose]();
      await conmon.gone;
      throw runtimeError(created?.message || conmon.complaint(), 'exec', commandOf(spec.process));
    }
    process.identify(identify(created.data));
    if (options.signal?.aborted) {
      await streams?.[Symbol.asyncDispose]();
      await process.signal(SIGKILL);
      await conmon.gone;
      throwIfAborted(options.signal);
    }
    void conmon.gone.then(async () => {
      await process.settle();
      await rm(dir, { recursive: true, force: true });
    });
    return { process, ...(streams === undefined ? {} : { streams }) };
  }

  async reopenLog(): Promise<void> {
    const { logPath } = this.#record;
    if (logPath === undefined) return;
    sendReopenLogs(this.dir);
    const exists = (): Promise<boolean> =>
      access(logPath).then(
        () => true,
        () => false,
      );
    for (const deadline = Date.now() + REOPEN_MS; !(await exists()) && Date.now() < deadline; ) await sleep(1);
  }

  async release(): Promise<void> {
    if (this.exitStatus() === undefined) throw conflict(`container ${this.id} is running`);
    this.unobserve();
    const { flavour, runtime, runtimeRoot } = this.#context;
    if (!flavour.plainState || !removeState(runtimeRoot, this.id, cgroupsPathOf(this.dir)))
      await deleteFromRuntime(runtime, this.id);
    await rm(this.dir, { recursive: true, force: true });
    this.#context.onRelease(this.id);
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    this.unobserve();
    await super[Symbol.asyncDispose]();
  }
}

const commandOf = (process: unknown): string => {
  const args = (process as { args?: readonly string[] } | undefined)?.args;
  return args?.[0] ?? '';
};

/** Deletes what the runtime knows of a container, also one whose processes are still being killed. */
export async function deleteFromRuntime(runtime: OciRuntime, id: string): Promise<void> {
  try {
    await runtime.delete(id, { force: true });
  } catch (error) {
    if (!isKind(error, 'notFound')) throw error;
  }
}
