import type { LogForwarder } from '@berth/logs';
import type { Process, SpecInput, Task } from '@berth/runtime';
import type { PendingAttachment } from './attach.ts';
import type { HealthMonitor } from './health.ts';
import type { ContainerRecord, ContainerState, ContainerStatus } from './types.ts';

/** Resolves waiters of one kind, each exactly once. */
export class Waiters<T> {
  #waiting: ((value: T) => void)[] = [];

  add(): { readonly promise: Promise<T>; readonly cancel: () => void } {
    const { promise, resolve } = Promise.withResolvers<T>();
    this.#waiting.push(resolve);
    return { promise, cancel: () => this.#cancel(resolve) };
  }

  #cancel(resolve: (value: T) => void): void {
    this.#waiting = this.#waiting.filter((waiting) => waiting !== resolve);
  }

  notify(value: T): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve(value);
  }
}

export interface ExitNotice {
  readonly exitCode: number;
  readonly error?: string;
}

/** What the daemon holds in memory for one container: its record, its state, and the handles of a running one. */
export class Container {
  record: ContainerRecord;
  state: ContainerState;
  task: Task | undefined;
  /** What the running task was started with; further processes (exec) derive from it. */
  specInput: SpecInput | undefined;
  health: HealthMonitor | undefined;
  logRotation: Disposable | undefined;
  /** Present with a log driver that sends the log elsewhere; it may outlast the run. */
  logForwarder: LogForwarder | undefined;
  /** Attach calls made before the task existed; the next start connects them. */
  readonly pendingAttachments = new Set<PendingAttachment>();
  /** Volumes mounted for the current run. */
  readonly mountedVolumes = new Set<string>();
  readonly execIds = new Set<string>();
  readonly execProcesses = new Map<string, Process>();
  /** For the end of the container: it will not run again by itself. */
  readonly exitWaiters = new Waiters<ExitNotice>();
  /** For the end of a run, whether another one follows or not. */
  readonly runWaiters = new Waiters<ExitNotice>();
  readonly removeWaiters = new Waiters<ExitNotice>();
  /** Cancels a restart that waits for its back-off. */
  restartTimer: AbortController | undefined;
  /** Current back-off in milliseconds, reset by a long enough run. */
  restartDelayMs = 0;
  /** How long the next restart for want of health waits, in milliseconds; 0 once it has been healthy. */
  unhealthyDelayMs = 0;
  /** Such a restart has been decided on. */
  isRestartingUnhealthy = false;
  /** Set while a restart by the user is under way: an exit then neither removes an `--rm` container nor restarts it. */
  keepOnExit = false;

  constructor(record: ContainerRecord, state: ContainerState) {
    this.record = record;
    this.state = state;
  }

  get id(): string {
    return this.record.id;
  }
  get name(): string {
    return this.record.name;
  }
  get isRunning(): boolean {
    return this.state.status === 'running' || this.state.status === 'paused';
  }
  /** Tells everybody who waits for the end of this run or of the container. */
  tellEnded(notice: ExitNotice): void {
    this.runWaiters.notify(notice);
    this.exitWaiters.notify(notice);
  }
  is(...statuses: readonly ContainerStatus[]): boolean {
    return statuses.includes(this.state.status);
  }
}
