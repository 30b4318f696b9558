import { closeSync, writeSync } from 'node:fs';
import { type CallOptions, errnoOf, sleep } from '@berth/base';
import { libc } from './libc.ts';
import { AF, unixAddress } from './socket-address.ts';
import { check } from './syscall-error.ts';

const SOCK_DGRAM = 2;
const SOCK_FLAGS = 0o2004000; // non-blocking, close on exec
const MAX_WAIT_MS = 50;

/** A connected AF_UNIX datagram socket, which Node has none of. */
export interface UnixDatagram extends Disposable {
  /** Sends one datagram, waiting while the receiver's queue is full. Throws what write(2) says, `cancelled` when aborted. */
  send(data: Uint8Array, options?: CallOptions): Promise<void>;
}

/** Connects to the datagram socket at `path`. Throws {@link SyscallError}; `invalid` for a path over 107 bytes. */
export function connectUnixDatagram(path: string): UnixDatagram {
  const fd = check(libc().socket(AF.unix, SOCK_DGRAM | SOCK_FLAGS, 0), 'socket');
  try {
    check(libc().connect(fd, unixAddress(path), 110), 'connect', path);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  let open = true;
  return {
    async send(data, options = {}) {
      for (let wait = 1; ; wait = Math.min(2 * wait, MAX_WAIT_MS)) {
        try {
          writeSync(fd, data);
          return;
        } catch (error) {
          if (errnoOf(error) !== 'EAGAIN') throw error;
        }
        await sleep(wait, options);
      }
    },
    [Symbol.dispose]() {
      if (open) closeSync(fd);
      open = false;
    },
  };
}
