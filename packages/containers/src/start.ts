import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type CallOptions, conflict, EngineError, messageOf, notModified } from '@berth/base';
import { expectCgroupMigration } from '@berth/linux';
import type { LogSink } from '@berth/logs';
import { buildRuntimeSpec, encodeSpec, ensureApparmorProfile, type Task } from '@berth/runtime';
import { cancelPending } from './attach.ts';
import type { Container } from './container.ts';
import type { ContainerDeps } from './deps.ts';
import { tellLinked, writeEtcFiles } from './etc-files.ts';
import { emitContainer } from './events.ts';
import { startHealth } from './health.ts';
import { unstageMounts } from './image-mounts.ts';
import { connectLogSink, forwardLog } from './log-forwarding.ts';
import { keepsLog, rotateLogs } from './log-settings.ts';
import { containerDirectory } from './paths.ts';
import { runtimeOf } from './pause.ts';
import { assertRuns } from './platform-check.ts';
import { removeContainer } from './remove.ts';
import { acquireResources, releaseHostResources } from './resources.ts';
import { specInputFor } from './spec.ts';

export async function start(deps: ContainerDeps, nameOrId: string, options: CallOptions = {}): Promise<void> {
  const container = deps.store.get(nameOrId);
  using _held = await deps.lock.acquire(container.id, options);
  if (container.is('paused')) throw conflict('cannot start a paused container, try unpause instead');
  if (container.isRunning) throw notModified(`container ${nameOrId} is already running`);
  if (container.is('removing', 'dead'))
    throw conflict(`container ${nameOrId} is marked for removal and cannot be started`);
  container.restartTimer?.abort();
  container.restartTimer = undefined;
  container.restartDelayMs = 0;
  deps.store.setState(container, { stoppedByUser: false, restartCount: 0 });
  await startContainer(deps, container);
}

/** Brings a stopped container to life. The caller holds its lock. On failure everything is given back and the error recorded. */
export async function startContainer(deps: ContainerDeps, container: Container): Promise<void> {
  let task: Task | undefined;
  let sink: LogSink | undefined;
  expectCgroupMigration();
  try {
    sink = await connectLogSink(deps, container);
    task = await launch(deps, container);
    container.task = task;
    for (const pending of container.pendingAttachments) await pending.connect(task);
    container.pendingAttachments.clear();
    await task.start();
  } catch (error) {
    sink?.[Symbol.dispose]();
    container.task = undefined;
    await abandon(deps, container, task);
    await recordFailure(deps, container, error);
    throw error;
  }
  deps.store.setState(container, {
    status: 'running',
    pid: task.pid,
    exitCode: 0,
    error: '',
    oomKilled: false,
    startedAt: deps.clock.now(),
  });
  emitContainer(deps, container, 'start');
  container.health = startHealth(deps, container);
  container.logRotation = rotateLogs(deps, container, task);
  await forwardLog(deps, container, sink);
  deps.watchExit(container, task);
}

async function launch(deps: ContainerDeps, container: Container): Promise<Task> {
  const runtime = runtimeOf(deps, container);
  assertRuns(container.record.image.platform, deps.host.architecture);
  const resources = await acquireResources(deps, container);
  try {
    await writeEtcFiles(deps, container);
    await tellLinked(deps, container);
    const input = await specInputFor(deps, container, resources);
    container.specInput = input;
    await ensureApparmorProfile(input);
    const bundle = containerDirectory(deps, container.id);
    await writeFile(join(bundle, 'config.json'), encodeSpec(runtime.adapt(buildRuntimeSpec(input))));
    const { settings, logPath } = container.record;
    const task = await deps.monitor.launch({
      id: container.id,
      bundle,
      runtime: { name: runtime.name, path: runtime.path },
      terminal: settings.tty,
      stdin: settings.openStdin,
      stdinOnce: settings.stdinOnce,
      ...(keepsLog(deps, container) ? { logPath } : {}),
    });
    await unstageMounts(deps, container);
    return task;
  } catch (error) {
    await releaseHostResources(deps, container);
    throw error;
  }
}

async function abandon(deps: ContainerDeps, container: Container, task: Task | undefined): Promise<void> {
  if (!task) return;
  await task.signal(9).catch(() => undefined);
  await task
    .wait({ signal: AbortSignal.timeout(10_000) })
    .catch((error: unknown) => deps.logger.warn('failed task did not end', { error }));
  await task.release().catch((error: unknown) => deps.logger.warn('release of failed task', { error }));
  await releaseHostResources(deps, container);
}

/** As dockerd: exit code 126, 127 or 128, the text in State.Error; a failed `run --rm` leaves nothing. */
async function recordFailure(deps: ContainerDeps, container: Container, error: unknown): Promise<void> {
  const given = error instanceof EngineError ? error.details['exitCode'] : undefined;
  const exitCode = typeof given === 'number' ? given : 128;
  const wasCreated = container.state.startedAt === undefined;
  deps.store.setState(container, {
    status: wasCreated ? 'created' : 'exited',
    pid: 0,
    exitCode,
    error: messageOf(error),
    finishedAt: deps.clock.now(),
  });
  cancelPending(container);
  container.tellEnded({ exitCode, error: messageOf(error) });
  if (container.record.host.autoRemove) await removeContainer(deps, container, { removeVolumes: true });
}
