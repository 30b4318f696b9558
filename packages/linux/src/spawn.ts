import { closeSync } from 'node:fs';
import { Socket } from 'node:net';
import { constants } from 'node:os';
import { invalid, unavailable } from '@berth/base';
import { reaper } from './child-reaper.ts';
import { makePipe } from './dirfd.ts';
import { libc } from './libc.ts';
import { inNetns } from './netns.ts';
import { check, ERRNO, SyscallError } from './syscall-error.ts';

/*
 * Node's child_process forks: the kernel copies the page tables of the whole process, and every page written afterwards
 * faults once more. For a daemon of 100 MB that is 5 to 20 ms of a blocked event loop a process, for posix_spawn(3),
 * whose child shares the memory until it executes, 0.3 ms whatever the size.
 */

/**
 * A child's descriptor: /dev/null, the reading or writing end of a pipe whose other end is a stream here, or a copy of
 * a descriptor of this process, which stays the caller's.
 */
export type ChildStream = 'ignore' | 'toChild' | 'fromChild' | number;

export interface SpawnOptions {
  /** By descriptor number in the child, from 0 on; it has no others that were opened to be closed on exec. */
  readonly stdio: readonly ChildStream[];
  /** The whole environment; default this process's. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly cwd?: string | undefined;
  /** Path of a network namespace to run in. */
  readonly netns?: string | undefined;
}

export interface ChildExit {
  /** null when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A running program. It need not be waited for: nothing of it stays once it has ended. */
export interface Child {
  readonly pid: number;
  /** Where a pipe was asked for. Streams to the child are only writable, those from it only readable. */
  readonly stdio: readonly (Socket | undefined)[];
  readonly exited: Promise<ChildExit>;
  /** False when it has ended; never reaches another process that took its number. */
  kill(signal: NodeJS.Signals): boolean;
  /** This process may end before the child. */
  unref(): void;
}

const SETSIGDEF = 4;
const SETSIGMASK = 8;
const O_RDWR = 2;
const F_DUPFD_CLOEXEC = 1030;
/** More than glibc's structures take on any architecture. */
const FILE_ACTIONS_BYTES = 256;
const ATTRIBUTES_BYTES = 1024;
const SIGNAL_SET_BYTES = 128;

interface Plan extends Disposable {
  readonly actions: Buffer;
  readonly streams: (Socket | undefined)[];
  /** The child has the ends now. */
  started(): void;
}

/** These functions return the error instead of setting errno. */
const succeed = (error: number, call: string, subject?: string): void => {
  if (error !== 0) throw new SyscallError(call, error, subject);
};

/** Opens the pipes and says what the child does before it executes. Disposed before `started`, it closes all. */
const planStreams = ({ stdio, cwd }: SpawnOptions): Plan => {
  const c = libc();
  const actions = Buffer.alloc(FILE_ACTIONS_BYTES);
  const childEnds: number[] = [];
  const streams: (Socket | undefined)[] = [];
  succeed(c.spawnActionsInit(actions), 'posix_spawn_file_actions_init');
  const closeChildEnds = (): void => {
    for (const fd of childEnds.splice(0)) closeSync(fd);
  };
  const plan: Plan = {
    actions,
    streams,
    started: closeChildEnds,
    [Symbol.dispose]: () => {
      c.spawnActionsDestroy(actions);
      closeChildEnds();
    },
  };
  const pass = (fd: number, target: number): void => {
    // the number may be one that the child's own descriptors are about to take
    const source =
      fd >= stdio.length || fd === target ? fd : check(c.fcntl(fd, F_DUPFD_CLOEXEC, stdio.length), 'fcntl');
    if (source !== fd) childEnds.push(source);
    succeed(c.spawnActionsDup2(actions, source, target), 'posix_spawn_file_actions_adddup2');
  };
  try {
    for (const [target, stream] of stdio.entries()) {
      streams.push(undefined);
      if (stream === 'ignore')
        succeed(c.spawnActionsOpen(actions, target, '/dev/null', O_RDWR, 0), 'posix_spawn_file_actions_addopen');
      else if (typeof stream === 'number') pass(stream, target);
      else {
        const { read, write } = makePipe();
        const [own, given] = stream === 'toChild' ? [write, read] : [read, write];
        childEnds.push(given);
        streams[target] = new Socket({ fd: own, readable: stream === 'fromChild', writable: stream === 'toChild' });
        pass(given, target);
      }
    }
    if (cwd !== undefined) succeed(c.spawnActionsChdir(actions, cwd), 'posix_spawn_file_actions_addchdir_np');
    return plan;
  } catch (error) {
    for (const stream of streams) stream?.destroy();
    plan[Symbol.dispose]();
    throw error;
  }
};

/** The child's signals are as at its birth: none ignored as Node does with SIGPIPE, none blocked. */
const makeAttributes = (): Buffer => {
  const c = libc();
  const attributes = Buffer.alloc(ATTRIBUTES_BYTES);
  const signals = Buffer.alloc(SIGNAL_SET_BYTES);
  succeed(c.spawnAttributesInit(attributes), 'posix_spawnattr_init');
  succeed(c.spawnAttributesMask(attributes, signals), 'posix_spawnattr_setsigmask');
  succeed(c.spawnAttributesDefault(attributes, signals.fill(0xff)), 'posix_spawnattr_setsigdefault');
  succeed(c.spawnAttributesFlags(attributes, SETSIGDEF | SETSIGMASK), 'posix_spawnattr_setflags');
  return attributes;
};

const signalName = (number: number): NodeJS.Signals | null => {
  const found = Object.entries(constants.signals).find(([, value]) => value === number);
  return (found?.[0] as NodeJS.Signals | undefined) ?? null;
};

const exitOf = (status: number): ChildExit =>
  (status & 0x7f) === 0
    ? { code: (status >> 8) & 0xff, signal: null }
    : { code: null, signal: signalName(status & 0x7f) ?? 'SIGKILL' };

const execute = (file: string, args: readonly string[], env: readonly string[], plan: Plan): number => {
  const pid = new Int32Array(1);
  const attributes = makeAttributes();
  const error = libc().posixSpawn(pid, file, plan.actions, attributes, [file, ...args, null], [...env, null]);
  libc().spawnAttributesDestroy(attributes);
  if (error === ERRNO.ENOENT) throw unavailable(`${file}: not installed`);
  succeed(error, 'posix_spawn', file);
  return pid[0] ?? -1;
};

/**
 * Starts a program found by this process's PATH, never through a shell. It stays in this process's session.
 * Throws `unavailable` (no such program or directory to start in), `invalid` (a NUL byte) and as the kernel refuses.
 */
export function spawnChild(file: string, args: readonly string[], options: SpawnOptions): Child {
  const env = Object.entries(options.env ?? process.env).map(([name, value]) => `${name}=${value}`);
  for (const text of [file, options.cwd ?? '', ...args, ...env])
    if (text.includes('\0')) throw invalid('command argument holds a NUL byte');
  const children = reaper();
  using plan = planStreams(options);
  let pid: number;
  try {
    const go = (): number => execute(file, args, env, plan);
    // the child begins where this thread is at that moment, and stays when this thread comes back
    pid = options.netns === undefined ? go() : inNetns(options.netns, go);
  } catch (error) {
    for (const stream of plan.streams) stream?.destroy();
    throw error;
  }
  plan.started();
  const watch = children.add(pid);
  return {
    pid,
    stdio: plan.streams,
    exited: watch.ended.then(exitOf),
    kill: (signal) => watch.isRunning() && process.kill(pid, signal),
    unref: () => watch.unref(),
  };
}
