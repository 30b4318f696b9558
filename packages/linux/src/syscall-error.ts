import { constants } from 'node:os';
import { getSystemErrorMap } from 'node:util';
import { EngineError, kindOf } from '@berth/base';
import { libc } from './libc.ts';

/** A failed system call. `code` is the errno name (`ENOENT`), the kind follows from it. */
export class SyscallError extends EngineError {
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;

  constructor(syscall: string, errno: number, subject?: string) {
    const [code, text] = getSystemErrorMap().get(-errno) ?? [`E${errno}`, 'unknown error'];
    super(kindOf({ code }), `${syscall}${subject === undefined ? '' : ` ${subject}`}: ${text} (${code})`);
    this.code = code;
    this.errno = errno;
    this.syscall = syscall;
  }
}

/** Turns libc's -1 into a {@link SyscallError}. */
export function check(result: number, syscall: string, subject?: string): number {
  if (result >= 0) return result;
  throw new SyscallError(syscall, libc().errno(), subject);
}

export const ERRNO = constants.errno;

/** Refuses a name that C would cut short. */
export function checkPath(path: string): string {
  if (path.includes('\0')) throw new EngineError('invalid', `path holds a NUL byte: ${JSON.stringify(path)}`);
  return path;
}
