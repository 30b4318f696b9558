import { type CallOptions, conflict, deadline, invalid, messageOf, notFound, randomId } from '@berth/base';
import { expectCgroupMigration } from '@berth/linux';
import type { ExecStarted, Process } from '@berth/runtime';
import { aborted, type ClientStreams, pump } from './attach.ts';
import type { Container } from './container.ts';
import type { ContainerDeps } from './deps.ts';
import { parseDetachKeys } from './detach-keys.ts';
import { emitContainer } from './events.ts';
import { assertUser, execProcessSpec } from './process-spec.ts';

export interface ExecSettings {
  readonly attachStdin: boolean;
  readonly attachStdout: boolean;
  readonly attachStderr: boolean;
  readonly tty: boolean;
  readonly detachKeys?: string;
  readonly env: readonly string[];
  readonly cmd: readonly string[];
  readonly privileged: boolean;
  readonly user: string;
  readonly workingDir: string;
  readonly consoleSize?: readonly number[] | null;
}

export interface ExecRecord {
  readonly id: string;
  readonly containerId: string;
  readonly settings: ExecSettings;
  running: boolean;
  exitCode: number | undefined;
  pid: number;
  process: Process | undefined;
  /** Resolves once the exit is recorded. */
  ended: Promise<void>;
}

/** Exec instances live in memory, as dockerd's do: the process survives a daemon restart, its handle does not. */
export type ExecRegistry = Map<string, ExecRecord>;

const SHOWN_COMMAND = (cmd: readonly string[]): string => cmd.join(' ');

export async function createExec(deps: ContainerDeps, nameOrId: string, settings: ExecSettings): Promise<string> {
  const container = runningContainer(deps, nameOrId);
  if (settings.cmd.length === 0) throw invalid('No exec command specified');
  parseDetachKeys(settings.detachKeys);
  await assertUser(deps, container, settings);
  expectCgroupMigration();
  const id = randomId();
  deps.execs.set(id, {
    id,
    containerId: container.id,
    settings,
    running: false,
    exitCode: undefined,
    pid: 0,
    process: undefined,
    ended: Promise.resolve(),
  });
  container.execIds.add(id);
  emitContainer(deps, container, `exec_create: ${SHOWN_COMMAND(settings.cmd)}`, { execID: id });
  return id;
}

export function getExec(deps: ContainerDeps, id: string): ExecRecord {
  const exec = deps.execs.get(id);
  if (!exec) throw notFound(`No such exec instance: ${id}`);
  return exec;
}

export interface StartedExec {
  readonly tty: boolean;
  run(client: ClientStreams, options: { readonly signal: AbortSignal }): Promise<void>;
}

/** Starts an exec instance: with `detach` before it returns, else by `run` on the result, which also tells the client why it could not. */
export async function startExec(
  deps: ContainerDeps,
  id: string,
  options: CallOptions & { readonly detach: boolean; readonly consoleSize?: readonly number[] | null },
): Promise<StartedExec> {
  const exec = getExec(deps, id);
  assertStartable(deps, exec);
  if (options.detach) {
    await beginExec(deps, exec, options);
    return { tty: exec.settings.tty, run: async () => undefined };
  }
  const { settings } = exec;
  return {
    tty: settings.tty,
    async run(client, { signal }) {
      const streams = await beginExec(deps, exec, options).catch(async (error: unknown) => {
        // The connection is a stream by now: clients show what it carries, and ask `inspect` for the exit code.
        await client.write('stdout', Buffer.from(`${messageOf(error)}\r\n`));
        return undefined;
      });
      if (!streams) return;
      const outcome = await pump(streams, client, {
        signal,
        stdin: settings.attachStdin,
        stdout: settings.attachStdout,
        stderr: settings.attachStderr,
        closeStdin: true,
        ...(settings.tty ? { detachKeys: parseDetachKeys(settings.detachKeys) } : {}),
      });
      // The end of the stream is when clients ask for the exit code.
      if (outcome === 'ended') await Promise.race([exec.ended, aborted(signal)]);
    },
  };
}

function assertStartable(deps: ContainerDeps, exec: ExecRecord): Container {
  const container = runningContainer(deps, exec.containerId);
  if (exec.exitCode !== undefined) throw conflict(`Error: Exec command ${exec.id} has already run`);
  if (exec.running) throw conflict(`Error: Exec command ${exec.id} is already running`);
  return container;
}

async function beginExec(
  deps: ContainerDeps,
  exec: ExecRecord,
  options: { readonly detach: boolean; readonly consoleSize?: readonly number[] | null },
): Promise<ExecStarted['streams']> {
  const container = assertStartable(deps, exec);
  exec.running = true;
  const { id, settings } = exec;
  try {
    const started = await launchExec(
      deps,
      container,
      { id, settings, stdin: settings.attachStdin && !options.detach, attach: !options.detach },
      options.consoleSize,
    );
    exec.process = started.process;
    exec.pid = started.process.pid;
    watchExec(deps, container, exec, started.process);
    emitContainer(deps, container, `exec_start: ${SHOWN_COMMAND(settings.cmd)}`, { execID: id });
    return started.streams;
  } catch (error) {
    exec.running = false;
    exec.exitCode = exitCodeOf(error);
    throw error;
  }
}

