import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { createServer, type Server, type Socket } from 'node:net';
import type { Logger } from '@berth/base';
import type { HostTools } from '../host-tools.ts';
import { answerLocally, encodeAnswer, encodeFailure, parseQuery, RCODE, udpLimit } from './answer.ts';
import { forwardQuery } from './forward.ts';
import { FrameReader, frame } from './tcp-framing.ts';
import type { ZoneRecords } from './zone.ts';

/** Address containers find the server at. */
export const NAME_SERVER_ADDRESS = '127.0.0.11';

const MAX_IN_FLIGHT = 1024;
const TCP_IDLE_MS = 10_000;
const MAX_TCP_CLIENTS = 64;

export interface NameSource {
  readonly containerId: string;
  readonly records: ZoneRecords;
  /** Servers for all other names; empty: names outside are not resolved (internal networks). */
  upstream(): readonly string[];
}

/** The daemon's name server: one process, two sockets in each namespace that wants names. */
export interface NameServer {
  /**
   * Answers at 127.0.0.11:53 inside the namespace. The sockets are on another port and port 53 is redirected there by
   * a table inside the namespace, so that a container may bind port 53 itself. Returns that port. `port` is given after
   * a restart, when the redirection is in place.
   */
  serve(netns: string, source: NameSource, port?: number): Promise<number>;
  serves(containerId: string): boolean;
  stop(containerId: string): void;
  close(): void;
}

export function createNameServer({ host, logger }: { readonly host: HostTools; readonly logger: Logger }): NameServer {
  const served = new Map<string, () => void>();
  const state = { inFlight: 0 };
  return {
    async serve(netns, source, port = 0) {
      using stack = new DisposableStack();
      const udpFd = await host.openSocketIn(netns, 'udp', NAME_SERVER_ADDRESS, port);
      const udp = await overUdp(udpFd, source, state, logger);
      stack.defer(() => udp.close());
      const chosen = udp.address().port;
      const tcp = await overTcp(
        await host.openSocketIn(netns, 'tcp', NAME_SERVER_ADDRESS, chosen),
        source,
        state,
        logger,
      );
      stack.defer(() => tcp.close());
      if (port === 0) await host.nftIn(netns, redirectScript(chosen));
      const kept = stack.move();
      served.get(source.containerId)?.();
      served.set(source.containerId, () => kept.dispose());
      return chosen;
    },
    serves: (containerId) => served.has(containerId),
    stop(containerId) {
      served.get(containerId)?.();
      served.delete(containerId);
    },
    close() {
      for (const stop of served.values()) stop();
      served.clear();
    },
  };
}

function redirectScript(port: number): string {
  const rule = (protocol: string): string =>
    `ip daddr ${NAME_SERVER_ADDRESS} ${protocol} dport 53 dnat to ${NAME_SERVER_ADDRESS}:${port}`;
  return `add table ip berth_dns
delete table ip berth_dns
table ip berth_dns {
  chain output {
    type nat hook output priority -100; policy accept;
    ${rule('udp')}
    ${rule('tcp')}
  }
}
`;
}

interface Load {
  inFlight: number;
}

/** The reply to a query; undefined for what is no query at all, which gets none. */
async function reply(
  message: Uint8Array,
  source: NameSource,
  transport: 'udp' | 'tcp',
  load: Load,
): Promise<Uint8Array | undefined> {
  if (message.length < 12 || ((message[2] ?? 0) & 0x80) !== 0) return undefined;
  const query = parseQuery(message);
  if (query?.questions?.length !== 1) return encodeFailure(message, RCODE.formatError);
  const answers = answerLocally(source.records, source.containerId, query);
  if (answers) return encodeAnswer(query, answers, transport === 'udp' ? udpLimit(query) : 0xffff);
  const servers = source.upstream();
  if (servers.length === 0 || load.inFlight >= MAX_IN_FLIGHT) return encodeFailure(message, RCODE.serverFailure);
  load.inFlight++;
  try {
    return await forwardQuery(message, { servers, transport });
  } catch {
    return encodeFailure(message, RCODE.serverFailure);
  } finally {
    load.inFlight--;
  }
}

function overUdp(fd: number, source: NameSource, load: Load, logger: Logger): Promise<UdpSocket> {
  const socket = createSocket('udp4');
  socket.on('message', (message, { port, address }) => {
    reply(message, source, 'udp', load).then(
      (answer) => {
        if (answer && served(socket)) socket.send(answer, port, address, () => undefined);
      },
      (error: unknown) => logger.warn('name server', { error }),
    );
  });
  socket.unref();
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind({ fd }, () => {
      socket.off('error', reject).on('error', (error) => logger.debug('name server', { error }));
      resolve(socket);
    });
  });
}

/** A reply may be ready after its namespace was closed. */
function served(socket: UdpSocket): boolean {
  try {
    socket.address();
    return true;
  } catch {
    return false;
  }
}

function overTcp(fd: number, source: NameSource, load: Load, logger: Logger): Promise<Server> {
  const clients = new Set<Socket>();
  const server = createServer((client) => {
    clients.add(client);
    const reader = new FrameReader();
    client.unref();
    client.setTimeout(TCP_IDLE_MS, () => client.destroy());
    client.on('error', () => undefined);
    client.on('close', () => clients.delete(client));
    client.on('data', (chunk: Buffer) => {
      for (const message of reader.push(chunk))
        reply(message, source, 'tcp', load).then(
          (answer) => (answer && !client.destroyed ? client.write(frame(answer)) : undefined),
          (error: unknown) => logger.warn('name server', { error }),
        );
    });
  });
  server.maxConnections = MAX_TCP_CLIENTS;
  server.unref();
  const close = server.close.bind(server);
  server.close = (done) => {
    for (const client of clients) client.destroy();
    return close(done);
  };
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ fd }, () => {
      server.off('error', reject).on('error', (error) => logger.debug('name server', { error }));
      resolve(server);
    });
  });
}
