import { Worker } from 'node:worker_threads';
import {
  type CallOptions,
  conflict,
  EngineError,
  type ErrorKind,
  type Growth,
  internal,
  throwIfAborted,
} from '@berth/base';
import type { ApplyResult, WriterSettings } from './apply-archive.ts';
import type { Job, JobResult } from './apply-worker.ts';
import type { DiffSource } from './changes.ts';
import type { Compression } from './compression.ts';
import type { TarLimits } from './tar-parser.ts';
import type { WrittenArchive } from './write-archive.ts';

export interface ApplyLayerOptions extends WriterSettings {
  /** A file, or one that is read while it grows. Its descriptor stays the caller's, to be closed afterwards. */
  readonly source: { readonly path: string } | { readonly fd: number; readonly growth: Growth };
  readonly target: string;
  /** Default: detected from the first bytes. */
  readonly compression?: Compression;
  readonly limits?: TarLimits;
  /** Throws `dataLoss` when the uncompressed archive has another digest. The tree written is then not to be used. */
  readonly expectedDiffId?: string;
}

export type { ApplyResult } from './apply-archive.ts';

export interface ApplyPool extends AsyncDisposable {
  /**
   * Applies a layer in a worker thread; waits for a free one. On failure part of the tree may have been written: the
   * caller discards the directory. Throws `invalid` (malformed or hostile archive, damaged compression), `tooLarge`,
   * `dataLoss`, `exhausted`, `cancelled` (also when a growing file is given up; aborting gives it up).
   */
  apply(options: ApplyLayerOptions, call?: CallOptions): Promise<ApplyResult>;
  /**
   * Writes the layer archive of what changed into the empty, readable and writable file `fd` in a worker thread, see
   * {@link WrittenArchive}; undefined when nothing changed. The file may hold anything after a failure. Throws
   * `exhausted`, `cancelled`, `unavailable` (the compressor failed).
   */
  write(source: DiffSource, fd: number, call?: CallOptions): Promise<WrittenArchive | undefined>;
}

interface Answer {
  readonly result?: JobResult;
  readonly error?: { readonly kind: ErrorKind; readonly message: string; readonly code?: string };
}

const DEFAULT_IDLE_MS = 3000;

class WorkerPool implements ApplyPool {
  readonly #size: number;
  readonly #idleMs: number;
  readonly #idle = new Map<Worker, NodeJS.Timeout>();
  readonly #all = new Set<Worker>();
  readonly #waiting: ((worker: Worker) => void)[] = [];
  #closed = false;

  constructor(size: number, idleMs: number) {
    this.#size = size;
    this.#idleMs = idleMs;
  }

  apply(options: ApplyLayerOptions, call: CallOptions = {}): Promise<ApplyResult> {
    const { source, target, compression, limits = {}, expectedDiffId, ...settings } = options;
    const growth = 'growth' in source ? source.growth : undefined;
    return this.#run(
      call,
      (worker, cancel) => {
        const from = 'growth' in source ? { fd: source.fd, cell: source.growth.cell } : source;
        const job = { ...settings, target, limits, compression, expectedDiffId, cancel, source: from };
        return ask<ApplyResult>(worker, { apply: job });
      },
      () => growth?.giveUp(),
    );
  }

  write(source: DiffSource, fd: number, call: CallOptions = {}): Promise<WrittenArchive | undefined> {
    return this.#run(call, (worker, cancel) =>
      ask<WrittenArchive | undefined>(worker, { write: { source, fd, cancel } }),
    );
  }

  /** Runs a job on a thread that becomes free. It has ended when this returns, cancelled or not. */
  async #run<T>(
    call: CallOptions,
    job: (worker: Worker, cancel: Int32Array) => Promise<T>,
    wake?: () => void,
  ): Promise<T> {
    throwIfAborted(call.signal);
    if (this.#closed) throw conflict('the pool is closed');
    const worker = await this.#acquire();
    const cancel = new Int32Array(new SharedArrayBuffer(4));
    const onAbort = (): void => {
      cancel[0] = 1;
      wake?.();
    };
    call.signal?.addEventListener('abort', onAbort, { once: true });
    try {
      throwIfAborted(call.signal);
      return await job(worker, cancel);
    } catch (error) {
      throwIfAborted(call.signal);
      throw error;
    } finally {
      call.signal?.removeEventListener('abort', onAbort);
      this.#release(worker);
    }
  }

  async #acquire(): Promise<Worker> {
    const [idle] = this.#idle.keys();
    if (idle !== undefined) {
      clearTimeout(this.#idle.get(idle));
      this.#idle.delete(idle);
      idle.ref();
      return idle;
    }
    if (this.#all.size < this.#size) return this.#start();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #start(): Worker {
    const worker = new Worker(new URL('./apply-worker.ts', import.meta.url), {
      trackUnmanagedFds: false,
      resourceLimits: { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: 1024 },
    });
    worker.setMaxListeners(0);
    worker.on('exit', () => this.#all.delete(worker));
    worker.on('error', () => this.#all.delete(worker));
    this.#all.add(worker);
    return worker;
  }

  #release(worker: Worker): void {
    const alive = this.#all.has(worker);
    const next = this.#waiting.shift();
    if (next !== undefined) {
      next(alive ? worker : this.#start());
      return;
    }
    if (!alive) return;
    if (this.#closed) {
      void worker.terminate();
      return;
    }
    worker.unref();
    const timer = setTimeout(() => {
      this.#idle.delete(worker);
      this.#all.delete(worker);
      void worker.terminate();
    }, this.#idleMs);
    timer.unref();
    this.#idle.set(worker, timer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    const idle = [...this.#idle];
    this.#idle.clear();
    await Promise.all(
      idle.map(([worker, timer]) => {
        clearTimeout(timer);
        return worker.terminate();
      }),
    );
  }
}

/** Has the thread do a job; `Result` is what jobs of its kind give. */
const ask = async <Result extends JobResult>(worker: Worker, job: Job): Promise<Result> => {
  const answer = await new Promise<Answer>((resolve, reject) => {
    const settle = (): void => {
      worker.off('message', onMessage);
      worker.off('error', onError);
      worker.off('exit', onExit);
    };
    const onMessage = (message: Answer): void => {
      settle();
      resolve(message);
    };
    const onError = (error: unknown): void => {
      settle();
      reject(internal('the thread working on a layer failed', { cause: error }));
    };
    const onExit = (): void => onError(new Error('it ended'));
    worker.on('message', onMessage);
    worker.on('error', onError);
    worker.on('exit', onExit);
    worker.postMessage(job);
  });
  if (answer.error === undefined) return answer.result as Result;
  const { kind, message, code } = answer.error;
  throw new EngineError(kind, message, code === undefined ? {} : { details: { code } });
};

/** Worker threads that apply layers side by side; started when needed, ended after `idleMs` without work. */
export function createApplyPool(options: { readonly workers?: number; readonly idleMs?: number } = {}): ApplyPool {
  return new WorkerPool(options.workers ?? 2, options.idleMs ?? DEFAULT_IDLE_MS);
}

/** Applies one layer in a thread of its own; with several to apply use a pool. */
export async function applyLayer(options: ApplyLayerOptions, call: CallOptions = {}): Promise<ApplyResult> {
  await using pool = createApplyPool({ workers: 1 });
  return await pool.apply(options, call);
}
