import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { conflict, errnoOf } from '@berth/base';

/**
 * conmon reads its control FIFO 199 bytes at a time and, when two messages come in one read, carries out the first
 * twice. A message padded to exactly one read cannot share it with another.
 */
const MESSAGE_SIZE = 199;
const RESIZE = 1;
const REOPEN_LOGS = 2;

const send = (dir: string, message: string): void => {
  let fd: number;
  try {
    fd = openSync(`${dir}/ctl`, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch (cause) {
    if (errnoOf(cause) === 'ENXIO' || errnoOf(cause) === 'ENOENT') throw conflict('the process has exited', { cause });
    throw cause;
  }
  try {
    writeSync(fd, `${message.padEnd(MESSAGE_SIZE - 1)}\n`);
  } finally {
    closeSync(fd);
  }
};

/** Throws `conflict` when the monitor is gone. */
export function sendResize(dir: string, height: number, width: number): void {
  send(dir, `${RESIZE} ${height} ${width}`);
}

export function sendReopenLogs(dir: string): void {
  send(dir, `${REOPEN_LOGS} 0 0`);
}
