import { notImplemented } from '@berth/base';
import { fileAttributes, type LogConfig, readLogFrames, readLogs } from '@berth/logs';
import type { Container } from './container.ts';
import type { ContainerDeps } from './deps.ts';
import { logSubject } from './log-forwarding.ts';
import { logSettings } from './log-settings.ts';

export interface LogRequest {
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly follow: boolean;
  readonly timestamps: boolean;
  /** Before each line the labels and variables that the log options name. */
  readonly details?: boolean;
  /** Last so many lines; undefined for all. */
  readonly tail?: number | undefined;
  /** Nanoseconds since the epoch. */
  readonly since?: bigint;
  readonly until?: bigint;
  readonly signal: AbortSignal;
}

export interface OpenedLogs {
  readonly tty: boolean;
  /** Ready for the wire: multiplexed frames, or plain bytes for a terminal. */
  bytes(): AsyncIterable<Uint8Array>;
}

const streams = (request: { readonly stdout: boolean; readonly stderr: boolean }): readonly ('stdout' | 'stderr')[] => [
  ...(request.stdout ? (['stdout'] as const) : []),
  ...(request.stderr ? (['stderr'] as const) : []),
];

/** What the container wrote; with `follow`, also what it goes on to write until it stops. */
export function logs(deps: ContainerDeps, nameOrId: string, request: LogRequest): OpenedLogs {
  const container = deps.store.get(nameOrId);
  const config = logSettings(deps, container);
  if (!config.readable) throw notImplemented('configured logging driver does not support reading');
  const { settings, logPath } = container.record;
  const follow = request.follow && (container.isRunning || container.is('restarting'));
  return {
    tty: settings.tty,
    bytes: () =>
      readLogFrames({
        path: logPath,
        streams: streams(request),
        multiplexed: !settings.tty,
        timestamps: request.timestamps,
        ...(request.details ? { details: attributesOf(container, config) } : {}),
        follow,
        // Asked to follow, clients take a frame for a line also when there is nothing to follow any more.
        coalesce: !request.follow,
        ...(request.tail === undefined ? {} : { tail: request.tail }),
        ...(request.since === undefined ? {} : { since: request.since }),
        ...(request.until === undefined ? {} : { until: request.until }),
        ...(follow ? { stopped: container.exitWaiters.add().promise } : {}),
        signal: request.signal,
      }),
  };
}

/** Only `json-file` keeps them with the lines; dockerd's copy of what goes elsewhere has none. */
const attributesOf = (container: Container, { driver, options }: LogConfig): Readonly<Record<string, string>> =>
  driver === 'json-file' ? fileAttributes(logSubject(container), options) : {};

/** The log so far as stream chunks, for `attach` with `logs`. */
export async function* logFrames(
  deps: ContainerDeps,
  container: Container,
  request: { readonly stdout: boolean; readonly stderr: boolean },
  signal: AbortSignal,
): AsyncIterable<{ readonly stream: 'stdout' | 'stderr'; readonly data: Uint8Array }> {
  if (!logSettings(deps, container).readable) return;
  yield* readLogs({ path: container.record.logPath, streams: streams(request), signal });
}
