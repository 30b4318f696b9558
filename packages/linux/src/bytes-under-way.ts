import { libc } from './libc.ts';
import { check } from './syscall-error.ts';

const SIOCOUTQ = 0x5411;

/**
 * How much of what was written to a socket is still under way, in no exact unit: 0 when the program at the other end of
 * a unix socket has read everything, or the other end of a TCP connection has acknowledged everything.
 * Throws {@link SyscallError} (`ENOTTY` and such) for what is no socket.
 */
export function bytesUnderWay(fd: number): number {
  const count = new Int32Array(1);
  check(libc().ioctl(fd, SIOCOUTQ, count), 'ioctl', `SIOCOUTQ of ${fd}`);
  return count[0] ?? 0;
}
