import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';

export interface UdpRelay extends Disposable {
  forward(message: Buffer, from: RemoteInfo): void;
}

/** A client that says nothing for this long is forgotten, as dockerd's proxy does. */
const IDLE_MS = 90_000;
const MAX_CLIENTS = 1024;

interface Client {
  readonly upstream: Socket;
  readonly timer: NodeJS.Timeout;
}

/** Carries datagrams that arrive at `socket` to a container and its answers back, each client by a socket of its own. */
export function createUdpRelay(socket: Socket, to: { readonly address: string; readonly port: number }): UdpRelay {
  const clients = new Map<string, Client>();
  const forget = (key: string): void => {
    const client = clients.get(key);
    clients.delete(key);
    clearTimeout(client?.timer);
    client?.upstream.close();
  };
  const admit = (key: string, from: RemoteInfo): Client => {
    // The one that was admitted first makes room: nobody can keep others out by sending from many ports.
    const [oldest] = clients.keys();
    if (clients.size >= MAX_CLIENTS && oldest !== undefined) forget(oldest);
    const upstream = createSocket(isIPv6(to.address) ? 'udp6' : 'udp4');
    upstream.on('error', () => forget(key));
    upstream.on('message', (answer) => {
      if (!clients.has(key)) return;
      clients.get(key)?.timer.refresh();
      socket.send(answer, from.port, from.address, () => undefined);
    });
    upstream.unref();
    const client = { upstream, timer: setTimeout(() => forget(key), IDLE_MS).unref() };
    clients.set(key, client);
    return client;
  };
  return {
    forward(message, from) {
      const key = `${from.address} ${from.port}`;
      const { upstream, timer } = clients.get(key) ?? admit(key, from);
      timer.refresh();
      upstream.send(message, to.port, to.address, () => undefined);
    },
    [Symbol.dispose]() {
      for (const key of [...clients.keys()]) forget(key);
    },
  };
}
