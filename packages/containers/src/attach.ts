import { kill } from 'node:process';
import { conflict, isKind, sleep, throwIfAborted } from '@berth/base';
import type { AttachedStreams, Process } from '@berth/runtime';
import type { Container } from './container.ts';
import type { ContainerDeps } from './deps.ts';
import { DetachDetector, parseDetachKeys } from './detach-keys.ts';
import { emitContainer } from './events.ts';
import { logFrames } from './logs.ts';

export interface AttachRequest {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** Follow the live streams. */
  readonly stream: boolean;
  /** Replay what has been logged first. */
  readonly logs: boolean;
  readonly detachKeys?: string;
}

/** The client's side of a hijacked connection. */
export interface ClientStreams {
  readonly input: AsyncIterable<Uint8Array>;
  /** Resolves when the client is ready for more. */
  write(stream: 'stdout' | 'stderr', data: Uint8Array): Promise<void>;
}

/**
 * An attach call that takes effect: nothing the process writes from now on is missed. `run` pumps until the output ends,
 * the client detaches or goes away. Dispose it when done, or instead of `run`.
 */
export interface Attachment extends AsyncDisposable {
  readonly tty: boolean;
  run(client: ClientStreams, options: { readonly signal: AbortSignal }): Promise<void>;
}

/** An attachment that waits for its container to be started. */
export interface PendingAttachment {
  connect(process: Process): Promise<void>;
  /** The container will not run: its start failed or it was removed. */
  cancel(): void;
}

/** `signal`: the client has gone. Throws `conflict` for a container that is paused or between two runs. */
export async function attach(
  deps: ContainerDeps,
  nameOrId: string,
  request: AttachRequest,
  options: { readonly signal: AbortSignal },
): Promise<Attachment> {
  const container = deps.store.get(nameOrId);
  if (container.state.status === 'paused')
    throw conflict(`Container ${nameOrId} is paused, unpause the container before attach.`);
  if (container.state.status === 'restarting')
    throw conflict(`Container ${nameOrId} is restarting, wait until the container is running`);
  const detachKeys = parseDetachKeys(request.detachKeys);
  const { settings } = container.record;
  const disposed = new AbortController();
  const live = request.stream
    ? await connectStreams(container, AbortSignal.any([options.signal, disposed.signal]))
    : undefined;
  return {
    tty: settings.tty,
    async run(client, { signal }) {
      // Connected before replaying, so that nothing falls between the log and the live stream.
      if (request.logs)
        for await (const { stream, data } of logFrames(deps, container, request, signal))
          await client.write(stream, data);
      if (live === undefined) return;
      emitContainer(deps, container, 'attach');
      const streams = await live.connected;
      if (!streams) return;
      const over = container.runWaiters.add();
      using _notTold = { [Symbol.dispose]: over.cancel };
      const outcome = await pump(streams, client, {
        signal,
        stdout: request.stdout,
        stderr: request.stderr,
        stdin: request.stdin && settings.openStdin,
        closeStdin: settings.stdinOnce && !settings.tty,
        ...(settings.tty ? { detachKeys } : {}),
      });
      // Clients ask for the exit code and remove networks and volumes next. Of a monitor that was killed no exit comes.
      if (outcome === 'ended') await Promise.race([over.promise, untilRunsOn(container, signal)]);
      if (outcome === 'detached') emitContainer(deps, container, 'detach');
    },
    async [Symbol.asyncDispose]() {
      disposed.abort();
      await (await live?.connected)?.[Symbol.asyncDispose]();
    },
  };
}

const RUNS_ON_MS = 150;

/** Resolves once the process has been seen alive for a while, or nobody is interested any more; never for one that ended. */
async function untilRunsOn({ state: { pid } }: Container, signal: AbortSignal): Promise<void> {
  const end = performance.now() + RUNS_ON_MS;
  while (isAlive(pid) && performance.now() < end) await sleep(10);
  if (!isAlive(pid)) await aborted(signal);
}

