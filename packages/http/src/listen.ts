import { chmodSync, chownSync, lstatSync, unlinkSync } from 'node:fs';
import type { Server, ServerOptions } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { conflict, errnoOf, wrap } from '@berth/base';

// Importing these by name would run every getter of the module, one of which loads undici: 10 MB and 40 ms.
const { createServer: createPlain } = process.getBuiltinModule('node:http');
const { createServer: createSecure } = process.getBuiltinModule('node:https');

/** PEM texts. With `clientCa`, clients must show a certificate signed by it. */
export interface TlsOptions {
  readonly cert: string | Uint8Array;
  readonly key: string | Uint8Array;
  readonly clientCa?: string | Uint8Array;
}

export type ListenAddress =
  | { readonly type: 'unix'; readonly path: string; readonly mode?: number; readonly gid?: number }
  | { readonly type: 'tcp'; readonly host: string; readonly port: number; readonly tls?: TlsOptions }
  | { readonly type: 'fd'; readonly fd: number; readonly tls?: TlsOptions };

const isServed = (path: string): Promise<boolean> =>
  new Promise((resolve, reject) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', (error) => {
      const code = errnoOf(error);
      if (code === 'ECONNREFUSED' || code === 'ENOENT') resolve(false);
      else reject(wrap(`cannot tell whether ${path} is in use`, error));
    });
  });

/** Removes a socket file that nobody listens on; throws `conflict` when somebody does or it is no socket. */
const removeStale = async (path: string): Promise<void> => {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) throw conflict(`${path} exists and is not a socket`);
  if (await isServed(path)) throw conflict(`listen unix ${path}: bind: address already in use`);
  unlinkSync(path);
};

const started = (server: Server, begin: () => void): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.once('listening', () => {
      server.off('error', reject);
      resolve();
    });
    begin();
  });

const listenUnix = async (server: Server, path: string, mode: number, gid: number | undefined): Promise<void> => {
  await removeStale(path);
  await started(server, () => {
    // Bound at once within listen(): nobody can connect before the mode is right.
    const before = process.umask(0o177);
    try {
      server.listen({ path });
    } finally {
      process.umask(before);
    }
  });
  if (gid !== undefined) chownSync(path, process.getuid?.() ?? 0, gid);
  chmodSync(path, mode);
};

/** A node server fit for the address, not listening yet. */
export function createNodeServer(address: ListenAddress, options: ServerOptions): Server {
  if (address.type === 'unix' || address.tls === undefined) return createPlain(options);
  const { cert, key, clientCa } = address.tls;
  const verify =
    clientCa === undefined ? {} : { ca: Buffer.from(clientCa), requestCert: true, rejectUnauthorized: true };
  return createSecure({
    ...options,
    ...verify,
    allowHalfOpen: true,
    handshakeTimeout: 10_000,
    cert: Buffer.from(cert),
    key: Buffer.from(key),
    minVersion: 'TLSv1.2',
  });
}

/** Starts listening. Throws `conflict` when the address is taken, `forbidden` when it may not be used. */
export async function listenOn(server: Server, address: ListenAddress): Promise<void> {
  try {
    if (address.type === 'unix') await listenUnix(server, address.path, address.mode ?? 0o660, address.gid);
    else if (address.type === 'fd') await started(server, () => void server.listen({ fd: address.fd }));
    else await started(server, () => void server.listen({ host: address.host, port: address.port }));
  } catch (error) {
    if (errnoOf(error) !== 'EADDRINUSE' || address.type !== 'tcp') throw error;
    throw conflict(`listen tcp ${address.host}:${address.port}: bind: address already in use`, { cause: error });
  }
}

/**
 * An address that is this process's before anything serves it: who connects waits. Given to `HttpServer.listen`, which
 * serves those too; disposing it instead hangs up and gives the address back.
 */
export interface BoundAddress extends AsyncDisposable {
  readonly address: ListenAddress;
  readonly server: Server;
  /** Ends the waiting, once: after `adopt` has put its listeners on the server, it gets every connection. */
  serve(adopt: (server: Server) => void): void;
}

const ignore = (): void => undefined;

/** Listens and holds what connects. Throws as {@link listenOn}. */
export async function holdAddress(address: ListenAddress, options: ServerOptions): Promise<BoundAddress> {
  const server = createNodeServer(address, options);
  const own = server.listeners('connection') as ((this: Server, socket: Socket) => void)[];
  const waiting = new Set<Socket>();
  const hold = (socket: Socket): void => {
    waiting.add(socket);
    socket.on('error', ignore).once('close', () => waiting.delete(socket));
  };
  server.removeAllListeners('connection').on('connection', hold);
  await listenOn(server, address);
  return {
    address,
    server,
    serve(adopt) {
      server.off('connection', hold);
      for (const listener of own) server.on('connection', listener);
      adopt(server);
      for (const socket of waiting) server.emit('connection', socket.off('error', ignore));
      waiting.clear();
    },
    async [Symbol.asyncDispose]() {
      for (const socket of waiting) socket.destroy();
      if (server.listening) await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Port of a TCP listener, undefined for others. */
export function portOf(server: Server): number | undefined {
  const bound = server.address() as AddressInfo | string | null;
  return bound === null || typeof bound === 'string' ? undefined : bound.port;
}
