import type { CallOptions } from '@berth/base';
import type { ExitStatus } from './oci-runtime.ts';

/**
 * The process that stays with a container when the daemon goes: it holds the terminal or pipes, writes the log,
 * reaps the container and records its exit status where the next daemon finds it. conmon is the one driver.
 *
 * Life of a task: `launch` returns when the runtime has *created* the container (its init process waits); `start` lets
 * it run; `wait` resolves once it has exited and all its output is in the log and at every attached reader; `release`
 * deletes the runtime's and monitor's leftovers. After a daemon restart `reconnect(id)` gives the task again, also one
 * that exited in between.
 *
 * Errors: `invalid` (the runtime refused: bad command, missing binary; `details.exitCode` is 126 or 127 as docker
 * reports it), `unavailable` (monitor missing), `conflict`, `notFound`.
 */
export interface Monitor {
  launch(spec: LaunchSpec, options?: CallOptions): Promise<Task>;
  /** The task of a container launched earlier, by this daemon or a former one; undefined when nothing is left of it. */
  reconnect(id: string): Promise<Task | undefined>;
  /** IDs of all tasks that have leftovers in the exec root. */
  list(): Promise<readonly string[]>;
}

export interface LaunchSpec {
  readonly id: string;
  /** Directory with `config.json`; its `root.path` must be absolute. */
  readonly bundle: string;
  /** `args`: additional global arguments. */
  readonly runtime: { readonly name: string; readonly path: string; readonly args?: readonly string[] };
  readonly terminal: boolean;
  /** Keep standard input open for attaching. */
  readonly stdin: boolean;
  /** Close the container's stdin when the first attached client that wrote to it has gone (StdinOnce). */
  readonly stdinOnce: boolean;
  /** CRI-format log file written by the monitor; undefined: no log is kept. */
  readonly logPath?: string;
  readonly cgroupParent?: string;
}

export interface Process extends AsyncDisposable {
  readonly id: string;
  /** Process ID in the host's PID namespace. */
  readonly pid: number;
  /** Opens a connection to the process's standard streams. Output written before it is not replayed. */
  attach(options?: CallOptions): Promise<AttachedStreams>;
  resize(size: { readonly width: number; readonly height: number }): Promise<void>;
  signal(signal: number): Promise<void>;
  wait(options?: CallOptions): Promise<ExitStatus>;
  /** Known exit status, when it has exited. */
  exitStatus(): ExitStatus | undefined;
}

export interface Task extends Process {
  start(options?: CallOptions): Promise<void>;
  /** Runs another process in the container. Resolves once it runs; with `attach` its streams were connected before, so no output is lost. */
  exec(spec: ExecSpec, options?: CallOptions): Promise<ExecStarted>;
  /** Makes the monitor reopen its log file, after it has been renamed for rotation. */
  reopenLog(): Promise<void>;
  /** Removes runtime state, sockets and status files. Only after exit. */
  release(): Promise<void>;
}

export interface ExecStarted {
  readonly process: Process;
  /** Present when the spec asked for `attach`. */
  readonly streams?: AttachedStreams;
}

export interface ExecSpec {
  readonly id: string;
  /** Connect to the streams before the process begins. */
  readonly attach: boolean;
  /** runtime-spec `process` object. */
  readonly process: unknown;
  readonly terminal: boolean;
  readonly stdin: boolean;
}

export interface AttachedStreams extends AsyncDisposable {
  /** Chunks in the order the process wrote them, until end of output. A terminal has `stdout` only. Slow consumption holds the producer back. */
  readonly output: AsyncIterable<{ readonly stream: 'stdout' | 'stderr'; readonly data: Uint8Array }>;
  write(chunk: Uint8Array): Promise<void>;
  /** Half-close: end of standard input. */
  closeStdin(): Promise<void>;
}
