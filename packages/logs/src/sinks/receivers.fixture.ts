import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { decodeMultiStream } from '@msgpack/msgpack';

/** Something that receives logs, for tests. */
export interface Receiver extends AsyncDisposable {
  /** Port, 0 for a unix socket. */
  readonly port: number;
  /** What came so far, as text. */
  readonly text: () => string;
}

/** A TCP, TLS or unix stream server that keeps what it gets; closing it cuts its connections. */
export async function streamReceiver(
  where: { readonly path?: string; readonly port?: number; readonly tls?: TlsOptions },
  onConnection: (socket: Socket, keep: (chunk: Buffer) => void) => void = (socket, keep) => socket.on('data', keep),
): Promise<Receiver> {
  const chunks: Buffer[] = [];
  const sockets = new Set<Socket>();
  const accept = (socket: Socket): void => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    onConnection(socket, (chunk) => void chunks.push(chunk));
  };
  const server: Server = where.tls ? createTlsServer(where.tls, accept) : createServer(accept);
  if (where.path === undefined) server.listen(where.port ?? 0, '127.0.0.1');
  else server.listen(where.path);
  await once(server, 'listening');
  return {
    port: where.path === undefined ? (server.address() as AddressInfo).port : 0,
    text: () => Buffer.concat(chunks).toString(),
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** A UDP receiver; `datagrams` as they came. */
export async function udpReceiver(): Promise<Receiver & { readonly datagrams: readonly Buffer[] }> {
  const datagrams: Buffer[] = [];
  const socket = createSocket('udp4', (data) => void datagrams.push(data));
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return {
    port: socket.address().port,
    datagrams,
    text: () => Buffer.concat(datagrams).toString(),
    [Symbol.asyncDispose]: async () => void socket.close(),
  };
}

/** A receiver of the Fluentd forward protocol, which acknowledges what asks for it. */
export async function forwardReceiver(
  where: { readonly path?: string; readonly port?: number; readonly tls?: TlsOptions } = {},
): Promise<Receiver & { readonly messages: readonly unknown[] }> {
  const messages: unknown[] = [];
  const read = async (socket: Socket): Promise<void> => {
    for await (const message of decodeMultiStream(socket)) {
      messages.push(message);
      const { chunk } = ((message as readonly unknown[])[2] ?? {}) as { readonly chunk?: string };
      // {"ack": chunk}: a map of one, two short strings
      if (chunk !== undefined)
        socket.write(
          Buffer.concat([
            Buffer.from([0x81, 0xa3]),
            Buffer.from('ack'),
            Buffer.from([0xa0 | chunk.length]),
            Buffer.from(chunk),
          ]),
        );
    }
  };
  const receiver = await streamReceiver(where, (socket) => void read(socket).catch(() => undefined));
  return { ...receiver, messages };
}
