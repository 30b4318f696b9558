import type { Writable } from 'node:stream';
import { cancelled } from '@berth/base';

const gone = () => cancelled('the client closed the connection');

/** Writes and waits while the other side is slower. Rejects with `cancelled` when it has gone. */
export function writeTo(to: Writable, chunk: Uint8Array | string): Promise<void> {
  if (to.destroyed || to.writableEnded || to.closed) return Promise.reject(gone());
  if (to.write(chunk)) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const settle = (done: () => void) => (): void => {
      to.off('drain', onDrain).off('close', onClose).off('error', onClose);
      done();
    };
    const onDrain = settle(resolve);
    const onClose = settle(() => reject(gone()));
    to.once('drain', onDrain).once('close', onClose).once('error', onClose);
  });
}

/** Ends and waits until everything was handed to the kernel, or the other side has gone. */
export function endOf(to: Writable): Promise<void> {
  if (to.destroyed || to.writableFinished || to.closed) return Promise.resolve();
  return new Promise((resolve) => {
    to.once('close', () => resolve()).once('error', () => resolve());
    to.end(() => resolve());
  });
}