function isAlive(pid: number): boolean {
  try {
    return pid > 0 && kill(pid, 0);
  } catch {
    return false;
  }
}

/** Resolves when the signal fires. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** Ends every attachment that waits for a start which will not come. */
export function cancelPending(container: Container): void {
  for (const pending of container.pendingAttachments) pending.cancel();
  container.pendingAttachments.clear();
}

/** In an object, since a promise of a promise would be awaited as one. Undefined: the client left first, or there was no start. */
interface LiveStreams {
  readonly connected: Promise<AttachedStreams | undefined>;
}

/** Resolves once the process's streams are connected, or will be as soon as it is started. */
async function connectStreams(container: Container, signal: AbortSignal): Promise<LiveStreams> {
  throwIfAborted(signal);
  if (!container.task || !container.isRunning) return { connected: connectAtStart(container, signal) };
  const streams = await unlessExited(container.task.attach({ signal }));
  return { connected: Promise.resolve(streams) };
}

function connectAtStart(container: Container, signal: AbortSignal): Promise<AttachedStreams | undefined> {
  const { promise, resolve } = Promise.withResolvers<AttachedStreams | undefined>();
  const pending: PendingAttachment = {
    async connect(process) {
      try {
        resolve(await unlessExited(process.attach({ signal })));
      } catch (error) {
        resolve(undefined);
        // A start does not fail because somebody who wanted to watch it has left.
        if (!signal.aborted) throw error;
      }
    },
    cancel: () => resolve(undefined),
  };
  container.pendingAttachments.add(pending);
  signal.addEventListener('abort', () => {
    container.pendingAttachments.delete(pending);
    resolve(undefined);
  });
  return promise;
}

/** Who comes as the process goes finds the end of the stream. */
async function unlessExited(attaching: Promise<AttachedStreams>): Promise<AttachedStreams | undefined> {
  try {
    return await attaching;
  } catch (error) {
    if (isKind(error, 'conflict')) return undefined;
    throw error;
  }
}

export interface PumpOptions {
  readonly signal: AbortSignal;
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** Pass the client's end of input on to the process. */
  readonly closeStdin: boolean;
  readonly detachKeys?: readonly number[];
}

/** Moves bytes both ways until the output ends (`ended`), the keys are typed (`detached`) or the signal fires (`gone`). */
export async function pump(
  streams: AttachedStreams,
  client: ClientStreams,
  options: PumpOptions,
): Promise<'ended' | 'detached' | 'gone'> {
  await using held = streams;
  const detached = Promise.withResolvers<'detached'>();
  const gone = Promise.withResolvers<'gone'>();
  const onAbort = (): void => gone.resolve('gone');
  options.signal.addEventListener('abort', onAbort, { once: true });
  if (options.stdin)
    pumpInput(held, client, options).then(
      (done) => done === 'detached' && detached.resolve('detached'),
      () => undefined, // the process closed its stdin or the client went: the output side decides what happens next
    );
  try {
    return await Promise.race([pumpOutput(held, client, options), detached.promise, gone.promise]);
  } finally {
    options.signal.removeEventListener('abort', onAbort);
  }
}

async function pumpOutput(
  streams: AttachedStreams,
  client: ClientStreams,
  options: PumpOptions,
): Promise<'ended' | 'gone'> {
  for await (const { stream, data } of streams.output) {
    if (!options[stream]) continue;
    try {
      await client.write(stream, data);
    } catch {
      return 'gone';
    }
  }
  return 'ended';
}

async function pumpInput(
  streams: AttachedStreams,
  client: ClientStreams,
  options: PumpOptions,
): Promise<'ended' | 'detached'> {
  const detector = options.detachKeys ? new DetachDetector(options.detachKeys) : undefined;
  for await (const chunk of client.input) {
    const { pass, detached } = detector?.feed(chunk) ?? { pass: chunk, detached: false };
    if (pass.length > 0) await streams.write(pass);
    if (detached) return 'detached';
  }
  if (options.closeStdin) await streams.closeStdin();
  return 'ended';
}
