import { wrap } from '@berth/base';
import { type LogPosition, type LogSink, type LogSubject, startLogForwarder } from '@berth/logs';
import type { Container } from './container.ts';
import { commandOf } from './create.ts';
import type { ContainerDeps } from './deps.ts';
import { logSettings } from './log-settings.ts';

/** How long a container that goes away waits for its last lines to be delivered. */
const LAST_LINES_MS = 10_000;
/** The same when the daemon goes: the next one sends the rest. */
const SHUTDOWN_MS = 1000;

interface PositionRow {
  readonly inode: string;
  readonly offset: number;
}

/** A container as log drivers see it. */
export function logSubject({ record }: Container): LogSubject {
  return {
    id: record.id,
    name: record.name,
    imageId: record.image.id,
    imageName: record.settings.image,
    command: commandOf(record.settings),
    createdAt: record.createdAt,
    env: record.settings.env,
    labels: record.settings.labels,
    daemonName: 'docker',
  };
}

/** Connects to where the log is to go, before the container is started: dockerd starts none whose driver fails. */
export async function connectLogSink(deps: ContainerDeps, container: Container): Promise<LogSink | undefined> {
  let sink: LogSink | undefined;
  try {
    sink = logSettings(deps, container).createSink?.(logSubject(container));
    await sink?.connect();
    return sink;
  } catch (error) {
    sink?.[Symbol.dispose]();
    throw wrap('failed to initialize logging driver', error, 'internal');
  }
}

/** Sends on what the container writes, from where the last run's, or the last daemon's, forwarding got to. */
export async function forwardLog(deps: ContainerDeps, container: Container, sink: LogSink | undefined): Promise<void> {
  if (sink === undefined) return;
  await container.logForwarder?.[Symbol.asyncDispose]();
  container.logForwarder = startLogForwarder({
    path: container.record.logPath,
    sink,
    from: readPosition(deps, container.id),
    delivered: (position) => savePosition(deps, container.id, position),
    logger: deps.logger,
  });
}

/** After a daemon start: goes on with a running container's log, and with what one that ended had not delivered. */
export async function resumeForwarding(deps: ContainerDeps, container: Container): Promise<void> {
  try {
    const { createSink } = logSettings(deps, container);
    if (createSink === undefined || container.is('created')) return;
    await forwardLog(deps, container, createSink(logSubject(container)));
    if (!container.isRunning) container.logForwarder?.end();
  } catch (error) {
    // A socket that is not there any more, for instance: the container runs on.
    deps.logger.warn('a log is not forwarded', { container: container.id, error });
  }
}

/** For a container that is being removed: waits for its last lines, within bounds, and forgets where it was. */
export async function endForwarding(deps: ContainerDeps, container: Container): Promise<void> {
  const { logForwarder } = container;
  container.logForwarder = undefined;
  await logForwarder?.drain(LAST_LINES_MS);
  await logForwarder?.[Symbol.asyncDispose]();
  deps.state.run('DELETE FROM log_deliveries WHERE container_id = ?', container.id);
}

/** Ends all forwarding with the daemon. */
export async function suspendForwarding(deps: ContainerDeps): Promise<void> {
  await Promise.all(
    deps.store.list().map(async ({ isRunning, logForwarder }) => {
      if (!isRunning) await logForwarder?.drain(SHUTDOWN_MS);
      await logForwarder?.[Symbol.asyncDispose]();
    }),
  );
}

function readPosition({ state }: ContainerDeps, id: string): LogPosition | undefined {
  const row = state.get<PositionRow>('SELECT inode, offset FROM log_deliveries WHERE container_id = ?', id);
  return row && { inode: BigInt(row.inode), offset: row.offset };
}

function savePosition({ state }: ContainerDeps, id: string, { inode, offset }: LogPosition): void {
  state.run(
    `INSERT INTO log_deliveries VALUES (?, ?, ?)
     ON CONFLICT (container_id) DO UPDATE SET inode = excluded.inode, offset = excluded.offset`,
    id,
    String(inode),
    offset,
  );
}
