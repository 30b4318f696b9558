import { type CallOptions, cancelled, sleep, throwIfAborted } from '@berth/base';
import type { AttachedStreams, Process } from '../monitor.ts';
import type { ExitStatus } from '../oci-runtime.ts';
import { type Attachment, connectAttach } from './attach.ts';
import { sendResize } from './control-fifo.ts';
import { isAlive, type ProcessIdentity, signalProcess } from './process-identity.ts';
import { readExit, wasOutOfMemory, wasToldOutOfMemory } from './task-files.ts';

const SIGKILL = 9;
/** How long an exit is kept back for clients that have not read all output. */
const DRAIN_MS = 3000;
const KILL_MS = 5000;

const until = async (condition: () => boolean, ms: number): Promise<void> => {
  for (const deadline = Date.now() + ms; !condition() && Date.now() < deadline; ) await sleep(5);
};

/** A process under a conmon: a container's first or a further one. */
export class ConmonProcess implements Process {
  readonly id: string;
  readonly dir: string;
  #identity: ProcessIdentity;
  readonly #reading = new Set<PromiseWithResolvers<void>>();
  readonly #exited = Promise.withResolvers<ExitStatus>();
  #status: ExitStatus | undefined;
  #settling = false;

  constructor(id: string, dir: string, identity: ProcessIdentity) {
    this.id = id;
    this.dir = dir;
    this.#identity = identity;
  }

  get pid(): number {
    return this.#identity.pid;
  }

  /** For a process whose streams had to be connected before it existed. */
  identify(identity: ProcessIdentity): void {
    this.#identity = identity;
  }

  async attach(options: CallOptions = {}): Promise<AttachedStreams> {
    const streams = await this.connect(options);
    try {
      await streams.accepted(options);
      return streams;
    } catch (error) {
      await streams[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** As {@link attach}, but does not wait for conmon to listen to it: before the process runs it does not. */
  async connect(options: CallOptions = {}): Promise<Attachment> {
    const reading = Promise.withResolvers<void>();
    const done = (): void => {
      this.#reading.delete(reading);
      reading.resolve();
    };
    const streams = await connectAttach(this.dir, done, options);
    this.#reading.add(reading);
    return streams;
  }

  async resize(size: { readonly width: number; readonly height: number }): Promise<void> {
    sendResize(this.dir, size.height, size.width);
  }

  async signal(signal: number): Promise<void> {
    signalProcess(this.#identity, signal);
  }

  async wait(options: CallOptions = {}): Promise<ExitStatus> {
    const { signal } = options;
    throwIfAborted(signal);
    if (signal === undefined) return this.#exited.promise;
    const aborted = Promise.withResolvers<never>();
    const onAbort = (): void => aborted.reject(cancelled('cancelled', { cause: signal.reason }));
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      return await Promise.race([this.#exited.promise, aborted.promise]);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  exitStatus(): ExitStatus | undefined {
    return this.#status;
  }

  /** Called when conmon has gone or has left an exit status. */
  async settle(): Promise<void> {
    if (this.#settling) return;
    this.#settling = true;
    const status = await this.#findStatus();
    const readers = Promise.all([...this.#reading].map((reading) => reading.promise));
    if (this.#reading.size > 0) await Promise.race([readers, sleep(DRAIN_MS)]);
    this.#status = status;
    this.#exited.resolve(status);
  }

  async #findStatus(): Promise<ExitStatus> {
    const recorded = readExit(this.dir);
    if (recorded !== undefined)
      return {
        exitCode: recorded.code,
        exitedAt: recorded.at,
        oomKilled: recorded.code === 0 ? wasToldOutOfMemory(this.dir) : wasOutOfMemory(this.dir),
      };
    // Its monitor was killed: nobody holds its streams or would learn its status, so it must not run on.
    signalProcess(this.#identity, SIGKILL);
    await until(() => !isAlive(this.#identity), KILL_MS);
    return { exitCode: 128 + SIGKILL, exitedAt: new Date(), oomKilled: wasOutOfMemory(this.dir) };
  }

  /** Drops the handle; the process runs on. */
  async [Symbol.asyncDispose](): Promise<void> {}
}
