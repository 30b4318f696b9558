import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { closeSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { errnoOf, type Logger } from '@berth/base';
import type { HostTools } from '../host-tools.ts';
import type { PublishedPort } from '../network-driver.ts';
import { createUdpRelay } from './udp-relay.ts';

/**
 * Holds published ports of the host by sockets bound to them, so that no other program can take one that the nft table
 * redirects, and so that taking one fails at the moment it is asked for. The kernel redirects before a packet reaches
 * these sockets; what does arrive is IPv6 to a container without an IPv6 address, and to ::1, which is relayed.
 */
export interface PortHolder {
  /** Binds. Rejects with the system's error (`EADDRINUSE`, `EACCES`, `EADDRNOTAVAIL`). */
  hold(port: PublishedPort, relayTo: string | undefined): Promise<void>;
  release(port: PublishedPort): Promise<void>;
  isHeld(port: PublishedPort): boolean;
  close(): Promise<void>;
}

type Held = () => Promise<void>;

const keyOf = (port: PublishedPort): string => `${port.protocol} ${port.hostIp} ${port.hostPort}`;

export function createPortHolder(host: Pick<HostTools, 'openSocketIn'>, logger: Logger): PortHolder {
  const held = new Map<string, Held>();
  return {
    async hold(port, relayTo) {
      const release = await bind(port, relayTo, host, logger);
      held.set(keyOf(port), release);
    },
    async release(port) {
      const release = held.get(keyOf(port));
      held.delete(keyOf(port));
      await release?.();
    },
    isHeld: (port) => held.has(keyOf(port)),
    async close() {
      const all = [...held.values()];
      held.clear();
      await Promise.all(all.map((release) => release()));
    },
  };
}

function bind(
  port: PublishedPort,
  relayTo: string | undefined,
  host: Pick<HostTools, 'openSocketIn'>,
  logger: Logger,
): Promise<Held> {
  if (port.protocol === 'tcp') return bindTcp(port, relayTo, logger);
  if (port.protocol === 'udp') return bindUdp(port, relayTo);
  return bindSctp(port, host);
}

/** Node has no SCTP sockets: one that nobody accepts from keeps the port. */
async function bindSctp(port: PublishedPort, host: Pick<HostTools, 'openSocketIn'>): Promise<Held> {
  const fd = await host.openSocketIn(undefined, 'sctp', port.hostIp, port.hostPort);
  return async () => closeSync(fd);
}

function bindTcp(port: PublishedPort, relayTo: string | undefined, logger: Logger): Promise<Held> {
  const clients = new Set<Socket>();
  const server: Server = createServer({ allowHalfOpen: true }, (client) => {
    client.on('error', () => undefined);
    clients.add(client);
    client.on('close', () => clients.delete(client));
    if (relayTo === undefined) {
      client.destroy();
      return;
    }
    const upstream = connect({ host: relayTo, port: port.containerPort, allowHalfOpen: true });
    upstream.on('error', () => client.destroy());
    client.on('error', () => upstream.destroy());
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => client.destroy());
    client.pipe(upstream);
    upstream.pipe(client);
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: port.hostIp, port: port.hostPort, ipv6Only: true, exclusive: true }, () => {
      server.off('error', reject);
      server.on('error', (error) => logger.warn('published port', { port, error }));
      server.unref();
      resolve(
        () =>
          new Promise((done) => {
            for (const client of clients) client.destroy();
            server.close(() => done());
          }),
      );
    });
  });
}

function bindUdp(port: PublishedPort, relayTo: string | undefined): Promise<Held> {
  const family = port.hostIp.includes(':') ? 'udp6' : 'udp4';
  const socket: UdpSocket = createSocket({ type: family, ipv6Only: family === 'udp6' });
  return new Promise((resolve, reject) => {
    socket.once('error', (error) => {
      socket.close();
      reject(error);
    });
    socket.bind({ address: port.hostIp, port: port.hostPort, exclusive: true }, () => {
      socket.removeAllListeners('error').on('error', () => undefined);
      socket.unref();
      // What the kernel redirects never comes here; it does so with all of IPv4.
      const relay =
        family === 'udp6' && relayTo !== undefined
          ? createUdpRelay(socket, { address: relayTo, port: port.containerPort })
          : undefined;
      if (relay) socket.on('message', (message, from) => relay.forward(message, from));
      resolve(async () => {
        relay?.[Symbol.dispose]();
        await new Promise<void>((done) => socket.close(() => done()));
      });
    });
  });
}

/** The words Go's net package, and so dockerd, has for a failed bind. */
export function bindErrorText(error: unknown): string {
  const words: Readonly<Record<string, string>> = {
    EADDRINUSE: 'address already in use',
    EACCES: 'permission denied',
    EADDRNOTAVAIL: 'cannot assign requested address',
    EPROTONOSUPPORT: 'protocol not supported',
    EAFNOSUPPORT: 'address family not supported by protocol',
  };
  return words[errnoOf(error) ?? ''] ?? String(error instanceof Error ? error.message : error);
}
