import { createSocket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { type CallOptions, errnoOf, throwIfAborted, wrap } from '@berth/base';
import { connectUnixDatagram } from '@berth/linux';

/** A way to send datagrams to one receiver. */
export interface Datagrams extends Disposable {
  send(data: Uint8Array, options?: CallOptions): Promise<void>;
}

/** Over UDP. Nobody knows whether somebody listens: only what the kernel refuses is an error. */
export async function openUdp(host: string, port: number, { signal }: CallOptions = {}): Promise<Datagrams> {
  const { address, family } = await lookup(host).catch((error: unknown) => {
    throw wrap(`dial udp: lookup ${host}`, error, 'unavailable');
  });
  throwIfAborted(signal);
  const socket = createSocket(family === 6 ? 'udp6' : 'udp4');
  socket.on('error', () => undefined);
  socket.unref();
  return {
    async send(data) {
      await new Promise<void>((resolve, reject) =>
        socket.send(data, port, address, (error) => {
          // the answer to an earlier datagram: nobody listens there now, which UDP does not promise to tell
          if (error === null || errnoOf(error) === 'ECONNREFUSED') resolve();
          else reject(wrap(`write udp ${address}:${port}`, error, 'unavailable'));
        }),
      );
    },
    [Symbol.dispose]: () => socket.close(),
  };
}

/** Over a unix datagram socket. */
export function openUnixgram(path: string): Datagrams {
  try {
    return connectUnixDatagram(path);
  } catch (error) {
    throw wrap(`dial unixgram ${path}`, error, 'unavailable');
  }
}