function exitCodeOf(error: unknown): number {
  const details =
    typeof error === 'object' && error !== null && 'details' in error ? (error.details as Record<string, unknown>) : {};
  return typeof details['exitCode'] === 'number' ? details['exitCode'] : 126;
}

async function launchExec(
  deps: ContainerDeps,
  container: Container,
  request: { readonly id: string; readonly settings: ExecSettings; readonly stdin: boolean; readonly attach: boolean },
  consoleSize?: readonly number[] | null,
): Promise<ExecStarted> {
  const { task } = container;
  if (!task) throw conflict(`container ${container.id} is not running`);
  expectCgroupMigration();
  const { id, settings, stdin, attach } = request;
  const process = await execProcessSpec(deps, container, settings, consoleSize ?? settings.consoleSize);
  return await task.exec({ id, process, terminal: settings.tty, stdin, attach });
}

function watchExec(deps: ContainerDeps, container: Container, exec: ExecRecord, process: Process): void {
  const ended = Promise.withResolvers<void>();
  exec.ended = ended.promise;
  container.execProcesses.set(exec.id, process);
  deps.background.run(`exec ${exec.id}`, async () => {
    using _told = { [Symbol.dispose]: ended.resolve };
    const status = await process.wait({ signal: deps.background.stopping }).catch((error: unknown) => {
      if (deps.background.stopping.aborted) return undefined;
      throw error;
    });
    if (status === undefined) return;
    exec.running = false;
    exec.exitCode = status.exitCode;
    exec.pid = 0;
    exec.process = undefined;
    ended.resolve();
    container.execProcesses.delete(exec.id);
    await process[Symbol.asyncDispose]();
    emitContainer(deps, container, 'exec_die', { execID: exec.id, exitCode: String(status.exitCode) });
  });
}

function runningContainer(deps: ContainerDeps, nameOrId: string): Container {
  const container = deps.store.get(nameOrId);
  if (container.is('paused')) throw conflict(`Container ${nameOrId} is paused, unpause the container before exec`);
  if (container.is('restarting'))
    throw conflict(`Container ${nameOrId} is restarting, wait until the container is running`);
  if (!container.is('running') || !container.task) throw conflict(`container ${container.id} is not running`);
  return container;
}

export async function resizeExec(
  deps: ContainerDeps,
  id: string,
  size: { readonly width: number; readonly height: number },
): Promise<void> {
  const exec = getExec(deps, id);
  if (!exec.process) throw conflict(`exec process is not running: ${id}`);
  await exec.process.resize(size);
}

/** Runs a command inside the container and collects its output; `deadline`, with the output so far in its details and the process killed, when it takes too long. */
export async function runForOutput(
  deps: ContainerDeps,
  container: Container,
  cmd: readonly string[],
  options: { readonly timeoutMs: number; readonly maxOutput: number; readonly signal: AbortSignal },
): Promise<{ readonly exitCode: number; readonly output: string }> {
  const settings: ExecSettings = {
    attachStdin: false,
    attachStdout: true,
    attachStderr: true,
    tty: false,
    env: [],
    cmd,
    privileged: false,
    user: '',
    workingDir: '',
  };
  const { process, streams } = await launchExec(deps, container, {
    id: randomId(),
    settings,
    stdin: false,
    attach: true,
  });
  await using _process = process;
  const timer = AbortSignal.timeout(options.timeoutMs);
  const collected = collect(streams, options.maxOutput);
  try {
    const status = await process.wait({ signal: AbortSignal.any([timer, options.signal]) });
    await collected.end;
    return { exitCode: status.exitCode, output: collected.soFar() };
  } catch (error) {
    await process.signal(9).catch(() => undefined);
    if (timer.aborted)
      throw deadline('the command did not end in time', { cause: error, details: { output: collected.soFar() } });
    throw error;
  }
}

/** Reads to the end; `soFar` is what came, at most `limit` bytes. */
function collect(
  streams: ExecStarted['streams'],
  limit: number,
): { readonly end: Promise<void>; readonly soFar: () => string } {
  const chunks: Uint8Array[] = [];
  const read = async (): Promise<void> => {
    if (!streams) return;
    await using held = streams;
    let size = 0;
    for await (const { data } of held.output) {
      if (size < limit) chunks.push(data.subarray(0, limit - size));
      size += data.length;
    }
  };
  const end = read();
  end.catch(() => undefined);
  return { end, soFar: () => Buffer.concat(chunks).toString('utf8') };
}
