import { closeSync, constants, openSync } from 'node:fs';
import { type CallOptions, conflict, isKind, throwIfAborted } from '@berth/base';
import { libc } from './libc.ts';
import { check, ERRNO, SyscallError } from './syscall-error.ts';

const LOCK_EX = 2;
const LOCK_NB = 4;

/**
 * Takes an exclusive flock(2) on a file, made when missing, and holds it until disposed or the process ends.
 * Throws `conflict` when another process holds it.
 */
export function lockFile(path: string): Disposable {
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  try {
    check(libc().flock(fd, LOCK_EX | LOCK_NB), 'flock', path);
  } catch (error) {
    closeSync(fd);
    if (error instanceof SyscallError && error.errno === ERRNO.EAGAIN)
      throw conflict(`${path} is in use by another process`, { cause: error });
    throw error;
  }
  let held = true;
  return {
    [Symbol.dispose]: () => {
      if (held) closeSync(fd);
      held = false;
    },
  };
}

/** As {@link lockFile}, but waits for its turn, `timeoutMs` at most; throws `conflict` after that. */
export async function waitForFileLock(
  path: string,
  { signal, timeoutMs = 10_000 }: CallOptions & { readonly timeoutMs?: number } = {},
): Promise<Disposable> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    throwIfAborted(signal);
    try {
      return lockFile(path);
    } catch (error) {
      if (!isKind(error, 'conflict') || performance.now() > deadline) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 10 + Math.random() * 20));
  }
}
