import type { IncomingHttpHeaders } from 'node:http';
import type { Duplex } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { sleep } from '@berth/base';
import { bytesUnderWay } from '@berth/linux';

/** A client that reads at once has the head within this; only for slower ones is the clock worth a timer. */
const EAGER_MS = 1;
const PATIENCE_MS = 20;

/**
 * Waits, for `patienceMs` at most, until the client has taken what was sent. docker-py reads the head of an upgraded answer
 * through a buffer and what follows past it: output that arrives together with the head is lost to it. On a unix socket
 * this tells what the client has read, over TCP only what its kernel has got.
 */
export async function untilHeadRead(socket: Duplex, patienceMs = PATIENCE_MS): Promise<void> {
  const fd = descriptorOf(socket);
  if (fd === undefined) return;
  const begun = performance.now();
  for (let waited = 0; waited < patienceMs && isUnderWay(socket, fd); waited = performance.now() - begun)
    await (waited < EAGER_MS ? setImmediate() : sleep(1));
}

/**
 * The same for a client that is known to lose what follows the head, wherever it is: over a network nothing tells what it
 * has read, so once its kernel has the head it gets the whole of the time.
 */
export async function untilHeadSurelyRead(socket: Duplex, patienceMs = PATIENCE_MS): Promise<void> {
  await untilHeadRead(socket, patienceMs);
  if ((socket as { readonly remoteAddress?: string }).remoteAddress !== undefined) await sleep(patienceMs);
}

/** docker-py, and Compose v1 which is made with it, by their User-Agent. */
export const losesOutputAfterHead = ({ 'user-agent': name = '' }: IncomingHttpHeaders): boolean =>
  /^docker-sdk-python\/|^docker-compose\/1\./.test(name);

/** Node shows a socket's descriptor nowhere else. */
function descriptorOf(socket: Duplex): number | undefined {
  const { _handle: handle } = socket as { readonly _handle?: { readonly fd?: number } | null };
  return handle?.fd !== undefined && handle.fd >= 0 ? handle.fd : undefined;
}

function isUnderWay(socket: Duplex, fd: number): boolean {
  if (socket.destroyed || descriptorOf(socket) !== fd) return false;
  try {
    return bytesUnderWay(fd) > 0;
  } catch {
    return false;
  }
}
