import { connect, isIP, isIPv6, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls, getCACertificates } from 'node:tls';
import { type CallOptions, errnoOf, messageOf, throwIfAborted, unavailable } from '@berth/base';

export type StreamAddress =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number; readonly tls?: ConnectionOptions };

const CONNECT_MS = 10_000;

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ENOENT: 'no such file or directory',
  EACCES: 'permission denied',
  EHOSTUNREACH: 'no route to host',
  ENETUNREACH: 'network is unreachable',
  ETIMEDOUT: 'i/o timeout',
};

const nameOf = (address: StreamAddress): string => {
  if (address.kind === 'unix') return `unix ${address.path}`;
  return `tcp ${isIPv6(address.host) ? `[${address.host}]` : address.host}:${address.port}`;
};

const open = (address: StreamAddress): Socket => {
  if (address.kind === 'unix') return connect(address.path);
  const { host, port, tls } = address;
  if (tls === undefined) return connect({ host, port });
  // What the host trusts, as for any other program on it, and not Node's own list.
  return connectTls({
    host,
    port,
    ca: getCACertificates('system'),
    ...(isIP(host) ? {} : { servername: host }),
    ...tls,
  });
};

/** A connection to a log receiver. What it says is thrown away but for what `onData` is given. */
export class StreamConnection implements Disposable {
  readonly #socket: Socket;
  readonly #address: StreamAddress;
  #failure: Error | undefined;
  readonly #waiting = new Set<(error: Error) => void>();
  onData: ((data: Buffer) => void) | undefined;

  private constructor(socket: Socket, address: StreamAddress) {
    this.#socket = socket;
    this.#address = address;
    this.#listen();
  }

  /** Throws `unavailable` in the words of Go's net package, `cancelled`. */
  static async open(address: StreamAddress, { signal }: CallOptions = {}): Promise<StreamConnection> {
    throwIfAborted(signal);
    const socket = open(address);
    const connection = new StreamConnection(socket, address);
    const ready = address.kind === 'tcp' && address.tls !== undefined ? 'secureConnect' : 'connect';
    socket.setTimeout(CONNECT_MS, () => socket.destroy(Object.assign(new Error('i/o timeout'), { code: 'ETIMEDOUT' })));
    try {
      await connection.#until((resolve) => socket.once(ready, resolve), signal);
    } catch (error) {
      socket.destroy();
      throw error;
    }
    socket.setTimeout(0);
    socket.setNoDelay?.(true);
    return connection;
  }

  get alive(): boolean {
    return this.#failure === undefined && !this.#socket.destroyed;
  }

  /** Resolves when the kernel has all of it. Throws `unavailable`, `cancelled`. */
  async write(data: Uint8Array, { signal }: CallOptions = {}): Promise<void> {
    await this.#until((resolve) => this.#socket.write(data, () => resolve()), signal);
  }

  /** Waits for what `begin` reports; the connection's end, or the signal, ends the wait and the connection. */
  async until(begin: (resolve: () => void) => void, { signal }: CallOptions = {}): Promise<void> {
    await this.#until(begin, signal);
  }

  async #until(begin: (resolve: () => void) => void, signal: AbortSignal | undefined): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.add(reject);
    const abort = (): void => void this.#socket.destroy();
    signal?.addEventListener('abort', abort, { once: true });
    try {
      begin(resolve);
      await promise;
    } catch (error) {
      throwIfAborted(signal);
      throw error;
    } finally {
      this.#waiting.delete(reject);
      signal?.removeEventListener('abort', abort);
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  #listen(): void {
    const failed = (error: unknown): void => {
      const words = WORDS[errnoOf(error) ?? ''];
      const text = words === undefined ? messageOf(error) : `connect: ${words}`;
      this.#failure ??= unavailable(`dial ${nameOf(this.#address)}: ${text}`, { cause: error });
      for (const fail of this.#waiting) fail(this.#failure);
    };
    this.#socket.on('error', failed);
    this.#socket.on('close', () => failed(new Error('the connection was closed')));
    // A receiver that closes its side has gone: what is written from now on would be lost.
    this.#socket.on('end', () => this.#socket.destroy());
    this.#socket.on('data', (data: Buffer) => this.onData?.(data));
  }

  [Symbol.dispose](): void {
    this.#failure ??= unavailable('the connection was closed');
    // Sends what is buffered, then closes; nobody waits for it.
    this.#socket.destroySoon();
  }
}
