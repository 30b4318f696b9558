import { closeSync, statfsSync } from 'node:fs';
import { libc, SYS } from './libc.ts';
import { check, ERRNO, SyscallError } from './syscall-error.ts';

const PR_SET_NAME = 15;
const PR_SET_CHILD_SUBREAPER = 36;

/** Orphans of this process's children become children of this process. */
export function becomeSubreaper(): void {
  check(libc().prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 'prctl', 'PR_SET_CHILD_SUBREAPER');
}

/** Name shown by ps and top; the kernel keeps 15 bytes of it. */
export function setProcessTitle(title: string): void {
  process.title = title;
  libc().prctlName(PR_SET_NAME, title, 0, 0, 0);
}

/** Hands what malloc holds and nobody uses back to the kernel; takes a few milliseconds. */
export function returnFreeMemory(): void {
  libc().mallocTrim(0);
}

/** A process held by descriptor: signals reach it or nobody, never another that took its number. */
export interface ProcessHandle extends Disposable {
  readonly pid: number;
  /** False when it has ended. */
  signal(signal: number): boolean;
}

const isGone = (error: unknown): boolean => error instanceof SyscallError && error.errno === ERRNO.ESRCH;

/** undefined when there is no such process. */
export function openProcess(pid: number): ProcessHandle | undefined {
  let fd: number;
  try {
    fd = check(libc().pidfdOpen(SYS.pidfdOpen, pid, 0), 'pidfd_open', String(pid));
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
  return {
    pid,
    signal: (signal) => {
      try {
        check(libc().pidfdSendSignal(SYS.pidfdSendSignal, fd, signal, null, 0), 'pidfd_send_signal', String(pid));
        return true;
      } catch (error) {
        if (isGone(error)) return false;
        throw error;
      }
    },
    [Symbol.dispose]: () => closeSync(fd),
  };
}

/** Sends a signal; false when there is no such process. */
export function sendSignal(pid: number, signal: number): boolean {
  using handle = openProcess(pid);
  return handle?.signal(signal) ?? false;
}

export interface FileSystemStats {
  readonly type: number;
  readonly totalBytes: number;
  /** What an ordinary user may still use. */
  readonly availableBytes: number;
  readonly totalInodes: number;
  readonly freeInodes: number;
}

export function statFileSystem(path: string): FileSystemStats {
  const stat = statfsSync(path);
  return {
    type: stat.type,
    totalBytes: stat.blocks * stat.bsize,
    availableBytes: stat.bavail * stat.bsize,
    totalInodes: stat.files,
    freeInodes: stat.ffree,
  };
}
