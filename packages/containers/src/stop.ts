import { type CallOptions, deadline, isKind, notModified, sleep } from '@berth/base';
import type { Container } from './container.ts';
import type { ContainerDeps } from './deps.ts';
import { emitContainer } from './events.ts';
import { cancelRestart } from './restart-policy.ts';
import { parseSignal } from './validate.ts';

const SIGKILL = 9;
const SIGCONT = 18;
const DEFAULT_TIMEOUT_SECONDS = 10;
/** How long an exit may take to be noticed after SIGKILL before the call gives up. */
const KILL_PATIENCE_MS = 30_000;

export interface StopOptions extends CallOptions {
  /** Seconds before SIGKILL; negative waits for ever; default the container's, else 10. */
  readonly timeout?: number;
  readonly stopSignal?: string;
}

export async function stop(deps: ContainerDeps, nameOrId: string, options: StopOptions = {}): Promise<void> {
  const container = deps.store.get(nameOrId);
  if (cancelRestart(deps, container)) return;
  if (!container.isRunning) throw notModified(`container ${nameOrId} is already stopped`);
  await stopContainer(deps, container, options);
}

/** Stops a running container: its stop signal, then SIGKILL after the timeout. Marks it as stopped by the user. */
export async function stopContainer(
  deps: ContainerDeps,
  container: Container,
  options: StopOptions = {},
): Promise<void> {
  deps.store.setState(container, { stoppedByUser: true });
  await takeDown(deps, container, options);
  emitContainer(deps, container, 'stop');
}

/** The same by the engine itself: nobody has stopped it, so its restart policy still holds. */
export async function stopForRestart(deps: ContainerDeps, container: Container): Promise<void> {
  await takeDown(deps, container, {});
  emitContainer(deps, container, 'stop');
}

async function takeDown(deps: ContainerDeps, container: Container, options: StopOptions): Promise<void> {
  const seconds = options.timeout ?? container.record.settings.stopTimeout ?? DEFAULT_TIMEOUT_SECONDS;
  const signal = parseSignal(options.stopSignal ?? container.record.settings.stopSignal ?? 'TERM');
  const exited = container.exitWaiters.add();
  try {
    await sendSignal(deps, container, signal);
    if (seconds >= 0 && !(await within(exited.promise, seconds * 1000))) {
      await sendSignal(deps, container, SIGKILL);
      if (!(await within(exited.promise, KILL_PATIENCE_MS)))
        throw deadline(`container ${container.id} did not exit within ${KILL_PATIENCE_MS / 1000} s of SIGKILL`);
    } else await exited.promise;
  } finally {
    exited.cancel();
  }
}

/** Signals the container's init; one that has exited meanwhile is no error. A paused one is let go so that it can act. */
export async function sendSignal(deps: ContainerDeps, container: Container, signal: number): Promise<void> {
  const { task } = container;
  if (!task) return;
  try {
    await task.signal(signal);
  } catch (error) {
    if (!isKind(error, 'notFound', 'conflict')) throw error;
    return;
  }
  emitContainer(deps, container, 'kill', { signal: String(signal) });
  if (container.is('paused') && signal !== SIGCONT) await resumePaused(deps, container);
}

async function resumePaused(deps: ContainerDeps, container: Container): Promise<void> {
  const runtime = deps.runtimes.get(container.record.runtime);
  await runtime
    ?.resume(container.id)
    .catch((error: unknown) => deps.logger.debug('resume before stop failed', { error }));
}

async function within(promise: Promise<unknown>, ms: number): Promise<boolean> {
  const timer = new AbortController();
  try {
    return await Promise.race([promise.then(() => true), sleep(ms, { signal: timer.signal }).then(() => false)]);
  } finally {
    timer.abort();
  }
}
